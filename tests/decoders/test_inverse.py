"""Features drawn by the eye's way back: sizes, quarter turns, alpha channels. The way back here is perfect: features are pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import scene

from superlens.decoders.base import Requests
from superlens.decoders.inverse import Inverse
from superlens.decoders.laying import WAYS, lay
from superlens.message import Image
from superlens.vision.canvas import CanvasRule

RULE = CanvasRule(longest=32, shortest=32, square=True)


def picture(height, width, channels=3):
    """Smooth, and unlike each of its turned copies."""
    y, x = np.mgrid[:height, :width]
    planes = [x / width, y / height, (x / width) * (y / height) ** 2, x / width + y / height > 0.7]
    return np.stack([np.rint(plane * 255) for plane in planes[:channels]], -1).astype(np.uint8)


def answered(shown: Image, wanted_HW3: np.ndarray) -> Image:
    """What comes back where the features of the wanted picture are written without a fault."""
    pixels_HW3, canvas = RULE.place(shown.pixels)
    wanted_HW3 = RULE.place(wanted_HW3)[0]
    seen = replace(scene(canvas), pixels_BHWC=torch.from_numpy(np.array(pixels_HW3))[None])
    seen.inverse = lambda vectors_KnC: vectors_KnC.reshape(-1, 32, 32, 3).permute(0, 3, 1, 2)
    features_1nC = torch.from_numpy(np.array(wanted_HW3)).float().reshape(1, -1, 3) / 255
    asked = Requests(features_1nC, torch.tensor([0]), [""], [0])
    decoder = Inverse(3)
    (part,) = decoder.parts(decoder(seen, asked), seen, asked)
    return decoder.finish(part, (shown,))


@pytest.mark.parametrize("size", [(32, 32), (32, 16), (14, 32), (64, 96)])
@pytest.mark.parametrize("way", range(WAYS))
def test_a_picture_may_be_laid_in_any_way(size, way):
    wanted = lay(picture(*size), way)
    part = answered(Image(picture(*size)), wanted)
    assert part.restored and part.of == 0 and part.pixels.shape == wanted.shape
    error = np.abs(part.pixels.astype(int) - wanted).mean()
    assert error <= (2 if max(size) > 32 else 0)  # a canvas is as sharp as it is


@pytest.mark.parametrize("way", [0, 1, 4])
def test_an_alpha_channel_is_kept_and_laid_like_its_picture(way):
    shown = picture(20, 32, channels=4)
    part = answered(Image(shown), lay(Image(shown).pixels, way))
    assert part.transparent is not None and np.array_equal(part.transparent[..., 3], lay(shown, way)[..., 3])


def test_what_is_like_nothing_is_not_turned():
    grey = np.full((32, 16, 3), 128, np.uint8)
    for seed in range(8):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 16, 3)).astype(np.uint8)
        assert answered(Image(noise), grey).pixels.shape == (32, 16, 3)
