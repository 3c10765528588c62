"""The outlines of the drawn world: eight shapes as polygons, rasterised with anti-aliasing on small patches.

Legend: P points of an outline, H W rows and columns of a patch. Pixels, y grows downwards.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "moon")

# Thin shapes need a few more pixels than a disc to be seen at all.
SMALLEST = {"circle": 8.0, "square": 8.0, "triangle": 10.0, "star": 11.0, "ring": 10.0, "cross": 10.0, "heart": 9.0,
            "moon": 11.0}
# How far a shape may turn (radians) and still be called by its name.
TURN = {"circle": math.pi, "square": 0.35, "triangle": 0.6, "star": math.pi, "ring": math.pi, "cross": 0.25,
        "heart": 0.45, "moon": 0.6}
SUPERSAMPLE = 4


def _arc(radius: float, start: float, stop: float, count: int, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    angles = np.linspace(start, stop, count)
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], axis=1)


def _moon() -> np.ndarray:
    # A disc less a smaller disc: the outer arc there, the inner arc back.
    meet = 0.95
    outer = _arc(1.0, meet, 2 * math.pi - meet, 30)
    shift = 0.55
    top = np.array([math.cos(meet), math.sin(meet)])
    radius = float(np.hypot(top[0] - shift, top[1]))
    angle = math.atan2(top[1], top[0] - shift)
    inner = _arc(radius, 2 * math.pi - angle, angle, 20, centre=(shift, 0.0))
    return np.concatenate([outer, inner])


def _star() -> np.ndarray:
    angles = -math.pi / 2 + np.arange(10) * math.pi / 5
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _cross() -> np.ndarray:
    a = 0.36
    return np.array([(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a),
                     (-a, -a)], dtype=float)


def _unit(points_P2: np.ndarray) -> np.ndarray:
    """Centre an outline and scale it so that the longer side of its box is 2."""
    low, high = points_P2.min(axis=0), points_P2.max(axis=0)
    return (points_P2 - (low + high) / 2) * (2.0 / float((high - low).max()))


_CIRCLE = _arc(1.0, 0.0, 2 * math.pi, 41)[:-1]
_OUTLINES = {
    "circle": _CIRCLE,
    "square": np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=float),
    "triangle": np.array([(0, -1), (1.05, 0.85), (-1.05, 0.85)], dtype=float),
    "star": _star(),
    "ring": _CIRCLE,
    "cross": _cross(),
    "heart": _heart(),
    "moon": _moon(),
}
_OUTLINES = {name: _unit(points) for name, points in _OUTLINES.items()}
_HOLE = 0.52


def cover(shape: str, diameter: float, angle: float, stretch: float, shift: tuple[float, float]) -> np.ndarray:
    """How much of each pixel a shape covers: (H, W) float32 in 0..1, tight but for a border of one pixel.

    `diameter` in pixels is the longer side of the upright shape, `angle` in radians, `stretch` the ratio of width to
    height (about 1), `shift` the centre's offset within a pixel (0..1 each), so that shapes do not sit on a grid.
    """
    radius = diameter / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    across, down = radius * math.sqrt(stretch), radius / math.sqrt(stretch)
    turn_22 = np.array([[cosine * across, sine * across], [-sine * down, cosine * down]])
    points_P2 = _OUTLINES[shape] @ turn_22
    low = np.floor(points_P2.min(axis=0)) - 1
    size = (np.ceil(points_P2.max(axis=0)) + 2 - low).astype(int)
    offset = np.array(shift) - low
    canvas = Image.new("L", (int(size[0]) * SUPERSAMPLE, int(size[1]) * SUPERSAMPLE))
    pen = ImageDraw.Draw(canvas)
    # A pixel of the large canvas has its centre at +0.5, which Pillow counts as a whole number.
    pen.polygon(((points_P2 + offset) * SUPERSAMPLE - 0.5).ravel().tolist(), fill=255)
    if shape == "ring":
        pen.polygon(((points_P2 * _HOLE + offset) * SUPERSAMPLE - 0.5).ravel().tolist(), fill=0)
    return np.asarray(canvas.reduce(SUPERSAMPLE), dtype=np.float32) / 255.0
