"""Figures of the drawn world: persons and dogs in a scene, with keypoints that are exact and know what hides them.

Legend: H W rows and columns, 3 channels or axes, K keypoints of a kind, P joints. Pixels, xyxy, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from superlens.data.world.bodies import Body, Stroke
from superlens.data.world.dogs import DOG_POINTS, dog
from superlens.data.world.persons import PERSON_POINTS, person
from superlens.data.world.scene import ALL_PAIRS, BASE, CLEAR_AREA, Canvas, Scene, Thing
from superlens.data.world.textures import between, surface

MAKERS: Mapping[str, Callable[[np.random.Generator, float], Body]] = {"person": person, "dog": dog}
POINTS: Mapping[str, tuple[str, ...]] = {"person": PERSON_POINTS, "dog": DOG_POINTS}
# The longer side of a figure in pixels on a picture of 128, by how many there are; dogs are smaller than persons.
LENGTHS = {1: (46.0, 110.0), 2: (38.0, 96.0), 3: (30.0, 78.0), 4: (24.0, 62.0)}
DOG_SCALE = 0.72
CLEAR_SHARE = 0.5
SUPERSAMPLE = 3
_HIDDEN, _VISIBLE = 1, 2
# Of many colours, a figure stands out even where its mean is close to what lies behind.
_CONTRAST = 0.15
_NEAR = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True, eq=False)
class Figure:
    """One person or dog of a scene.

    `xyv_K3`, float32: x, y in pixels and v for each of the kind's `POINTS`: 2 visible, 1 hidden by the own body or by
    something in front, 0 (with x = y = 0) outside the picture. `length`: the longer side it was drawn with. `facing`:
    "front", "back", "left", "right". The rest as in `Thing`.
    """

    kind: str
    pose: str
    facing: str
    length: float
    box: tuple[float, float, float, float]
    area: int
    visible: float
    hidden: float
    xyv_K3: np.ndarray

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the visible box, (x, y) in pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def clear(self) -> bool:
        """Seen well enough to be asked for; what is not clear is marked `ignore`."""
        return self.visible >= CLEAR_SHARE and self.area >= CLEAR_AREA


@dataclass(frozen=True, eq=False)
class FigureScene(Scene):
    """A scene with figures; `owner_HW` counts the coloured things first, then the figures."""

    figures: tuple[Figure, ...] = ()

    @property
    def objects(self) -> tuple[Thing | Figure, ...]:
        """Things, then figures: all that `owner_HW` counts."""
        return (*self.things, *self.figures)

    def find(self, kind: str) -> list[int]:
        """Indices among `objects` of the figures of a kind, left to right, clear or not."""
        found = [index for index, thing in enumerate(self.objects) if getattr(thing, "kind", "") == kind]
        return sorted(found, key=lambda index: self.objects[index].centre)


@dataclass(frozen=True, eq=False)
class Sketch:
    """A body drawn on a patch: colours (H, W, 3) and cover (H, W) float32 in 0..1, keypoints in pixels of the patch.

    `shown`: for each keypoint the pixel (row, column) where it is seen, None when the own body hides it.
    """

    colours_HW3: np.ndarray
    alpha_HW: np.ndarray
    points_K2: np.ndarray
    shown: tuple[tuple[int, int] | None, ...]


def _capsule(pen: ImageDraw.ImageDraw, stroke: Stroke, spots: list[list[float]], scale: float, grow: float, ink: int) -> None:
    """One stroke on the canvas: a disc at every joint and a tapered band between them, `grow` pixels thicker."""
    spine = stroke.spine
    reaches = [max(radius * scale + grow, 0.5) for radius in stroke.radii]
    for joint, reach in zip(spine, reaches):
        x, y = spots[joint]
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=ink)
    pairs = list(zip(range(len(spine) - 1), range(1, len(spine))))
    if stroke.closed:
        pairs.append((len(spine) - 1, 0))
        pen.polygon([value for joint in spine for value in spots[joint]], fill=ink)
    for first, second in pairs:
        (x0, y0), (x1, y1) = spots[spine[first]], spots[spine[second]]
        far = math.hypot(x1 - x0, y1 - y0)
        if far < 0.5:
            continue
        aside, down = (y0 - y1) / far, (x1 - x0) / far
        one, two = reaches[first], reaches[second]
        pen.polygon((x0 + aside * one, y0 + down * one, x1 + aside * two, y1 + down * two,
                     x1 - aside * two, y1 - down * two, x0 - aside * one, y0 - down * one), fill=ink)


def _extent(body: Body) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints in the plane of the picture (P, 2) y downwards, and the corners of all that is drawn; units of the body."""
    flat_P2 = body.joints_J3[:, :2] * (1, -1)
    spine = [joint for stroke in body.strokes for joint in stroke.spine]
    radii = np.array([radius for stroke in body.strokes for radius in stroke.radii])[:, None]
    return flat_P2, (flat_P2[spine] - radii).min(axis=0), (flat_P2[spine] + radii).max(axis=0)


def sketch(body: Body, length: float, shift: tuple[float, float]) -> Sketch:
    """Draw a body with anti-aliasing so that its longer side is `length` pixels.

    `shift`: the offset within a pixel (0..1 each). All strokes go into one canvas of ink numbers; colours, cover and
    which part is on top are read off it.
    """
    flat_P2, low, high = _extent(body)
    size = high - low
    scale = length / float(size.max())
    wide, tall = (int(side) for side in np.ceil(size * scale) + 3)
    spots_P2 = (flat_P2 - low) * scale + 1 + shift
    spots = (spots_P2 * SUPERSAMPLE - 0.5).tolist()
    canvas = Image.new("P", (wide * SUPERSAMPLE, tall * SUPERSAMPLE))
    pen = ImageDraw.Draw(canvas)
    palette, parts = [np.zeros(3)], [""]
    edge = max(1.0, 0.012 * length) * SUPERSAMPLE * 0.6
    for stroke in body.strokes:
        colour = body.paints[stroke.paint] * (1 + 0.9 * float(np.clip(stroke.depth, -0.2, 0.2)))
        if body.outlined and stroke.radii[0] * scale > 1.0:
            _capsule(pen, stroke, spots, scale * SUPERSAMPLE, edge * 0.5, len(palette))
            palette.append(colour * 0.5)
            parts.append(stroke.part)
        grow = -edge * 0.5 if body.outlined and stroke.radii[0] * scale > 1.0 else 0.0
        _capsule(pen, stroke, spots, scale * SUPERSAMPLE, grow, len(palette))
        palette.append(colour)
        parts.append(stroke.part)
    inks_HW = np.asarray(canvas.resize((wide, tall), Image.Resampling.NEAREST))
    cover = canvas.point([0] + [255] * 255, "L")
    alpha_HW = np.asarray(cover.reduce(SUPERSAMPLE), dtype=np.float32) / 255.0
    canvas.putpalette((np.clip(np.stack(palette), 0.02, 1) * 255).astype(np.uint8).ravel().tolist())
    colours_HW3 = np.asarray(canvas.convert("RGB").reduce(SUPERSAMPLE), dtype=np.float32) / 255.0
    # Ink 0 is near black and covers 1 - alpha of a pixel: what is left is the colour of the body alone.
    colours_HW3 = (colours_HW3 - 0.02 * (1 - alpha_HW[..., None])) / np.maximum(alpha_HW, 0.05)[..., None]
    points_K2 = spots_P2[[point.joint for point in body.points]]
    shown = tuple(_shown(inks_HW, alpha_HW, parts, spot, point.parts)
                  for spot, point in zip(points_K2.tolist(), body.points))
    return Sketch(colours_HW3, alpha_HW, points_K2, shown)


def _shown(inks_HW: np.ndarray, alpha_HW: np.ndarray, parts: list[str], spot: list[float],
           own: frozenset[str]) -> tuple[int, int] | None:
    """The pixel (row, column) of a keypoint, or beside it where the body is thin, if one of its own parts is on top."""
    row, column = int(spot[1]), int(spot[0])
    for down, right in _NEAR:
        y, x = row + down, column + right
        if 0 <= y < alpha_HW.shape[0] and 0 <= x < alpha_HW.shape[1] and alpha_HW[y, x] > 0.5 and inks_HW[y, x]:
            return (y, x) if parts[inks_HW[y, x]] in own else None
    return None


class FigureCanvas(Canvas):
    """A canvas that takes figures too; they leave the picture and stand before each other more often than things do."""

    cluster = 0.45
    spill_chance, spill = 0.2, 0.4
    least_inside = 0.55

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        super().__init__(rng, size)
        self.figures: dict[int, tuple[Body, Sketch, int, int]] = {}

    def add_figure(self, body: Body, length: float) -> bool:
        """Draw one figure in front of all else; False when no place was found."""
        rng = self.rng
        drawn = sketch(body, length, (rng.random(), rng.random()))
        tone = np.average(drawn.colours_HW3.reshape(-1, 3), axis=0, weights=drawn.alpha_HW.ravel())
        for _ in range(8):
            place = self._place(drawn.alpha_HW, tone, "", _CONTRAST)
            if place is None:
                continue
            skin = drawn.colours_HW3 * surface(rng, np.ones(3, np.float32), *drawn.alpha_HW.shape, self.light)
            self._draw(drawn.alpha_HW, skin, *place)
            (rows, columns), (inner_rows, inner_columns) = place[:2]
            top, left = rows.start - inner_rows.start, columns.start - inner_columns.start
            self.figures[len(self.words)] = (body, drawn, top, left)
            self.words.append((body.kind, "", "", length))
            return True
        return False

    def _keypoints(self, index: int) -> np.ndarray:
        """(K, 3) float32 x, y, v of one figure in the finished scene."""
        _, drawn, top, left = self.figures[index]
        xyv_K3 = np.zeros((len(drawn.shown), 3), dtype=np.float32)
        for row, (x, y), shown in zip(xyv_K3, (drawn.points_K2 + (left, top)).tolist(), drawn.shown):
            if not (0 <= x < self.size and 0 <= y < self.size):
                continue
            seen = False
            if shown is not None:
                pixel = (min(max(shown[0] + top, 0), self.size - 1), min(max(shown[1] + left, 0), self.size - 1))
                seen = self.owner_HW[pixel] == index
            row[:] = x, y, _VISIBLE if seen else _HIDDEN
        return xyv_K3

    def scene(self) -> FigureScene:
        """The finished scene: things first, then figures."""
        found = self.things()
        order = sorted(range(len(found)), key=lambda index: index in self.figures)
        places = np.full(len(found) + 1, -1, dtype=np.int8)
        places[[index + 1 for index in order]] = np.arange(len(found))
        figures = []
        for index in order[len(found) - len(self.figures):]:
            body, thing = self.figures[index][0], found[index]
            figures.append(Figure(body.kind, body.pose, body.facing, thing.diameter, thing.box, thing.area, thing.visible,
                                  thing.hidden, self._keypoints(index)))
        covers = tuple((int(places[front + 1]), int(places[back + 1])) for front, back in self.covers)
        things = tuple(found[index] for index in order[:len(found) - len(self.figures)])
        return FigureScene(self.develop(), places[self.owner_HW + 1], things, covers, tuple(figures))


def _cast_of(rng: np.random.Generator) -> list[str]:
    """Who plays: the kinds of 1-4 figures, mostly persons, now and then dogs alone or both."""
    count = 1 + int(np.searchsorted((0.38, 0.68, 0.87), rng.random()))
    draw = rng.random()
    if draw < 0.65:
        return ["person"] * count
    if draw < 0.82:
        return ["dog"] * count
    return ["person" if rng.random() < 0.5 else "dog" for _ in range(count)]


def draw_figures(
    rng: np.random.Generator, size: int = BASE, pairs: frozenset[tuple[str, str]] = ALL_PAIRS, facing_us: float = 0.0
) -> FigureScene:
    """Draw one square scene of `size` pixels with 1-4 figures, half of the time among 1-4 coloured things of `pairs`.

    facing_us: share of the figures that face the viewer, beside those that happen to.
    A pure function of the state of `rng`. Figures and things cover each other by at most 40 % (in one scene of ten by
    up to 70 %), in any order.
    """
    canvas = FigureCanvas(rng, size)
    cast = _cast_of(rng)
    options = sorted(pairs)
    low, high = LENGTHS[len(cast)]
    roles: list[str | None] = list(cast)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 5))):
            roles.insert(int(rng.integers(len(roles) + 1)), None)
    for kind in roles:
        if kind is None:
            shape, colour = options[int(rng.integers(len(options)))]
            canvas.add(shape, colour, ("small", "medium", "large")[int(rng.integers(3))])
            continue
        length = math.exp(between(rng, math.log(low), math.log(high))) * size / BASE
        canvas.add_figure(MAKERS[kind](rng, facing_us), max(length * (DOG_SCALE if kind == "dog" else 1.0), 24.0 * size / BASE))
    while not canvas.figures:
        low = max(0.9 * low, 24.0)
        canvas.add_figure(MAKERS[cast[0]](rng, facing_us), low * size / BASE)
    return canvas.scene()
