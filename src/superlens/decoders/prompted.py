"""Mask decoders that a vector prompts: one mask a request, whatever the number of things in it (the [SEG] family).

`SamSegmenter`: the mask decoder of SAM (Kirillov et al., arXiv 2304.02643; the class of Transformers), the request's vectors as sparse
prompts, as in LISA (2308.00692). `MultiScaleSegmenter`: PixelLM's light decoder (2312.02228).

Shapes: B pictures, K requests, n vectors a request, C width of requests and maps, h w cells of a map, N things of a target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.decoders.base import Decoder, Losses, Requests
from superlens.decoders.pixel_segmenter import sureness, to_original
from superlens.message import Masks
from superlens.vision.scene import Scene

EMPTY_LOGIT = 2.5


@dataclass
class PromptedMasks:
    """Raw answer: mask logits [K, h, w], what else was computed of which nothing is learned, and picture_K."""

    masks_Khw: Tensor
    rest: list[Tensor]
    picture_K: Tensor


class PromptedSegmenter(Decoder):
    """Base: targets, losses and parts; subclasses make the logits. A target of several things is learned as their union.

    Losses as in LISA: binary cross-entropy, mean over pixels (weight 2), and dice (weight 0.5; sums divided by 1000, eps 1e-6), both
    summed over masks and divided by their number.
    """

    part = "masks"
    pixel_weight, dice_weight = 2.0, 0.5
    dice_scale, dice_eps = 1000.0, 1e-6

    def counts(self, targets: list[Masks]) -> dict[str, float]:
        return {"pixel": float(len(targets)), "dice": float(len(targets))}

    def loss(self, raw: PromptedMasks, targets: list[Masks]) -> Losses:
        counts = self.counts(targets)
        wanted_Khw, care_Khw = self.targets(raw, targets)
        shares_Khw = self.pixel_shares(raw)
        pixel_Khw = F.binary_cross_entropy_with_logits(raw.masks_Khw, wanted_Khw, weight=shares_Khw, reduction="none")
        pixel_K = (pixel_Khw * care_Khw).flatten(1).sum(1) / care_Khw.flatten(1).sum(1).clamp(min=1)
        chance_KL, wanted_KL = ((map_Khw * care_Khw).flatten(1) / self.dice_scale for map_Khw in (raw.masks_Khw.sigmoid(), wanted_Khw))
        both_K = (2 * chance_KL * wanted_KL * self.dice_scale).sum(1)
        dice_K = 1 - (both_K + self.dice_eps) / (chance_KL.sum(1) + wanted_KL.sum(1) + self.dice_eps)
        # What nothing is learned of still takes part, so that every process has the same gradients to share.
        idle = sum((tensor.float().sum() for tensor in raw.rest), pixel_K.new_zeros(())) * 0.0
        return {
            "pixel": (pixel_K.sum() * self.pixel_weight + idle, counts["pixel"]),
            "dice": (dice_K.sum() * self.dice_weight, counts["dice"]),
        }

    def pixel_shares(self, raw: PromptedMasks) -> Tensor | None:
        """[K, h, w] how much each cell counts in the cross-entropy; None: all alike."""
        return None

    @torch.no_grad()
    def targets(self, raw: PromptedMasks, targets: list[Masks]) -> tuple[Tensor, Tensor]:
        """Canvas-pixel masks -> [K, h, w] covered share of each cell by the union of things, and which cells count (0 or 1)."""
        shape, device = raw.masks_Khw.shape[1:], raw.masks_Khw.device
        wanted_Khw, care_Khw = torch.zeros_like(raw.masks_Khw, dtype=torch.float32), torch.ones_like(raw.masks_Khw, dtype=torch.float32)
        for request, target in enumerate(targets):
            if not target.count:
                continue
            ignore_N = np.zeros(target.count, bool) if target.ignore is None else target.ignore
            for rows_N, into in ((~ignore_N, wanted_Khw), (ignore_N, care_Khw)):
                union_HW = torch.as_tensor(target.masks[rows_N].any(0)).float().to(device)
                cover_hw = F.adaptive_avg_pool2d(union_HW[None], shape)[0]
                into[request] = cover_hw if into is wanted_Khw else 1 - cover_hw.ceil()
        return wanted_Khw, care_Khw

    @torch.no_grad()
    def parts(self, raw: PromptedMasks, scene: Scene, requests: Requests) -> list[Masks]:
        answers = []
        for request, (label, image) in enumerate(zip(requests.labels, requests.images)):
            canvas = scene.canvases[int(requests.picture_K[request])]
            logits_hw = raw.masks_Khw[request].float()
            mask_HW = to_original(logits_hw, canvas)
            inside_hw = logits_hw > 0
            if mask_HW.any() and inside_hw.any():
                score = sureness(logits_hw.sigmoid()[inside_hw])
                answers.append(Masks(label, mask_HW[None], scores=np.array([score], np.float32), image=image))
            else:
                answers.append(Masks(label, np.zeros((0, *canvas.original), bool), scores=np.zeros(0, np.float32), image=image))
        return answers


class Prompted(nn.Module):
    """SAM's mask decoder over one map: vectors, and a map of dense prompts, in; a mask at four times the map's resolution out."""

    def __init__(self, width: int, heads: int, depth: int, feedforward: int):
        super().__init__()
        from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
        from transformers.models.sam.modeling_sam import SamMaskDecoder

        config = SamMaskDecoderConfig(
            hidden_size=width, num_attention_heads=heads, num_hidden_layers=depth, mlp_dim=feedforward, iou_head_hidden_dim=width,
        )
        # A handful of vectors against a map: nothing is saved by attending in blocks, and in bfloat16 on a CPU the fused kernel's
        # backward takes many times as long.
        config._attn_implementation = "eager"
        self.decoder = SamMaskDecoder(config)
        # Most cells are of no mask: logits begin where a chance of 1 in 12 lies. From zero on, a decoder that is not SAM's pretrained
        # one first learns to answer nothing at all.
        channels, bias = width // 8, 0.5
        past_gelu = bias * (1 + math.erf(bias / 2**0.5)) / 2
        nn.init.constant_(self.decoder.upscale_conv2.bias, bias)
        for head in self.decoder.output_hypernetworks_mlps:
            nn.init.constant_(head.proj_out.bias, -EMPTY_LOGIT / (channels * past_gelu))
        # Gaussian Fourier features, as SAM's; fixed, so they are saved.
        self.register_buffer("frequencies", torch.randn(2, width // 2))

    def places(self, h: int, w: int) -> Tensor:
        """[1, C, h, w] features of each cell's place."""
        y_h, x_w = (torch.arange(n, device=self.frequencies.device) + 0.5 for n in (h, w))
        xy_hw2 = torch.stack(torch.meshgrid(x_w / w, y_h / h, indexing="xy"), -1) * 2 - 1
        angles_hwC = 2 * torch.pi * xy_hw2.to(self.frequencies.dtype) @ self.frequencies
        return torch.cat([angles_hwC.sin(), angles_hwC.cos()], -1).permute(2, 0, 1)[None]

    def forward(self, map_KChw: Tensor, vectors_KnC: Tensor, dense_KChw: Tensor) -> tuple[Tensor, Tensor]:
        """-> mask logits [K, 4 h, 4 w], predicted overlap [K, 1]."""
        places_KChw = self.places(*map_KChw.shape[-2:]).expand(len(map_KChw), -1, -1, -1).to(map_KChw.dtype)
        masks, overlap = self.decoder(map_KChw, places_KChw, vectors_KnC[:, None], dense_KChw, multimask_output=False)[:2]
        return masks[:, 0, 0].float(), overlap[:, 0]


def neck(in_channels: int, width: int) -> nn.Sequential:
    """1 x 1 and 3 x 3 convolutions, each with a norm over all of a picture's cells and channels."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 1, bias=False), nn.GroupNorm(1, width), nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.GroupNorm(1, width),
    )


class SamSegmenter(PromptedSegmenter):
    """in_channels: of the pyramid levels. width: of the requests (SAM: 256). level: pyramid level it looks at (2: stride 16, as SAM).

    The request's vectors are sparse prompts; of three-mask answers nothing is used (`multimask_output=False`, as LISA).
    """

    def __init__(self, in_channels: int, width: int = 256, level: int = 2, heads: int = 8, depth: int = 2, feedforward: int = 2048):
        super().__init__()
        self.width, self.level = width, level
        self.neck = neck(in_channels, width)
        self.prompted = Prompted(width, heads, depth, feedforward)
        self.no_mask = nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, scene: Scene, requests: Requests) -> PromptedMasks:
        map_KChw = self.neck(scene.levels[self.level])[requests.picture_K]
        dense_KChw = self.no_mask[:, None, None].expand(map_KChw.shape)
        masks_Khw, overlap_K1 = self.prompted(map_KChw, requests.vectors_KnC.to(map_KChw.dtype), dense_KChw)
        return PromptedMasks(masks_Khw, [overlap_K1], requests.picture_K)


class MultiScaleSegmenter(PromptedSegmenter):
    """PixelLM: `tokens` vectors for each of the `scales`, fused by learned weights; every scale's mask prompts the next one; the masks
    add up with learned weights. (In the released code those weights are no parameters and never move; here they train.)

    levels: pyramid level of each scale, coarse to fine. Where masks of one picture overlap, pixels count `overlap` times more: the
    paper's loss, which the released code leaves out.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 256,
        levels: tuple[int, ...] = (3, 2),
        tokens: int = 3,
        heads: int = 8,
        depth: int = 2,
        feedforward: int = 2048,
        overlap: float = 2.0,
    ):
        super().__init__()
        self.width, self.levels, self.tokens, self.overlap = width, tuple(levels), tokens, overlap
        self.necks = nn.ModuleList(neck(in_channels, width) for _ in self.levels)
        self.prompted = nn.ModuleList(Prompted(width, heads, depth, feedforward) for _ in self.levels)
        self.ask = nn.Conv2d(1, width, 1)  # the mask of the scale before, as a dense prompt
        self.fuse = nn.Parameter(torch.full((len(self.levels), tokens), 1 / tokens))
        self.share = nn.Parameter(torch.full((len(self.levels),), 1 / len(self.levels)))

    def forward(self, scene: Scene, requests: Requests) -> PromptedMasks:
        vectors_KnC = requests.vectors_KnC
        wanted = len(self.levels) * self.tokens
        if vectors_KnC.shape[1] == 1:  # a stand-in, in place of all
            vectors_KnC = vectors_KnC.expand(-1, wanted, -1)
        if vectors_KnC.shape[1] != wanted:
            raise ValueError(f"this decoder wants {wanted} vectors a request ({len(self.levels)} scales x {self.tokens} tokens), "
                             f"got {vectors_KnC.shape[1]}: set the link's emitted tokens, and pool: none.")
        fused_KSC = (vectors_KnC.unflatten(1, self.fuse.shape) * self.fuse[..., None]).sum(2)
        size = tuple(4 * side for side in scene.levels[min(self.levels)].shape[-2:])
        total_Khw, rest, mask_Khw = 0.0, [], None
        for scale, level in enumerate(self.levels):
            map_KChw = self.necks[scale](scene.levels[level])[requests.picture_K]
            before_K1hw = self._before(mask_Khw, map_KChw)
            mask_Khw, overlap_K1 = self.prompted[scale](map_KChw, fused_KSC[:, scale, None].to(map_KChw.dtype), self.ask(before_K1hw))
            rest.append(overlap_K1)
            whole_Khw = F.interpolate(mask_Khw[:, None], size, mode="bilinear", align_corners=False)[:, 0]
            total_Khw = total_Khw + whole_Khw * self.share[scale].float()
        return PromptedMasks(total_Khw, rest, requests.picture_K)

    @staticmethod
    def _before(mask_Khw: Tensor | None, map_KChw: Tensor) -> Tensor:
        if mask_Khw is None:
            return map_KChw.new_zeros(len(map_KChw), 1, *map_KChw.shape[-2:])
        small_K1hw = F.interpolate(mask_Khw.sigmoid()[:, None], map_KChw.shape[-2:], mode="bilinear", align_corners=False)
        return small_K1hw.to(map_KChw.dtype)

    @torch.no_grad()
    def pixel_shares(self, raw: PromptedMasks) -> Tensor:
        shares_Khw = torch.ones_like(raw.masks_Khw)
        claimed_Khw = (raw.masks_Khw > 0).float()
        for picture in raw.picture_K.unique().tolist():
            mine_K = raw.picture_K == picture
            shares_Khw[mine_K] += (self.overlap - 1) * (claimed_Khw[mine_K].sum(0) >= 2).float()
        return shares_Khw
