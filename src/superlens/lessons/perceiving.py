"""Perceiving: what is drawn should look to a network that knows pictures as what was seen does.

The mean absolute error of `inverting` is lowest for what is blurred a little. LM4LV (arXiv 2405.15734) adds a perceptual term to it, by
VGG; it makes pictures look better and costs PSNR. Perceptual losses: Johnson et al., 1603.08155; unit features, as in LPIPS (Zhang et
al., 1801.03924), whose learned weights are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import Tensor, nn

from superlens.batch import Batch
from superlens.lessons.inverting import OfPictures

# Of ImageNet, which most networks of pictures expect.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Perceiving(OfPictures):
    """`perceiving:NETWORK` beside `inverting`. network: name or folder of a network of pictures that Transformers' AutoModel loads and
    that tells its hidden states; it is frozen, and no part of the model."""

    network: str = ""

    @classmethod
    def of(cls, processor, network: str = "") -> Callable[[Batch], Perceiving]:
        """The teacher. ValueError where no network is named, or it can not be loaded."""
        if not network:
            raise ValueError("the lesson perceiving looks through a network: perceiving:NAME, as perceiving:facebook/dinov2-small.")
        network_of(network)
        return partial(cls.about, network=network)

    @classmethod
    def about(cls, batch: Batch, network: str) -> Perceiving:
        return replace(super().about(batch), network=network)

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        """Sum over pictures of the squared distance, 0..4, of unit features: mean over places, then over hidden states."""
        network = network_of(self.network).to(model.eye.mean.device)
        total = torch.zeros((), device=model.eye.mean.device)
        for scene in outputs.scenes:
            drawn_B3HW = scene.inverse(scene.tokens.flatten(2).transpose(1, 2))
            wanted_B3HW = scene.pixels_BHWC.permute(0, 3, 1, 2).float() / 255
            drawn, wanted = features(network, drawn_B3HW), features(network, wanted_B3HW)
            apart = [(one - two).square().sum(1).flatten(1).mean(1) for one, two in zip(drawn, wanted, strict=True)]
            total = total + torch.stack(apart).mean(0).sum()
        return total, self.count


def features(network: nn.Module, pixels_B3HW: Tensor) -> list[Tensor]:
    """Hidden states [B, C, ...] of pictures of 0..1, channels of length 1 at every place."""
    mean, deviation = (pixels_B3HW.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    side = getattr(network.config, "image_size", None)
    if side is not None:
        pixels_B3HW = nn.functional.interpolate(pixels_B3HW, side, mode="bilinear", antialias=True)
    states = network((pixels_B3HW - mean) / deviation, output_hidden_states=True).hidden_states
    return [nn.functional.normalize(state if state.dim() == 4 else state.transpose(1, 2), dim=1) for state in states]


@cache
def network_of(name: str) -> nn.Module:
    """The frozen network, loaded once. ValueError with a sentence where there is none."""
    from transformers import AutoModel

    try:
        network = AutoModel.from_pretrained(name).eval().requires_grad_(False)
    except (OSError, ValueError) as error:
        raise ValueError(f"the lesson perceiving can not load the network '{name}': {str(error).splitlines()[0]}") from error
    if network.main_input_name != "pixel_values":
        raise ValueError(f"the lesson perceiving needs a network of pictures; '{name}' reads {network.main_input_name}.")
    return network
