"""Spoiled pictures: noise, blur, pepper, rain, missing squares, turned and mirrored ones. Deterministic by seed.

The degradations and their ranges are those LM4LV is trained and tested with (`Degradation` has the list). One is spelled
`name:amount` ("noise:25"), several are joined by a comma and done in that order ("blur:5,noise:15"); each ends in whole numbers of
0..255, as a camera or a file would.

Legend: H rows, W columns, 3 = red, green, blue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from superlens.checks import nearest

# What undoes a degradation, in one word; `wordings_restore.py` has the sentences.
LEAVE = "leave"
SPOILING = ("noise", "blur", "pepper", "rain", "mask")  # those that lose something; the others only lay a picture differently


@dataclass(frozen=True)
class Degradation:
    """One way to spoil a picture. amount: see the subclass; ValueError when it is out of `least`..`most`.

    name: how it is spelled. unit: what the amount counts. usual: its amount where none is given; None: it has to be given.
    """

    amount: float

    name: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and self.least <= self.amount <= self.most):
            raise ValueError(f"Got {self.name}:{self.amount:g}; expected {self.wanted()}.")

    @classmethod
    def wanted(cls) -> str:
        """In words: which amounts there are."""
        return f"{cls.name}:AMOUNT, {cls.unit}, {cls.least:g} to {cls.most:g}" if cls.most else f"{cls.name} alone"

    def __str__(self) -> str:
        return f"{self.name}:{self.amount:g}"

    @property
    def repair(self) -> str:
        """What undoes it: a key of `REPAIRS` (data/wordings_restore.py)."""
        return self.name

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3] -> the same, spoiled; a pure function of the pixels and the state of rng."""
        raise NotImplementedError

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Degradation:
        """One of any amount, evenly."""
        return cls(float(rng.uniform(cls.least, cls.most)))


class Noise(Degradation):
    """Gaussian noise of the deviation `amount`, in steps of 0..255, its own in every colour of every pixel."""

    name, unit, most = "noise", "a deviation in steps of 255", 50.0

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rounded(pixels_HW3 + rng.standard_normal(pixels_HW3.shape, np.float32) * np.float32(self.amount))


class Blur(Degradation):
    """Gaussian blur in a window of `amount` pixels (1, 3, 5 or 7), of the deviation 0.3 ((k - 1) / 2 - 1) + 0.8; edges are mirrored."""

    name, unit, least, most = "blur", "a window in pixels, odd", 1.0, 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.amount not in (1, 3, 5, 7):
            raise ValueError(f"Got blur:{self.amount:g}; expected a window of 1, 3, 5 or 7 pixels.")

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from scipy.ndimage import correlate1d

        window = int(self.amount)
        sigma = 0.3 * ((window - 1) / 2 - 1) + 0.8
        away = np.arange(window) - window // 2
        weights = np.exp(-0.5 * (away / sigma) ** 2)
        weights /= weights.sum()
        rows = correlate1d(pixels_HW3.astype(np.float32), weights, axis=0, mode="mirror")
        return rounded(correlate1d(rows, weights, axis=1, mode="mirror"))

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Degradation:
        return cls(float(rng.choice([1, 3, 5, 7])))


class Pepper(Degradation):
    """A share `amount` of all pixels is black."""

    name, unit, most = "pepper", "a share of the pixels", 0.1

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(rng.random(pixels_HW3.shape[:2])[..., None] < self.amount, np.uint8(0), pixels_HW3)


class Rain(Degradation):
    """Bright streaks, all of one angle, `amount` of them on 10,000 pixels; each is 1 to 2 pixels wide and 9 to 25 long."""

    name, unit, most = "rain", "streaks on 10,000 pixels", 20.0

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        from PIL import Image, ImageDraw, ImageFilter

        height, width = pixels_HW3.shape[:2]
        count = int(rng.poisson(self.amount * height * width / 10_000))
        angle = math.radians(rng.uniform(-40, 40))
        layer = Image.new("L", (width, height))
        pen = ImageDraw.Draw(layer)
        for _ in range(count):
            x, y, length = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(9, 25)
            dx, dy = math.sin(angle) * length / 2, math.cos(angle) * length / 2
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=int(rng.integers(90, 200)), width=int(rng.integers(1, 3)))
        streaks_HW1 = np.asarray(layer.filter(ImageFilter.GaussianBlur(0.5)), np.float32)[..., None]
        return rounded(pixels_HW3 + streaks_HW1 * rng.uniform(0.6, 0.9))


class Mask(Degradation):
    """A share `amount` of the squares of 4 x 4 pixels that tile a picture is black."""

    name, unit, most = "mask", "a share of the squares", 0.5
    side: ClassVar[int] = 4

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = pixels_HW3.shape[:2]
        gone = rng.random((-(-height // self.side), -(-width // self.side))) < self.amount
        gone_HW = gone.repeat(self.side, 0).repeat(self.side, 1)[:height, :width]
        return np.where(gone_HW[..., None], np.uint8(0), pixels_HW3)

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Degradation:
        return cls(0.1)


class Rotate(Degradation):
    """Turned clockwise by `amount` degrees: exactly by quarter turns; by any other angle in its own frame, corners black."""

    name, unit, least, most = "rotate", "degrees clockwise", -360.0, 360.0

    @property
    def repair(self) -> str:
        return {0: LEAVE, 90: "turn left", 180: "turn over", 270: "turn right"}.get(self.amount % 360, "turn by")

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        quarters, rest = divmod(self.amount % 360, 90)
        if rest:
            from PIL import Image

            turned = Image.fromarray(pixels_HW3).rotate(-self.amount, Image.Resampling.BICUBIC)
            return np.asarray(turned)
        return np.ascontiguousarray(np.rot90(pixels_HW3, -int(quarters)))

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Degradation:
        return cls(float(rng.choice([90, 180, 270])))


class Flip(Degradation):
    """Left and right exchanged. It takes no amount."""

    name, unit = "flip", "no amount"
    amount: float = 0.0

    def __init__(self, amount: float = 0.0) -> None:
        super().__init__(amount)

    def __str__(self) -> str:
        return self.name

    def __call__(self, pixels_HW3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.ascontiguousarray(pixels_HW3[:, ::-1])


DEGRADATIONS: dict[str, type[Degradation]] = {kind.name: kind for kind in (Noise, Blur, Pepper, Rain, Mask, Rotate, Flip)}


def parse(text: str) -> tuple[Degradation, ...]:
    """"noise:25", "flip", "blur:5,noise:15" -> the degradations, in order; "none", alone, is no degradation.

    Raises ValueError with one sentence: an unknown name (the nearest is offered), a missing amount, one out of range.
    """
    if text.strip() == "none":
        return ()
    return tuple(_parsed(one.strip()) for one in text.split(","))


def _parsed(text: str) -> Degradation:
    name, colon, amount = text.partition(":")
    if name not in DEGRADATIONS:
        raise ValueError(f"There is no degradation '{name}': did you mean '{nearest(name, DEGRADATIONS)}'? "
                         f"There are {', '.join(DEGRADATIONS)}; 'none', alone, leaves a picture as it is.")  # fmt: skip
    kind = DEGRADATIONS[name]
    if kind is Flip and not colon:
        return Flip()
    try:
        value = float(amount)
    except ValueError:
        raise ValueError(f"Got '{text}'; expected {kind.wanted()}.") from None
    return kind(value)


def degrade(pixels_HW3: np.ndarray, steps: Sequence[Degradation], rng: np.random.Generator) -> np.ndarray:
    """uint8 [H, W, 3] after all steps, one after another, each clipped to 0..255. Quarter turns exchange H and W."""
    for step in steps:
        pixels_HW3 = step(pixels_HW3, rng)
    return pixels_HW3


def rounded(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)
