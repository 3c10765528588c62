"""The eye turned round: features that a link predicts, drawn as a picture by the eye's own way back. Nothing of its own is trained.

LM4LV (arXiv 2405.15734): the language model writes the features of the answer; the decoder of the masked autoencoder draws them. The
picture can be no sharper than the eye's canvas: that is this system's stated limit.

Shapes: K requests of n vectors, one for each token of the eye, C their width, H W canvas pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.message import Image, Part
from superlens.vision.scene import Scene


@dataclass
class Drawn:
    """Raw answer. In training the link is taught the features themselves, so nothing is drawn before parts are asked for."""

    vectors_KnC: Tensor


class Inverse(Decoder):
    """It needs an eye that can be inverted (vision/invertible.py). in_channels: C."""

    part = "image"

    def __init__(self, in_channels: int):
        super().__init__()
        self.width = in_channels

    def forward(self, scene: Scene, requests: Requests) -> Drawn:
        if scene.inverse is None:
            raise ValueError("decoders: `inverse` draws what an invertible eye saw; this recipe's eye can not be inverted.")
        return Drawn(requests.vectors_KnC)

    def counts(self, targets: list[Image]) -> dict[str, float]:
        return {}

    def loss(self, raw: Drawn, targets: list[Image]) -> Losses:
        return {}

    @torch.no_grad()
    def parts(self, raw: Drawn, scene: Scene, requests: Requests) -> list[Part]:
        from PIL import Image as Pil

        pixels_KHW3 = (scene.inverse(raw.vectors_KnC) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        parts = []
        for pixels_HW3, picture, image in zip(pixels_KHW3, requests.picture_K.tolist(), requests.images, strict=True):
            canvas = scene.canvases[picture]
            height, width = canvas.scaled
            drawn = Pil.fromarray(pixels_HW3[:height, :width])
            if canvas.scaled != canvas.original:
                drawn = drawn.resize(canvas.original[::-1], Pil.Resampling.BICUBIC)
            parts.append(Image(drawn, of=image, restored=True))
        return parts

    def dummy(self, scene: Scene) -> Tensor:
        return scene.levels[0].sum() * 0.0
