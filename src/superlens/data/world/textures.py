"""Colours, backgrounds and surfaces of the drawn world: noise, gradients, lighting. Never flat, so never easy.

Legend: H W rows and columns, 3 channels; pictures are float32 in 0..1, red green blue.
"""

from __future__ import annotations

import colorsys
import functools
import math

import numpy as np
from PIL import Image

# Hue in degrees, saturation and value: the range a colour's name covers here. Gaps between ranges keep names sure.
COLOUR_RANGES = {
    "red": ((-8, 6), (0.78, 1.0), (0.66, 0.95)),
    "orange": ((22, 31), (0.85, 1.0), (0.88, 1.0)),
    "yellow": ((50, 58), (0.75, 1.0), (0.88, 1.0)),
    "green": ((105, 145), (0.6, 0.95), (0.45, 0.8)),
    "blue": ((208, 232), (0.7, 1.0), (0.6, 0.95)),
    "purple": ((272, 294), (0.55, 0.9), (0.45, 0.8)),
    "white": ((0, 360), (0.0, 0.06), (0.92, 1.0)),
    "black": ((0, 360), (0.0, 0.2), (0.04, 0.15)),
}
COLOURS = tuple(COLOUR_RANGES)
_BANK = 512


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number drawn evenly from low..high."""
    return low + (high - low) * rng.random()


def paint(colour: str, rng: np.random.Generator) -> np.ndarray:
    """One shade of a named colour: (3,) float32 in 0..1."""
    hue, saturation, value = (between(rng, *span) for span in COLOUR_RANGES[colour])
    return np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value), dtype=np.float32)


@functools.lru_cache(maxsize=1)
def _grain_bank() -> np.ndarray:
    """White noise drawn once (the same in every process): a window of it is as good as fresh noise and far cheaper."""
    return np.random.default_rng(20240806).standard_normal((_BANK, _BANK, 3), dtype=np.float32)


def grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A window of standard normal noise, (H, W, 3) float32; do not write into it."""
    top, left = int(rng.integers(0, _BANK - height)), int(rng.integers(0, _BANK - width))
    return _grain_bank()[top: top + height, left: left + width]


def smooth(rng: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth noise, (size, size) float32 about 0..1: a small random grid enlarged."""
    grid = rng.random((rows, columns), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def fractal(rng: np.random.Generator, size: int, coarsest: int = 3, octaves: int = 3) -> np.ndarray:
    """Smooth noise at several scales added up, (size, size) float32 about 0..1."""
    total = smooth(rng, size, coarsest, coarsest) * 0.55
    for octave in range(1, octaves):
        cells = min(coarsest * 3**octave, size)
        total = total + smooth(rng, size, cells, cells) * (0.55 * 0.5**octave)
    return total


def _shade(rng: np.random.Generator) -> np.ndarray:
    """A muted colour for backgrounds: less saturated than any named colour, neither black nor white."""
    tone = colorsys.hsv_to_rgb(rng.random(), between(rng, 0.03, 0.45), between(rng, 0.28, 0.82))
    return np.array(tone, dtype=np.float32)


def _pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two related muted colours."""
    first = _shade(rng)
    second = np.clip(first * between(rng, 0.55, 0.9) + (_shade(rng) - 0.5) * 0.3, 0.08, 0.9)
    return (first, second) if rng.random() < 0.5 else (second, first)


def _blend(first_3: np.ndarray, second_3: np.ndarray, amount_HW: np.ndarray) -> np.ndarray:
    return first_3 + (second_3 - first_3) * amount_HW[..., None]


@functools.lru_cache(maxsize=8)
def _axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns as broadcastable (size, 1) and (1, size) float32 in 0..1."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    return line[:, None], line[None, :]


def _cloth(rng: np.random.Generator, size: int) -> np.ndarray:
    return _blend(*_pair(rng), fractal(rng, size, int(rng.integers(2, 6)), 4))


def _wood(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _axes(size)
    angle, lines = between(rng, 0, math.pi), between(rng, 15, 70)
    wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * lines + 7 * fractal(rng, size, 3, 2))
    return _blend(*_pair(rng), 0.5 + 0.5 * wave * between(rng, 0.35, 1.0))


def _tiles(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = _axes(size)
    count = between(rng, 2.5, 7)
    rows = y * count + rng.random()
    columns = x * count * between(rng, 0.5, 1.1) + rng.random()
    if rng.random() < 0.5:
        columns = columns + 0.5 * (np.floor(rows) % 2)
    tone = rng.random((16, 16), dtype=np.float32)[np.floor(rows).astype(int) % 16, np.floor(columns).astype(int) % 16]
    gap = between(rng, 0.04, 0.1)
    grout = ((rows % 1) < gap) | ((columns % 1) < gap)
    amount = tone * between(rng, 0.15, 0.7) + 0.3 * smooth(rng, size, 24, 24)
    return _blend(*_pair(rng), np.where(grout, np.float32(between(rng, -0.3, 1.3)), amount))


def _pebbles(rng: np.random.Generator, size: int) -> np.ndarray:
    small = size // 2
    y, x = _axes(small)
    count = int(rng.integers(8, 22))
    spots_N2 = rng.random((count, 2), dtype=np.float32)
    far_NHW = (y - spots_N2[:, :1, None]) ** 2 + (x - spots_N2[:, 1:, None]) ** 2
    owner_HW = far_NHW.argmin(axis=0)
    near_HW = np.sqrt(np.take_along_axis(far_NHW, owner_HW[None], axis=0)[0])
    tone_HW = rng.random(count, dtype=np.float32)[owner_HW] * 0.8 - near_HW * between(rng, 1.0, 3.0)
    amount = np.asarray(Image.fromarray(tone_HW).resize((size, size), Image.Resampling.BICUBIC))
    return _blend(*_pair(rng), amount + 0.2 * smooth(rng, size, 32, 32))


def _horizon(rng: np.random.Generator, size: int) -> np.ndarray:
    y, _ = _axes(size)
    edge = between(rng, 0.25, 0.7) + 0.12 * (smooth(rng, size, 1, 6) - 0.5)
    sky = _blend(*_pair(rng), y + 0.4 * fractal(rng, size, 3, 2))
    ground = _blend(*_pair(rng), 0.6 * smooth(rng, size, 20, 12) + 0.5 * y)
    below = np.clip((y - edge) * size / 3, 0, 1)[..., None]
    return sky + (ground - sky) * below


def _blobs(rng: np.random.Generator, size: int) -> np.ndarray:
    cells = int(rng.integers(3, 9))
    tones = np.stack([_shade(rng) for _ in range(4)])
    grid = tones[rng.integers(0, 4, (cells, cells))]
    grid = (np.clip(grid, 0, 1) * 255).astype(np.uint8)
    wide = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(wide, dtype=np.float32) / 255 + 0.12 * (smooth(rng, size, 24, 24)[..., None] - 0.5)


def _grass(rng: np.random.Generator, size: int) -> np.ndarray:
    long, fine = int(rng.integers(4, 12)), int(rng.integers(size // 4, size // 2))
    rows, columns = (long, fine) if rng.random() < 0.5 else (fine, long)
    return _blend(*_pair(rng), 0.7 * smooth(rng, size, rows, columns) + 0.4 * smooth(rng, size, 4, 4))


def _patches(rng: np.random.Generator, size: int) -> np.ndarray:
    noise = fractal(rng, size, int(rng.integers(3, 7)), 3)
    first = _blend(*_pair(rng), noise)
    shape = np.clip((fractal(rng, size, int(rng.integers(3, 7)), 2) - between(rng, 0.3, 0.5)) * 20, 0, 1)
    return first + (_shade(rng) - first) * (shape * between(rng, 0.3, 0.8))[..., None]


BACKGROUNDS = (_cloth, _wood, _tiles, _pebbles, _horizon, _blobs, _grass, _patches)


def background(rng: np.random.Generator, size: int) -> np.ndarray:
    """A photo-like textured background, (size, size, 3) float32 about 0..1."""
    picture = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))](rng, size)
    return np.ascontiguousarray(picture, dtype=np.float32)


def calm(rng: np.random.Generator, size: int) -> np.ndarray:
    """A plain background of one muted tone that varies softly, (size, size, 3) float32 in 0.2..0.8: little to learn."""
    tone = np.array(colorsys.hsv_to_rgb(rng.random(), between(rng, 0.03, 0.28), between(rng, 0.34, 0.68)), dtype=np.float32)
    return tone * (1 + 0.14 * (smooth(rng, size, 2, 2).clip(0, 1) - 0.5))[..., None]


def surface(rng: np.random.Generator, paint_3: np.ndarray, height: int, width: int, light: float) -> np.ndarray:
    """The lit, textured skin of one object, (H, W, 3) float32; `light` is where the light comes from, in radians."""
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    lean_x, lean_y = math.cos(light), math.sin(light)
    tone_HW = 1 + between(rng, 0.03, 0.24) * (u * lean_x + v * lean_y)
    kind = int(rng.integers(5))
    if kind == 0:
        tone_HW = tone_HW - between(rng, 0.1, 0.3) * (u * u + v * v - 0.5)
    elif kind == 1:
        turn, bands = between(rng, 0, math.pi), between(rng, 4, 11)
        wave = np.sin((u * math.cos(turn) + v * math.sin(turn)) * bands)
        tone_HW = tone_HW + between(rng, 0.06, 0.16) * wave
    elif kind == 2:
        tone_HW = tone_HW + between(rng, 0.05, 0.15) * grain(rng, height, width)[..., 0]
    elif kind == 3:
        cells = grain(rng, -(-height // 3), -(-width // 3))[..., 0]
        tone_HW = tone_HW + between(rng, 0.05, 0.14) * cells.repeat(3, 0).repeat(3, 1)[:height, :width]
    skin = paint_3 * tone_HW[..., None]
    if rng.random() < 0.45:
        spot = np.exp(-6 * ((u - 0.4 * lean_x) ** 2 + (v - 0.4 * lean_y) ** 2))
        skin = skin + (between(rng, 0.1, 0.38) * spot)[..., None]
    return skin
