"""Eyes that can be inverted: what they see of a picture is enough to draw it again.

LM4LV (arXiv 2405.15734) needs such an eye: a frozen language model can only give back what the eye let through. Its own is a masked
autoencoder (He et al., arXiv 2111.06377): the encoder as it was pre-trained, nothing masked, order and class token kept; its decoder is
tuned to draw the whole picture. The visual modules it is compared with are in codebook.py.

Shapes: B pictures, H W canvas pixels, C channels, T tokens of a picture. An eye's token map is one row of T cells: [B, C, 1, T].
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from superlens.parts import resolve_config
from superlens.vision.canvas import Canvas
from superlens.vision.eye import IMAGENET_MEAN, IMAGENET_STD, Eye
from superlens.vision.scene import Scene

logger = logging.getLogger(__name__)
SMALLEST = 1e-6  # variances below this share of their mean count as this much


class InvertibleEye(Eye):
    """tokens: T of a picture. Its scenes know the way back, `Scene.inverse`."""

    tokens: int

    def features(self, pixels_B3HW: Tensor) -> Tensor:
        """Normalised pixels -> [B, T, C]."""
        raise NotImplementedError

    def drawn(self, features_BTC: Tensor) -> Tensor:
        """The way back: [B, T, C] -> normalised pixels [B, 3, H, W]."""
        raise NotImplementedError

    def see(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        self.check_canvas(canvases[0].size)
        tokens_BC1T = self.features(self.normalise(pixels_BHWC)).transpose(1, 2)[:, :, None]
        return Scene([tokens_BC1T], tokens_BC1T, canvases, pixels_BHWC, self.inverse)

    def inverse(self, features_BTC: Tensor) -> Tensor:
        """[B, T, C] -> pixels [B, 3, H, W] of 0..1, not clipped."""
        return (self.drawn(features_BTC).float() * self.std + self.mean) / 255


class MaskedAutoencoderEye(InvertibleEye):
    """ViT-MAE of Transformers, encoder and decoder. config: of `ViTMAEForPreTraining` as a dict with `model_type`.

    C is the encoder's width, T its patches and the class token.

    even: features are what the encoder says in other coordinates, which `even_out` chooses once: shifted to mean 0 and along each of
    their principal directions divided by the fourth root of its variance. Of an autoencoder trained for a short time nearly all
    variance lies along few directions and says little of what is drawn: a mean squared error of such features is blind to detail. The
    first layer of the way back takes this into account, so that what is drawn stays the same.
    """

    def __init__(self, config: dict, even: bool = False, mean=IMAGENET_MEAN, std=IMAGENET_STD):
        from transformers import ViTMAEForPreTraining

        super().__init__(mean, std)
        self.even = even
        self.backbone = ViTMAEForPreTraining(resolve_config(config))
        config = self.backbone.config
        self.mask_share, config.mask_ratio = config.mask_ratio or 0.75, 0.0
        self.fixed_size, self.token_stride = config.image_size, config.patch_size
        self.tokens = 1 + (config.image_size // config.patch_size) ** 2
        self.token_channels = self.level_channels = config.hidden_size
        if self.even:
            self.register_buffer("shift_C", torch.zeros(config.hidden_size))
            self.register_buffer("turn_CC", torch.eye(config.hidden_size))

    def coordinates(self, encoded_BTC: Tensor) -> Tensor:
        """What the encoder says, [B, T, C] -> the same in the features' coordinates, [B, T, C]."""
        return (encoded_BTC - self.shift_C) @ self.turn_CC if self.even else encoded_BTC

    @torch.no_grad()
    def even_out(self, pixels_BHWC: Tensor) -> None:
        """Choose the features' coordinates by these pictures (uint8, some ten of them at least), once: links learn from what they are
        then, and later calls change nothing. The way back draws what it drew before."""
        if not torch.equal(self.turn_CC, torch.eye(len(self.turn_CC)).to(self.turn_CC)):
            return
        seen_NC = self.features(self.normalise(pixels_BHWC)).flatten(0, 1).double()
        shift_C = seen_NC.mean(0)
        variance_C, directions_CC = torch.linalg.eigh((seen_NC - shift_C).T.cov(correction=0))
        share = float(variance_C[-4:].sum() / variance_C.sum())
        logger.info("eye: %.1f percent of the features' variance lay along four directions", 100 * share)
        size_C = variance_C.clamp_min(SMALLEST * variance_C.mean()) ** 0.25
        first = self.backbone.decoder.decoder_embed
        first.bias += (first.weight.double() @ shift_C).to(first.bias)
        first.weight.copy_(first.weight.double() @ (directions_CC * size_C))
        self.shift_C.copy_(shift_C)
        self.turn_CC.copy_(directions_CC / size_C)

    def in_order(self, count: int) -> Tensor:
        """[B, T - 1]: every patch in its place."""
        return torch.arange(self.tokens - 1, device=self.mean.device).expand(count, -1)

    def features(self, pixels_B3HW: Tensor) -> Tensor:
        encoded = self.backbone.vit(pixels_B3HW, noise=self.in_order(len(pixels_B3HW)).float())
        return self.coordinates(encoded.last_hidden_state)

    def drawn(self, features_BTC: Tensor) -> Tensor:
        patches_BTP = self.backbone.decoder(features_BTC, self.in_order(len(features_BTC))).logits
        return self.backbone.unpatchify(patches_BTP)

    def masked_loss(self, pixels_BHWC: Tensor) -> Tensor:
        """The pre-training: mean squared error, of each picture [B], over the patches that were hidden."""
        pixels_B3HW = self.normalise(pixels_BHWC)
        config = self.backbone.vit.embeddings.config
        config.mask_ratio = self.mask_share
        try:
            seen = self.backbone.vit(pixels_B3HW)
        finally:
            config.mask_ratio = 0.0
        said_BTP = self.backbone.decoder(self.coordinates(seen.last_hidden_state), seen.ids_restore).logits.float()
        wanted_BTP = self.backbone.patchify(pixels_B3HW).float()
        if self.backbone.config.norm_pix_loss:
            wanted_BTP = nn.functional.layer_norm(wanted_BTP, wanted_BTP.shape[-1:], eps=1e-6)
        error_BT = (said_BTP - wanted_BTP).square().mean(2)
        return (error_BT * seen.mask).sum(1) / seen.mask.sum(1)
