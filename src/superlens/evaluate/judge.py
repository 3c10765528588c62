"""A judge of drawn pictures: what things of the drawn world are in them, told by colour and outline, with no model.

It knows the world's eight colours and eight shapes and nothing else: it is right about pictures of that world alone.

Legend: H W rows and columns, N things, T outlines. Pictures are (H, W, 3) uint8; boxes are xyxy in pixels.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from superlens.data.world.edits import Change
from superlens.data.world.kinds import Kind
from superlens.data.world.pictures import Wanted
from superlens.data.world.relations import holds
from superlens.data.world.scene import BASE
from superlens.data.world.shapes import SHAPES, TURN, cover
from superlens.data.world.textures import COLOURS
from superlens.evaluate.colours import colour_mask

LEAST_AREA = 60  # pixels of a thing, on a picture of 128
LEAST_FIT = 0.7  # IoU with the best outline
LEAST_OVERLAP = 0.5  # IoU with the place of an edit
_GRID = 24  # side of the square on which outlines are compared
_DIAMETERS = (14.0, 20.0, 36.0)  # of the outlines, pixels: small ones lose more of their points
_SOLID = 0.7  # cover of a pixel that still has its thing's colour


@dataclass(frozen=True)
class Found:
    """A thing that the judge sees: its box, its area in pixels, and how well the outline fits (IoU, 0..1)."""

    shape: str
    colour: str
    box: tuple[float, float, float, float]
    area: int
    fit: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, (x, y) in pixels."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Findings:
    """All that is seen in a picture, as far as `relations.holds` asks: the things, and its shorter side over 128."""

    things: tuple[Found, ...]
    scale: float

    def of(self, kind: Kind) -> list[int]:
        """Indices of the things of a shape (and colour, where the kind has one)."""
        return [index for index, thing in enumerate(self.things)
                if kind.shape in (None, thing.shape) and kind.colour in (None, thing.colour)]


def look(pixels_HW3: np.ndarray) -> Findings:
    """Every connected patch of one of the world's colours that has one of its outlines, the largest first."""
    scale = min(pixels_HW3.shape[:2]) / BASE
    found = []
    for colour in COLOURS:
        labels_HW, places = _patches(pixels_HW3, colour)
        for number, (rows, columns) in enumerate(places, 1):
            patch_HW = labels_HW[rows, columns] == number
            area = int(patch_HW.sum())
            if area < LEAST_AREA * scale**2:
                continue
            shape, fit = outline(patch_HW)
            if fit >= LEAST_FIT:
                box = tuple(float(edge) for edge in (columns.start, rows.start, columns.stop, rows.stop))
                found.append(Found(shape, colour, box, area, fit))
    return Findings(tuple(sorted(found, key=lambda thing: -thing.area)), scale)


def shows(pixels_HW3: np.ndarray, wanted: Wanted) -> bool:
    """Whether a picture shows what was asked for; what it shows besides does not matter, but for a number.

    As GenEval (arXiv 2310.11513) judges: every thing is there, in its colour; as many as asked for, where a number was asked for; and
    some two of the two kinds lie as they should.
    """
    seen = look(pixels_HW3)
    found = [seen.of(kind) for kind in wanted.kinds]
    if wanted.count is not None:
        return len(found[0]) == wanted.count
    if wanted.relation is not None:
        return any(holds(seen, wanted.relation, one, two) for one in found[0] for two in found[1])
    return all(found)


def made(pixels_HW3: np.ndarray, change: Change) -> bool:
    """Whether a picture shows the change at every place; one of another size than the picture that was changed never does."""
    if pixels_HW3.shape[:2] != change.allowed_HW.shape:
        return False
    return all(_gone(pixels_HW3, was, place_HW) if now is None else _there(pixels_HW3, was, now, place_HW)
               for was, now, place_HW in zip(change.was, change.now, change.places_NHW, strict=True))


def outline(mask_HW: np.ndarray) -> tuple[str, float]:
    """The shape whose outline, at some angle and scaled to the mask's box, fits a mask best, and their IoU."""
    names, outlines_TG = _outlines()
    mask_G = _fitted(mask_HW)
    shared_T = outlines_TG @ mask_G
    fit_T = shared_T / np.maximum(outlines_TG.sum(1) + mask_G.sum() - shared_T, 1)
    best = int(fit_T.argmax())
    return names[best], float(fit_T[best])


def _there(pixels_HW3: np.ndarray, was: Kind, now: Kind, place_HW: np.ndarray) -> bool:
    """A new colour fills the thing's place, or a new outline stands there in the old colour."""
    patch_HW = _patch_at(pixels_HW3, now.colour, place_HW)
    if was.shape != now.shape and patch_HW.any():
        return outline(patch_HW)[0] == now.shape
    return _iou(patch_HW, place_HW) >= LEAST_OVERLAP


def _gone(pixels_HW3: np.ndarray, was: Kind, place_HW: np.ndarray) -> bool:
    """Nothing of the old colour fills the place."""
    return _iou(_patch_at(pixels_HW3, was.colour, place_HW), place_HW) < LEAST_OVERLAP


def _iou(one_HW: np.ndarray, two_HW: np.ndarray) -> float:
    return float((one_HW & two_HW).sum() / max((one_HW | two_HW).sum(), 1))


def _patch_at(pixels_HW3: np.ndarray, colour: str, place_HW: np.ndarray) -> np.ndarray:
    """(H, W) bool: the connected pixels of a colour that reach into a place."""
    labels_HW, _ = _patches(pixels_HW3, colour)
    return np.isin(labels_HW, np.setdiff1d(labels_HW[place_HW], 0)) & (labels_HW > 0)


def _patches(pixels_HW3: np.ndarray, colour: str) -> tuple[np.ndarray, list[tuple[slice, slice]]]:
    """The connected pixels of a colour: a number from 1 for each, (H, W), and the rows and columns of each."""
    from scipy import ndimage

    labels_HW, _ = ndimage.label(_cleaned(colour_mask(pixels_HW3, colour)), np.ones((3, 3)))
    return labels_HW, ndimage.find_objects(labels_HW)


def _cleaned(mask_HW: np.ndarray) -> np.ndarray:
    """A mask without single pixels and gaps: each pixel as most of the nine about it."""
    from scipy import ndimage

    return ndimage.uniform_filter(mask_HW.astype(np.float32), 3) > 0.5


def _fitted(mask_HW: np.ndarray) -> np.ndarray:
    """A mask cut to its box and resized, (G,) float32, G = 24 x 24."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    steps = (np.arange(_GRID) + 0.5) / _GRID
    down = rows[0] + (steps * (rows[-1] + 1 - rows[0])).astype(int)
    across = columns[0] + (steps * (columns[-1] + 1 - columns[0])).astype(int)
    return mask_HW[down][:, across].ravel().astype(np.float32)


@functools.lru_cache(maxsize=1)
def _outlines() -> tuple[tuple[str, ...], np.ndarray]:
    """The shape of each outline, and (T, G) float32: every shape at the angles at which it keeps its name."""
    names, outlines = [], []
    for shape in SHAPES:
        angles = np.linspace(-TURN[shape], TURN[shape], 9)
        if shape in ("circle", "ring"):
            angles = np.zeros(1)
        elif shape == "star":  # five points: all is said by a fifth of a turn
            angles = np.arange(9) * (2 * math.pi / 5 / 9)
        for angle, diameter in itertools.product(angles.tolist(), _DIAMETERS):
            names.append(shape)
            outlines.append(_fitted(_cleaned(cover(shape, diameter, angle, 1.0, (0.5, 0.5)) > _SOLID)))
    return tuple(names), np.stack(outlines)
