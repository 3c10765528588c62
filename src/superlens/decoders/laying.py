"""The eight ways of laying a picture: quarter turns of it, and of its mirror image.

Shapes: H W pixels of a picture; pictures are 0..1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

WAYS = 8  # quarter turns to the left, 0 to 3, of the picture; 4 to 7, of its mirror image


def laid(pixels_3HW: Tensor, way: int) -> Tensor:
    """Mirrored or not, then turned."""
    mirrored, quarters = divmod(way, 4)
    return torch.rot90(pixels_3HW.flip(2) if mirrored else pixels_3HW, quarters, (1, 2))


def lay(pixels_HWC: np.ndarray, way: int) -> np.ndarray:
    """The same for an array of any number of channels, which come last."""
    mirrored, quarters = divmod(way, 4)
    return np.ascontiguousarray(np.rot90(pixels_HWC[:, ::-1] if mirrored else pixels_HWC, quarters))


def undoing(way: int) -> int:
    """The way that undoes a way: a mirrored one is its own undoing."""
    return way if way >= 4 else -way % 4


def likest(source_3HW: Tensor, target_3HW: Tensor) -> int:
    """The way of laying the source that is most like the target, of those that have its size."""
    fitting = [way for way in range(WAYS) if laid(source_3HW, way).shape == target_3HW.shape]
    errors = [float((laid(source_3HW, way) - target_3HW).square().mean()) for way in fitting]
    return fitting[int(np.argmin(errors))]


def shares(pixels_KHW3: Tensor) -> Tensor:
    """uint8 [K, H, W, 3] -> [K, 3, H, W] of 0..1."""
    return pixels_KHW3.permute(0, 3, 1, 2).float() / 255
