"""The eye turned round: features that a link predicts, drawn as a picture by the eye's own way back. Nothing of its own is trained.

LM4LV (arXiv 2405.15734): the language model writes the features of the answer; the decoder of the masked autoencoder draws them. The
picture can be no sharper than the eye's canvas: that is this system's stated limit.

Features do not say how large the picture on the canvas is: a quarter turn of a picture that is not square fills another part of it. So
what was drawn is compared with the picture shown, laid in each of the eight ways; an alpha channel is laid like that, and kept.

Shapes: K requests of n vectors, one for each token of the eye, C their width, H W canvas pixels, h w those of the picture
on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.decoders.laying import WAYS, laid, lay, shares
from superlens.message import Image, Part
from superlens.vision.scene import Scene

CLEARLY = 0.5  # a picture counts as turned or mirrored below this share of the squared error it has as it is


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

        drawn_K3HW = scene.inverse(raw.vectors_KnC).clamp(0, 1)
        parts = []
        for drawn_3HW, picture, image in zip(drawn_K3HW, requests.picture_K.tolist(), requests.images, strict=True):
            canvas = scene.canvases[picture]
            height, width = canvas.scaled
            way = way_of(shares(scene.pixels_BHWC[picture][None])[0, :, :height, :width], drawn_3HW)
            turned = -1 if way % 2 else 1
            height, width = canvas.scaled[::turned]
            drawn = Pil.fromarray((drawn_3HW[:, :height, :width] * 255).round().byte().permute(1, 2, 0).cpu().numpy())
            if canvas.scaled != canvas.original:
                drawn = drawn.resize(canvas.original[::turned][::-1], Pil.Resampling.BICUBIC)
            parts.append(Laid(drawn, image, way))
        return parts

    def finish(self, part: Part, pictures: tuple[Image, ...]) -> Part:
        return part.of_picture(pictures[part.of]) if isinstance(part, Laid) else part

    def dummy(self, scene: Scene) -> Tensor:
        return scene.levels[0].sum() * 0.0


class Laid(Image):
    """A picture that was drawn, and the way in which the picture shown lies in it."""

    def __init__(self, pixels, of: int, way: int):
        super().__init__(pixels, of=of, restored=True)
        self.way = way

    def of_picture(self, source: Image) -> Image:
        """It, with the alpha channel of the picture shown."""
        rgba_HW4 = source.transparent
        if rgba_HW4 is None:
            return self
        return Image(np.concatenate([self.pixels, lay(rgba_HW4[..., 3:], self.way)], 2), of=self.of, restored=True)


def way_of(source_3hw: Tensor, drawn_3HW: Tensor) -> int:
    """The way in which the source lies in the upper left of what was drawn: as it is, unless another one is clearly more like it
    (what is drawn in grey is like everything)."""
    ways = [laid(source_3hw, way) for way in range(WAYS)]
    errors = [float((drawn_3HW[:, : there.shape[1], : there.shape[2]] - there).square().mean()) for there in ways]
    best = int(np.argmin(errors))
    return best if errors[best] < CLEARLY * errors[0] else 0
