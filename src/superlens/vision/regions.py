"""Regions: what a user points at -> one token each, standing in the sequence where the user put it.

Every kind of region becomes a mask on the canvas first, so that one encoder serves points, boxes, circles, scribbles and masks.

Shapes: R regions, B pictures of one canvas size, H W canvas pixels, C channels, D width of the language model.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.message import Region
from superlens.vision.canvas import Canvas, CanvasRule
from superlens.vision.scene import Scene

PEN = 0.012  # radius of a point, and half the width of a scribble's line, as a share of the canvas's longer side
LEAST_PEN = 1.5


def rasterise(region: Region, canvas: Canvas, rule: CanvasRule) -> np.ndarray:
    """bool (H, W): the canvas pixels of a region given in original pixels. A point is a small disc, a scribble a thick line.

    At least one pixel is always set; ValueError for a mask without pixels.
    """
    if region.kind == "mask":
        if not region.mask.any():
            raise ValueError("a mask region has no pixels: mark at least one.")
        mask_HW = rule.place_masks(region.mask[None], canvas)[0]
        return mask_HW if mask_HW.any() else _dot(np.argwhere(region.mask).mean(0)[::-1] + 0.5, canvas)
    points_N2 = region.points * canvas.scale_xy
    image = Image.new("1", (canvas.size[1], canvas.size[0]))
    draw = ImageDraw.Draw(image)
    pen = max(LEAST_PEN, PEN * max(canvas.scaled))
    if region.kind == "box":
        draw.rectangle([*np.floor(points_N2[0]), *np.maximum(np.ceil(points_N2[1]) - 1, np.floor(points_N2[0]))], fill=1)
    elif region.kind == "circle":
        radius_2 = np.maximum(region.radius * canvas.scale_xy, LEAST_PEN)
        draw.ellipse([*(points_N2[0] - radius_2), *(points_N2[0] + radius_2)], fill=1)
    else:
        if len(points_N2) > 1:
            draw.line([tuple(point) for point in points_N2.tolist()], fill=1, width=max(1, round(2 * pen)), joint="curve")
        for point_2 in points_N2:
            draw.ellipse([*(point_2 - pen), *(point_2 + pen)], fill=1)
    mask_HW = np.array(image)
    mask_HW[canvas.scaled[0] :] = False
    mask_HW[:, canvas.scaled[1] :] = False
    return mask_HW if mask_HW.any() else _dot(region.xyxy.reshape(2, 2).mean(0), canvas)


def _dot(point_2: np.ndarray, canvas: Canvas) -> np.ndarray:
    """The one canvas pixel that holds a point of the original picture."""
    mask_HW = np.zeros(canvas.size, bool)
    column, row = (int(np.clip(place, 0, side - 1)) for place, side in zip(point_2 * canvas.scale_xy, canvas.scaled[::-1]))
    mask_HW[row, column] = True
    return mask_HW


class RegionEncoder(nn.Module):
    """A region's mask over its picture -> one token of the language model.

    The token is the sum of what the eye's levels show inside the region (their means, projected, averaged over levels; cells weigh by
    the area that is covered and, learned, by what they show: the middle of a thing says more of its shape than its rim), of a small
    convolutional net over picture and mask, pooled inside the region, of where the region lies (sines and cosines of its bounds), and
    of whether it is wanted or not (a positive or a negative click).
    VisionLLM v2 (arXiv 2406.08394, section 3.2) has the first two; its convolutions reduce by `patch` = 14, its levels are the last
    three of CLIP. There the levels add up while the mean is taken; here it is a mean.
    """

    def __init__(self, level_channels: int, width: int, scale: float, channels: int = 64, patch: int = 8, levels: int = 3):
        super().__init__()
        if patch % 2 or patch < 2:
            raise ValueError(f"regions.patch is the reduction of two convolutions, the second by 2: an even number, got {patch}.")
        self.levels = levels
        self.conv = nn.Sequential(
            nn.Conv2d(4, channels, patch // 2, patch // 2),
            nn.GroupNorm(1, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 2, 2),
            nn.GroupNorm(1, channels),
            nn.GELU(),
        )
        self.shape = nn.Linear(channels, width)
        self.seen = nn.ModuleList(nn.Linear(level_channels, width) for _ in range(levels))
        self.focus = nn.ModuleList(nn.Conv2d(level_channels, 1, 1, bias=False) for _ in range(levels))
        for focus in self.focus:
            nn.init.zeros_(focus.weight)
        self.place = nn.Linear(32, width)
        self.sign = nn.Parameter(torch.randn(2, width) * 0.1)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.out_scale = nn.Parameter(torch.tensor([float(scale)]))

    def forward(self, pixels_B3HW: Tensor, scene: Scene, masks_RHW: Tensor, picture_R: Tensor, positive_R: Tensor) -> Tensor:
        """-> [R, D]. pixels: normalised. masks: bool, none of them empty. picture_R: whose picture. positive_R: bool."""
        masks_R1HW = masks_RHW[:, None].to(pixels_B3HW.dtype)
        # Few channels in: CPUs convolve several times faster when channels lie last.
        shape_RChw = self.conv(torch.cat([pixels_B3HW[picture_R], masks_R1HW], 1).contiguous(memory_format=torch.channels_last))
        token_RD = self.shape(inside(shape_RChw, masks_R1HW)) + self.place(bounds_waves(masks_RHW).to(masks_R1HW.dtype))
        levels = scene.levels[: self.levels]
        seen = [
            project(inside(level, masks_R1HW, focus(level)[picture_R], picture_R))
            for project, focus, level in zip(self.seen, self.focus, levels)
        ]
        token_RD = token_RD + torch.stack(seen).mean(0) + self.sign[positive_R.long()]
        return (token_RD + self.mix(token_RD)) * self.out_scale

    def dummy(self, pixels_B3HW: Tensor, scene: Scene) -> Tensor:
        """Zero that depends on every parameter, from one region over a whole picture."""
        mask_1HW = torch.ones(1, *scene.size, dtype=torch.bool, device=pixels_B3HW.device)
        first = torch.zeros(1, dtype=torch.long, device=pixels_B3HW.device)
        return self(pixels_B3HW, scene, mask_1HW, first, first.bool()).float().sum() * 0.0


def inside(map_Chw: Tensor, masks_R1HW: Tensor, focus_R1hw: Tensor | None = None, picture_R: Tensor | None = None) -> Tensor:
    """[R, C] mean of a map inside each mask, cells weighted by the share of them that it covers, times exp(focus) if given.

    map: [R, C, h, w], or [B, C, h, w] with picture_R, which says whose map each mask lies over.
    """
    share_R1hw = F.adaptive_avg_pool2d(masks_R1HW, map_Chw.shape[-2:]).float()
    if focus_R1hw is not None:
        covered_R1hw = focus_R1hw.float().masked_fill(share_R1hw == 0, float("-inf"))
        share_R1hw = share_R1hw * (covered_R1hw - covered_R1hw.amax((2, 3), keepdim=True)).exp()
    share_R1hw = share_R1hw / share_R1hw.sum((2, 3), keepdim=True).clamp(min=1e-12)
    share_RM1, map_CM = share_R1hw.to(map_Chw.dtype).flatten(2).mT, map_Chw.flatten(2)
    if picture_R is None:
        return (map_CM @ share_RM1)[..., 0]
    # One product a region: the map of its picture is looked at where it lies, not copied for every region.
    means = [map_CM[picture] @ share_M1 for picture, share_M1 in zip(picture_R.tolist(), share_RM1)]
    return torch.stack(means)[..., 0] if means else map_Chw.new_zeros(0, map_Chw.shape[1])


def bounds_waves(masks_RHW: Tensor) -> Tensor:
    """[R, 32] sines and cosines, four octaves each, of the bounds x1, y1, x2, y2 of every mask in 0..1 of the canvas."""
    bounds = []
    for along in (masks_RHW.any(1), masks_RHW.any(2)):
        size = along.shape[1]
        first_R = along.float().argmax(1)
        last_R = size - along.flip(1).float().argmax(1)
        bounds += [first_R / size, last_R / size]
    octaves_4 = torch.pi * 2.0 ** torch.arange(4, device=masks_RHW.device)
    angles_R16 = (torch.stack(bounds, 1)[:, :, None] * octaves_4).flatten(1)
    return torch.cat([angles_R16.sin(), angles_R16.cos()], 1)
