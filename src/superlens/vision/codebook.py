"""Eyes with a codebook: the visual modules that LM4LV (arXiv 2405.15734) compares its masked autoencoder with.

VQGAN (Esser et al., arXiv 2012.09841), continuous or as discrete codes; and a Transformer that predicts such codes of patches that are
hidden from it, BEiT (Bao et al., 2106.08254).

Shapes: B pictures, H W canvas pixels, C channels, T tokens of a picture, N entries of the codebook, D numbers of each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from superlens.parts import resolve_config
from superlens.vision.canvas import Canvas
from superlens.vision.invertible import InvertibleEye
from superlens.vision.scene import Scene

PATIENCE = 10  # times as many features as there are entries: an entry that none of them chose is taken for dead
HIDDEN = 0.4  # share of the patches that BEiT's pre-training hides


class QuantisedEye(InvertibleEye):
    """A VQGAN: diffusers' `VQModel`. config: its arguments. side: of its pictures, pixels.

    codes: tokens are entries of its codebook; else what the encoder says before one is chosen.
    """

    def __init__(self, config: dict, side: int = 256, codes: bool = False, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)):
        from diffusers import VQModel

        super().__init__(mean, std)
        self.backbone = VQModel(**{key: value for key, value in config.items() if key != "model_type"})
        self.backbone.quantize.legacy = False  # the two weights of its loss as the paper has them, not changed over
        self.codes, self.fixed_size = codes, side
        self.token_stride = 2 ** (len(self.backbone.config.block_out_channels) - 1)
        if side % self.token_stride:
            raise ValueError(f"eye: side must be a multiple of {self.token_stride}, got {side}.")
        self.cells = side // self.token_stride
        self.tokens = self.cells**2
        self.token_channels = self.level_channels = self.backbone.config.vq_embed_dim or self.backbone.config.latent_channels
        self.register_buffer("idle_N", torch.zeros(self.entries.num_embeddings, dtype=torch.long))  # features since one chose it

    @property
    def entries(self) -> nn.Embedding:
        """The codebook: N entries of D numbers."""
        return self.backbone.quantize.embedding

    @staticmethod
    def published_config(name: str, **where: str) -> dict:
        """The arguments of a `VQModel` that was published, such as the one in the subfolder "vqvae" of a latent diffusion model."""
        from diffusers import VQModel

        return {key: value for key, value in VQModel.load_config(name, **where).items() if not key.startswith("_")}

    def features(self, pixels_B3HW: Tensor) -> Tensor:
        latents_BChw = self.backbone.encode(pixels_B3HW).latents
        if self.codes:
            latents_BChw = self.backbone.quantize(latents_BChw)[0]
        return latents_BChw.flatten(2).transpose(1, 2)

    @torch.no_grad()
    def chosen(self, pixels_B3HW: Tensor) -> Tensor:
        """Normalised pixels -> the entries they are made of, [B, T] of 0..N-1."""
        latents_BDhw = self.backbone.encode(pixels_B3HW).latents
        return self.backbone.quantize(latents_BDhw)[2][2].view(len(latents_BDhw), -1)

    def drawn(self, features_BTC: Tensor) -> Tensor:
        latents_BChw = features_BTC.transpose(1, 2).unflatten(2, (self.cells, self.cells))
        return self.backbone.decode(latents_BChw, force_not_quantize=not self.codes).sample

    def quantiser_loss(self, pixels_BHWC: Tensor) -> Tensor:
        """What keeps the codebook and the encoder together (arXiv 1711.00937, equation 3), a scalar. pixels_BHWC: uint8. Where the
        codebook learns, entries that nothing chose for long are revived."""
        said_BDhw = self.backbone.encode(self.normalise(pixels_BHWC)).latents.float()
        _, loss, (_, _, index_M) = self.backbone.quantize(said_BDhw)
        if self.training and self.entries.weight.requires_grad:
            self.revive(said_BDhw.detach().movedim(1, -1).flatten(0, -2), index_M)
        return loss

    @torch.no_grad()
    def revive(self, said_MD: Tensor, index_M: Tensor) -> None:
        """Entries that none of many features chose become features of this batch (random restarts: Dhariwal et al., arXiv 2005.00341,
        3.1; here not at random: evenly spaced in the batch). The same in every process. said_MD: M features; index_M: the entry, of
        0..N-1, that each of them chose."""
        from accelerate.utils import broadcast, reduce

        chosen_N = reduce(torch.bincount(index_M, minlength=len(self.idle_N)), "sum")
        self.idle_N.add_(chosen_N.sum()).masked_fill_(chosen_N > 0, 0)
        dead_N = self.idle_N > PATIENCE * len(self.idle_N)
        places_M = torch.linspace(0, len(said_MD) - 1, int(dead_N.sum()), device=said_MD.device).long()
        self.entries.weight.data[dead_N] = broadcast(said_MD[places_M]).to(self.entries.weight.dtype)
        self.idle_N.masked_fill_(dead_N, 0)


class CodePredictingEye(InvertibleEye):
    """BEiT of Transformers. config: of `BeitForMaskedImageModeling` as a dict with `model_type`. codes: the arguments of the `VQModel`
    whose codes it predicts, one for each patch; it has as many entries as BEiT has words.

    C is the width of the Transformer, T its patches; the class token is left out. The way back: BEiT's own head chooses an entry for
    each patch, and the VQGAN draws what was chosen. Gradients pass the choice by way of the mean of all entries, each counted as much
    as the head is sure of it. BEiT as published reads the codes of an autoencoder that neither library has; its head has to be taught
    those of this one (the lessons `tokenizing`, `hiding`, `inverting`, in this order).
    """

    def __init__(self, config: dict, codes: dict, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)):
        from transformers import BeitForMaskedImageModeling

        super().__init__(mean, std)
        config = resolve_config(config)
        if config.model_type != "beit":
            raise ValueError(f"eye: the type beit takes a config of model_type beit, got {config.model_type}.")
        config.use_mask_token = True
        self.backbone = BeitForMaskedImageModeling(config)
        self.book = QuantisedEye(codes, config.image_size, codes=True, mean=mean, std=std)
        self.fixed_size, self.token_stride, self.tokens = config.image_size, config.patch_size, self.book.tokens
        if self.book.token_stride != config.patch_size:
            raise ValueError(f"eye: patches of {config.patch_size} pixels, but codes for {self.book.token_stride} pixels each.")
        if self.book.entries.num_embeddings != config.vocab_size:
            raise ValueError(f"eye: {config.vocab_size} words for {self.book.entries.num_embeddings} entries of the codebook.")
        self.token_channels = self.level_channels = config.hidden_size

    def features(self, pixels_B3HW: Tensor) -> Tensor:
        """What BEiT's head reads: its states after the head's own normalisation."""
        return self.backbone.layernorm(self.backbone.beit(pixels_B3HW).last_hidden_state[:, 1:])

    def seen_by_book(self, pixels_BHWC: Tensor, canvases: list[Canvas]) -> Scene:
        """What the VQGAN alone sees, with its own way back."""
        return self.book(pixels_BHWC, canvases)

    def said(self, features_BTC: Tensor) -> Tensor:
        """BEiT's head: scores of the entries, [B, T, N]."""
        return self.backbone.lm_head(features_BTC)

    def drawn(self, features_BTC: Tensor) -> Tensor:
        """The way back: [B, T, C] -> normalised pixels [B, 3, H, W], drawn from the entries that are chosen."""
        scores_BTN = self.said(features_BTC)
        chosen_BTD = self.book.entries(scores_BTN.argmax(2))
        mean_BTD = scores_BTN.softmax(2) @ self.book.entries.weight
        return self.book.drawn(chosen_BTD + (mean_BTD - mean_BTD.detach()))

    def masked_loss(self, pixels_BHWC: Tensor) -> Tensor:
        """The pre-training: cross-entropy of the codes, of each picture [B], the mean over the patches that were hidden. (BEiT hides
        blocks; here patches are hidden each by itself.)"""
        pixels_B3HW = self.normalise(pixels_BHWC)
        rank_BT = torch.rand(len(pixels_B3HW), self.tokens, device=pixels_B3HW.device).argsort(1)
        hidden_BT = rank_BT < max(1, round(HIDDEN * self.tokens))
        scores_BTN = self.backbone(pixels_B3HW, bool_masked_pos=hidden_BT).logits.float()
        loss_BT = nn.functional.cross_entropy(scores_BTN.transpose(1, 2), self.book.chosen(pixels_B3HW), reduction="none")
        return (loss_BT * hidden_BT).sum(1) / hidden_BT.sum(1)
