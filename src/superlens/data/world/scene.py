"""Scenes of the drawn world: what is where, exactly, and the picture of it.

Legend: H W rows and columns (a scene is square), 3 channels, N things. Pixels of the picture, xyxy, y downwards.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFilter

from superlens.data.world.shapes import SHAPES, SMALLEST, TURN, cover
from superlens.data.world.textures import COLOURS, background, between, grain, paint, surface

# Longest side in pixels on a picture of 128; the gaps between the ranges keep the words sure.
SIZES = {"small": (8.0, 14.0), "medium": (19.0, 26.0), "large": (33.0, 47.0)}
BASE = 128
# These pairs are never drawn for training: they show whether shape and colour are understood apart.
HELD_OUT_PAIRS = frozenset({("circle", "orange"), ("square", "purple"), ("star", "blue"), ("heart", "green"),
                            ("cross", "yellow"), ("ring", "white")})
ALL_PAIRS = frozenset((shape, colour) for shape in SHAPES for colour in COLOURS)
TRAIN_PAIRS = ALL_PAIRS - HELD_OUT_PAIRS
CLEAR_SHARE, CLEAR_AREA = 0.6, 24
CLUSTER = 0.3
_COUNT_WEIGHTS = np.array([2, 3, 4, 5, 5, 5, 4, 4, 3, 3, 2, 2], dtype=float)
_Canvas = TypeVar("_Canvas", bound="Canvas")
_COUNT_EDGES = np.cumsum(_COUNT_WEIGHTS / _COUNT_WEIGHTS.sum())


@dataclass(frozen=True)
class Thing:
    """One object: its words, its visible box (xyxy, pixels) and how much of it is seen.

    `diameter` is the longer side it was drawn with (pixels), `area` its visible pixels, `visible` the share of the
    whole object that is seen (0..1), `hidden` the share that other things cover (0..1).
    """

    shape: str
    colour: str
    size: str
    diameter: float
    box: tuple[float, float, float, float]
    area: int
    visible: float
    hidden: float

    @property
    def kind(self) -> str:
        """Colour and shape: "red circle"."""
        return f"{self.colour} {self.shape}"

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the visible box, (x, y) in pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def clear(self) -> bool:
        """Seen well enough to be asked for by name; what is not clear is marked `ignore`."""
        return self.visible >= CLEAR_SHARE and self.area >= CLEAR_AREA


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture (H, W, 3) uint8, its things from back to front, and whose each pixel is.

    `owner_HW`, int8, holds the index of the thing that is seen at a pixel, -1 for the background.
    `covers` lists (front, back) pairs of indices: the front thing hides some of the back one.
    """

    picture: np.ndarray
    owner_HW: np.ndarray
    things: tuple[Thing, ...]
    covers: tuple[tuple[int, int], ...]

    @property
    def scale(self) -> float:
        """Side of the picture over 128: distances in the rules grow with the picture."""
        return self.picture.shape[0] / BASE

    @property
    def clear(self) -> bool:
        """Whether every thing is clear."""
        return all(thing.clear for thing in self.things)

    @property
    def objects(self) -> tuple:
        """All that `owner_HW` counts."""
        return self.things

    def mask(self, index: int) -> np.ndarray:
        """The visible pixels of one object, (H, W) bool."""
        return self.owner_HW == index


@functools.lru_cache(maxsize=2)
def _sorted_pairs(pairs: frozenset[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs))


def _pick(rng: np.random.Generator, options: tuple | list):
    return options[int(rng.integers(len(options)))]


def plan(rng: np.random.Generator, pairs: frozenset[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which (shape, colour) pairs a scene shall hold: 1-12 of them, in one of five moods."""
    options = _sorted_pairs(pairs)
    count = 1 + int(np.searchsorted(_COUNT_EDGES, rng.random()))
    mood = rng.random()
    if mood < 0.42 or count < 3:
        pool = options
    elif mood < 0.68:
        pool = [_pick(rng, options) for _ in range(int(rng.integers(2, 5)))]
    elif mood < 0.78:
        shape = _pick(rng, SHAPES)
        pool = [pair for pair in options if pair[0] == shape]
    elif mood < 0.88:
        colour = _pick(rng, COLOURS)
        pool = [pair for pair in options if pair[1] == colour]
    else:
        return _odd_one(rng, options, max(4, count))
    return [_pick(rng, pool) for _ in range(count)]


def _odd_one(rng: np.random.Generator, options: tuple, count: int) -> list[tuple[str, str]]:
    """All but one alike: in shape, in colour, or in both."""
    shape, colour = _pick(rng, options)
    mood = int(rng.integers(3))
    if mood == 0:
        same = [pair for pair in options if pair[0] == shape]
        odd = [pair for pair in options if pair[0] != shape]
    elif mood == 1:
        same = [pair for pair in options if pair[1] == colour]
        odd = [pair for pair in options if pair[1] != colour]
    else:
        same = [(shape, colour)]
        odd = [pair for pair in options if (pair[0] == shape) != (pair[1] == colour)]
    chosen = [_pick(rng, same) for _ in range(count - 1)]
    chosen.insert(int(rng.integers(count)), _pick(rng, odd))
    return chosen


@dataclass(frozen=True, eq=False)
class Film:
    """What a camera does to a scene: uneven light and a tint (factors), noise (added), a blur (radius in pixels, 0 for none)."""

    glow_HW: np.ndarray
    tint_3: np.ndarray
    noise_HW3: np.ndarray
    blur: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: int, light: float) -> Film:
        """A random film for pictures of a size whose light comes from `light` (radians)."""
        line = np.linspace(-1, 1, size, dtype=np.float32)
        fall = between(rng, 0.0, 0.12)
        glow_HW = 1 + fall * (line[:, None] * math.sin(light) + line[None, :] * math.cos(light))
        tint_3 = (between(rng, 0.86, 1.08) * (1 + 0.05 * (rng.random(3) - 0.5))).astype(np.float32)
        noise_HW3 = between(rng, 0.004, 0.035) * grain(rng, size, size)
        blur = between(rng, 0.3, 0.7) * size / BASE if rng.random() < 0.25 else 0.0
        return cls(glow_HW, tint_3, noise_HW3, blur)

    def develop(self, pixels_HW3: np.ndarray) -> np.ndarray:
        """Pixels (float32, about 0..1) as a picture, uint8. Where two inputs agree, but for the blur's reach, so do their pictures."""
        pixels = pixels_HW3 * self.glow_HW[..., None]
        pixels *= self.tint_3
        pixels += self.noise_HW3
        np.clip(pixels, 0, 1, out=pixels)
        picture = (pixels * 255 + 0.5).astype(np.uint8)
        if self.blur:
            picture = np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(self.blur)))
        return picture


class Canvas:
    """A picture in the making: pixels, owners, and the counts that keep occlusion within its bound.

    How often things stand beside others; how often and how far they leave the picture; the least share left in it.
    """

    cluster = CLUSTER
    spill_chance, spill = 0.12, 0.12
    least_inside = 0.8

    def __init__(self, rng: np.random.Generator, size: int):
        self.rng, self.size = rng, size
        self.pixels = self._ground()
        self.light = between(rng, 0, 2 * math.pi)
        self.shadow = between(rng, 0.2, 0.55) if rng.random() < 0.6 else 0.0
        # A few scenes are crowded: some of their things are seen too little to be asked for.
        self.least_visible = 0.3 if rng.random() < 0.1 else CLEAR_SHARE + 0.005
        self._clear()

    def _clear(self) -> None:
        """An empty inventory."""
        self.owner_HW = np.full((self.size, self.size), -1, dtype=np.int8)
        self.words: list[tuple[str, str, str, float]] = []
        self.spots: list[tuple[float, float, float]] = []
        self.whole: list[int] = []
        self.inside: list[int] = []
        self.seen: list[int] = []
        self.covers: list[tuple[int, int]] = []

    def _ground(self) -> np.ndarray:
        """What lies behind all things, (H, W, 3) float32 about 0..1."""
        return background(self.rng, self.size)

    def _skin(self, tone: np.ndarray, height: int, width: int) -> np.ndarray:
        """The surface of a thing of the colour `tone` (3,), (H, W, 3) float32."""
        return surface(self.rng, tone, height, width, self.light)

    def add(self, shape: str, colour: str, size_word: str) -> bool:
        """Draw one thing in front of all others; False when no place was found."""
        rng, scale = self.rng, self.size / BASE
        low, high = SIZES[size_word]
        diameter = between(rng, max(low, SMALLEST[shape]), high) * scale
        angle, stretch = between(rng, -TURN[shape], TURN[shape]), between(rng, 0.9, 1.11)
        alpha = cover(shape, diameter, angle, stretch, (rng.random(), rng.random()))
        tone = paint(colour, rng)
        for _ in range(8):
            place = self._place(alpha, tone, colour)
            if place is not None:
                self._draw(alpha, self._skin(tone, *alpha.shape), *place)
                self.words.append((shape, colour, size_word, diameter))
                return True
        return False

    def _place(self, alpha: np.ndarray, tone: np.ndarray, colour: str, contrast: float = 0.45) -> tuple | None:
        """Try one place: (window of picture, window of patch, solid mask, pixels hidden of each thing, whole area).

        None when some thing would be seen too little, or this one would not stand out.
        """
        rng, size = self.rng, self.size
        height, width = alpha.shape
        spill = self.spill if rng.random() < self.spill_chance else 0.0
        if self.spots and rng.random() < self.cluster:
            top, left = self._beside(height, width)
        else:
            top = int(between(rng, -spill * height - 1, size - height * (1 - spill) + 1))
            left = int(between(rng, -spill * width - 1, size - width * (1 - spill) + 1))
        window, inner, solid, hits, whole = self._fit(alpha, top, left)
        seen = int(solid.sum())
        for index, hit in enumerate(hits.tolist()):
            left_over = self.seen[index] - hit
            # On a thing of its own colour a new one would be seen by nobody.
            if hit > 0.3 * seen and self.words[index][1] == colour:
                return None
            if hit and (left_over < self.least_visible * self.whole[index] or left_over < CLEAR_AREA // 2):
                return None
        behind = self.pixels[window].reshape(-1, 3)[::7].mean(axis=0)
        if float(np.abs(behind - tone).sum()) < contrast:
            return None
        if seen < CLEAR_AREA or seen < self.least_inside * whole:
            return None
        return window, inner, solid, hits, whole

    def _fit(self, alpha: np.ndarray, top: int, left: int) -> tuple:
        """What `_place` returns, for a patch with its corner at (top, left), whatever it hides."""
        y0, y1 = max(top, 0), min(top + alpha.shape[0], self.size)
        x0, x1 = max(left, 0), min(left + alpha.shape[1], self.size)
        window = (slice(y0, y1), slice(x0, x1))
        inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        solid = alpha[inner] > 0.5
        below = self.owner_HW[window][solid]
        hits = np.bincount(below + 1, minlength=len(self.words) + 1)[1:]
        return window, inner, solid, hits, int((alpha > 0.5).sum())

    def _beside(self, height: int, width: int) -> tuple[int, int]:
        """A place (top, left) touching or partly covering one of the things that are there."""
        x, y, reach = _pick(self.rng, self.spots)
        turn = between(self.rng, 0, 2 * math.pi)
        away = between(self.rng, 0.5, 1.05) * (reach + max(height, width)) / 2
        top = int(y + away * math.sin(turn) - height / 2)
        left = int(x + away * math.cos(turn) - width / 2)
        return min(max(top, -1), self.size - height + 1), min(max(left, -1), self.size - width + 1)

    def _draw(self, alpha: np.ndarray, skin: np.ndarray, window: tuple[slice, slice], inner: tuple[slice, slice],
              solid: np.ndarray, hits: np.ndarray, whole: int) -> None:
        if self.shadow:
            self._cast(alpha, window)
        amount = alpha[inner][..., None]
        pixels = self.pixels[window]
        pixels += (skin[inner] - pixels) * amount
        index = len(self.words)
        self.owner_HW[window][solid] = index
        for back, hit in enumerate(hits.tolist()):
            self.seen[back] -= hit
            if hit:
                self.covers.append((index, back))
        rows, columns = window
        reach = float(max(alpha.shape))
        self.spots.append(((columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2, reach))
        self.whole.append(whole)
        self.inside.append(int(solid.sum()))
        self.seen.append(self.inside[-1])

    def _cast(self, alpha: np.ndarray, window: tuple[slice, slice]) -> None:
        """A soft shadow on what lies behind, away from the light."""
        reach = 1 + int(0.09 * max(alpha.shape))
        flat = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(reach))
        dark = np.asarray(flat, dtype=np.float32) * (self.shadow / 255)
        y0 = window[0].start - round(reach * math.sin(self.light))
        x0 = window[1].start - round(reach * math.cos(self.light))
        y1, x1 = min(y0 + dark.shape[0], self.size), min(x0 + dark.shape[1], self.size)
        top, left = max(y0, 0), max(x0, 0)
        if y1 > top and x1 > left:
            self.pixels[top:y1, left:x1] *= 1 - dark[top - y0: y1 - y0, left - x0: x1 - x0, None]

    def develop(self) -> np.ndarray:
        """The finished picture, (H, W, 3) uint8, taken on a film of its own."""
        return Film.drawn(self.rng, self.size, self.light).develop(self.pixels)

    def things(self) -> tuple[Thing, ...]:
        """The finished inventory; every thing has at least one visible pixel."""
        found = []
        for index, (shape, colour, size_word, diameter) in enumerate(self.words):
            mask = self.owner_HW == index
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
            seen = self.seen[index]
            found.append(Thing(shape, colour, size_word, diameter, box, seen, seen / self.whole[index],
                               1 - seen / self.inside[index]))
        return tuple(found)

    def scene(self) -> Scene:
        """The finished scene; to be asked for once."""
        return Scene(self.develop(), self.owner_HW, self.things(), tuple(self.covers))


def draw_scene(rng: np.random.Generator, size: int = BASE, pairs: frozenset[tuple[str, str]] = ALL_PAIRS) -> Scene:
    """Draw one square scene of `size` pixels with 1-12 things whose (shape, colour) are among `pairs`.

    A pure function of the state of `rng`. Things cover each other by at most 40 % (in one scene of ten by up to 70 %).
    """
    return fill(Canvas(rng, size), pairs).scene()


def fill(canvas: _Canvas, pairs: frozenset[tuple[str, str]], most: int | None = None) -> _Canvas:
    """Draw 1-12 things, or 1 to `most`, whose (shape, colour) are among `pairs`; the same canvas again."""
    rng = canvas.rng
    wanted = plan(rng, pairs)[:most]
    crowd = 0.25 if len(wanted) > 7 else 0.0
    for shape, colour in wanted:
        draw = rng.random() + crowd * rng.random()
        canvas.add(shape, colour, "large" if draw < 0.25 else "medium" if draw < 0.6 else "small")
    while not canvas.words:
        canvas.add(*_pick(rng, _sorted_pairs(pairs)), "medium")
    return canvas
