"""Where a picture stands on its canvas, and the way back to original pixels.

A canvas depends only on its own picture and the recipe, never on the other pictures of a batch: padding a picture to its
neighbour's size changes convolutional features, and so answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np


@dataclass(frozen=True)
class Canvas:
    """Geometry of one picture: original size, size it was resized to, and padded canvas size, all (height, width) in pixels.

    The picture lies in the upper left corner of the canvas. Coordinates: original pixels = canvas pixels * original / scaled.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    size: tuple[int, int]

    @property
    def scale_xy(self) -> np.ndarray:
        """(2,) canvas pixels per original pixel, along x and y."""
        return np.array([self.scaled[1] / self.original[1], self.scaled[0] / self.original[0]], np.float32)

    def boxes_to_canvas(self, boxes_N4: np.ndarray) -> np.ndarray:
        """(N, 4) xyxy in original pixels -> canvas pixels."""
        return np.asarray(boxes_N4, np.float32) * np.tile(self.scale_xy, 2)

    def boxes_to_original(self, boxes_N4: np.ndarray) -> np.ndarray:
        """(N, 4) xyxy in canvas pixels -> original pixels, clipped to the picture."""
        boxes_N4 = np.asarray(boxes_N4, np.float32) / np.tile(self.scale_xy, 2)
        height, width = self.original
        return np.clip(boxes_N4, 0, np.array([width, height, width, height], np.float32))


@dataclass(frozen=True)
class CanvasRule:
    """How large a picture is shown to the eye.

    longest: pictures whose longer side exceeds this many pixels are shrunk to it, aspect ratio kept; smaller ones keep their pixels.
    shortest: pictures whose longer side is below this are enlarged to it.
    multiple: canvas sides are padded up to multiples of this (the eye's coarsest stride).
    square: pad to longest x longest (eyes with one fixed input size).
    """

    longest: int = 384
    shortest: int = 64
    multiple: int = 32
    square: bool = False

    def canvas(self, height: int, width: int) -> Canvas:
        """The canvas of a picture of `height` x `width` original pixels."""
        side = max(height, width)
        target = self.longest if self.square else min(max(side, self.shortest), self.longest)
        scaled = tuple(max(1, min(target, round(length * target / side))) for length in (height, width))
        if self.square:
            return Canvas((height, width), scaled, (self.longest, self.longest))
        padded = tuple(ceil(length / self.multiple) * self.multiple for length in scaled)
        return Canvas((height, width), scaled, padded)

    def place(self, pixels_HWC: np.ndarray) -> tuple[np.ndarray, Canvas]:
        """uint8 (H, W, 3) original pixels -> uint8 canvas pixels (mid-grey padding) and the geometry."""
        from PIL import Image

        canvas = self.canvas(*pixels_HWC.shape[:2])
        if canvas.scaled != canvas.original:
            size = (canvas.scaled[1], canvas.scaled[0])
            pixels_HWC = np.asarray(Image.fromarray(pixels_HWC).resize(size, Image.Resampling.BICUBIC))
        if canvas.size == canvas.scaled:
            return np.ascontiguousarray(pixels_HWC), canvas
        placed_HWC = np.full((*canvas.size, 3), 128, np.uint8)
        placed_HWC[: canvas.scaled[0], : canvas.scaled[1]] = pixels_HWC
        return placed_HWC, canvas

    def place_masks(self, masks_NHW: np.ndarray, canvas: Canvas) -> np.ndarray:
        """bool (N, H, W) in original pixels -> bool (N, canvas height, canvas width), a pixel is in when half of it is."""
        from PIL import Image

        placed_NHW = np.zeros((len(masks_NHW), *canvas.size), bool)
        for placed_HW, mask_HW in zip(placed_NHW, masks_NHW):
            image = Image.fromarray(mask_HW.astype(np.uint8) * 255)
            if canvas.scaled != canvas.original:
                image = image.resize((canvas.scaled[1], canvas.scaled[0]), Image.Resampling.BOX)
            placed_HW[: canvas.scaled[0], : canvas.scaled[1]] = np.asarray(image) >= 128
        return placed_NHW


@dataclass(frozen=True)
class TokenGrid:
    """How many visual tokens a canvas gets: the eye's map at `stride`, averaged over k x k cells, then merged m x m.

    k is the smallest integer that keeps the tokens within max_tokens, so the count is a function of the canvas alone.
    """

    stride: int = 8
    merge: int = 2
    max_tokens: int = 4096

    def pool_and_shape(self, canvas_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        """(k, (rows, columns)) of the token grid for a canvas of (height, width) pixels."""
        map_size = [max(1, side // self.stride) for side in canvas_size]
        pool = 1
        while True:
            rows, columns = (ceil(ceil(side / pool) / self.merge) for side in map_size)
            if rows * columns <= self.max_tokens or rows * columns == 1:
                return pool, (rows, columns)
            pool += 1

    def count(self, canvas_size: tuple[int, int]) -> int:
        """Number of visual tokens for a canvas of (height, width) pixels."""
        rows, columns = self.pool_and_shape(canvas_size)[1]
        return rows * columns


@dataclass(frozen=True)
class EveryToken:
    """As `TokenGrid`, for all tokens of an eye as they are: one for each cell of `stride` pixels, and `lead` before them."""

    stride: int
    lead: int = 0

    def pool_and_shape(self, canvas_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        return 1, (1, self.count(canvas_size))

    def count(self, canvas_size: tuple[int, int]) -> int:
        return self.lead + (canvas_size[0] // self.stride) * (canvas_size[1] // self.stride)
