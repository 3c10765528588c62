"""Which pixels of a picture have a colour of the drawn world.

Legend: H W rows and columns. Pictures are (H, W, 3) uint8.
"""

from __future__ import annotations

import numpy as np

from superlens.data.world.textures import COLOUR_RANGES

# Lighting, texture and blur move a colour beyond the range it was drawn from.
HUE_SLACK = 7.0
SATURATION_SLACK = 0.15
VALUE_SLACK = 0.2


def colour_mask(pixels_HW3: np.ndarray, colour: str) -> np.ndarray:
    """(H, W) bool: which pixels of a picture (uint8 RGB) a colour of the drawn world may be, with some slack."""
    hues, saturations, values = COLOUR_RANGES[colour]
    red_HW, green_HW, blue_HW = rgb_3HW = np.ascontiguousarray(np.moveaxis(pixels_HW3, 2, 0)).astype(np.float32) / 255
    value_HW, least_HW = np.maximum(np.maximum(red_HW, green_HW), blue_HW), np.minimum(np.minimum(red_HW, green_HW), blue_HW)
    spread_HW = value_HW - least_HW
    saturation_HW = spread_HW / np.maximum(value_HW, 1e-6)
    if colour == "black":
        return value_HW <= values[1] + VALUE_SLACK / 4
    near_HW = (value_HW >= values[0] - VALUE_SLACK) & (value_HW <= values[1] + VALUE_SLACK)
    near_HW &= saturation_HW >= saturations[0] - SATURATION_SLACK
    if colour == "white":
        return near_HW & (saturation_HW <= saturations[1] + SATURATION_SLACK / 2)
    away_HW = (_hue(rgb_3HW, value_HW, spread_HW) - (hues[0] + hues[1]) / 2 + 180) % 360 - 180
    return near_HW & (np.abs(away_HW) <= (hues[1] - hues[0]) / 2 + HUE_SLACK)


def _hue(rgb_3HW: np.ndarray, value_HW: np.ndarray, spread_HW: np.ndarray) -> np.ndarray:
    """(H, W) degrees, 0..360."""
    red, green, blue = rgb_3HW
    spread = np.maximum(spread_HW, 1e-6)
    sixths = np.where(value_HW == red, (green - blue) / spread,
                      np.where(value_HW == green, 2 + (blue - red) / spread, 4 + (red - green) / spread))
    return sixths * 60 % 360
