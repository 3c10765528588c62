"""What the eye saw. Shapes: B pictures of one canvas size; a level l is a map of H/s_l x W/s_l cells with C channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from superlens.vision.canvas import Canvas


@dataclass
class Scene:
    """What the eye saw: pictures of one canvas size, computed once and shared by all.

    levels: maps [B, C, h, w], finest first (strides about 4, 8, 16, 32), for decoders.
    tokens: map [B, C', h', w'] from which the projector makes visual tokens.
    canvases: B geometries. pixels_BHWC: the pictures themselves, uint8, for decoders that change them. inverse: of an
    eye that can be inverted (vision/invertible.py), features [B, T, C] back to pixels [B, 3, H, W] of 0..1.
    """

    levels: list[Tensor]
    tokens: Tensor
    canvases: list[Canvas]
    pixels_BHWC: Tensor | None = None
    inverse: Callable[[Tensor], Tensor] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Canvas (height, width) in pixels."""
        return self.canvases[0].size

    def stride(self, level: int) -> float:
        """Canvas pixels per cell of a level."""
        return self.size[0] / self.levels[level].shape[-2]
