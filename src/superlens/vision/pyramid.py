"""A feature pyramid: every level sees what the coarser ones understood. C channels, l levels, finest first."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ConvNormAct(nn.Sequential):
    """3 x 3 convolution, group normalisation, SiLU; [B, C_in, H, W] -> [B, C_out, H, W]. No statistics cross pictures."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
            nn.GroupNorm(8, out_channels),
            nn.SiLU(),
        )


class FeaturePyramid(nn.Module):
    """Top-down feature pyramid (Lin et al., arXiv 1612.03144): list of [B, C_l, h_l, w_l] -> list of [B, channels, h_l, w_l]."""

    def __init__(self, in_channels: list[int], channels: int):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.smooth = nn.ModuleList(ConvNormAct(channels, channels) for _ in in_channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        levels = [lateral(level) for lateral, level in zip(self.lateral, maps)]
        for fine in range(len(levels) - 2, -1, -1):
            above = F.interpolate(levels[fine + 1], size=levels[fine].shape[-2:], mode="nearest")
            levels[fine] = levels[fine] + above
        return [smooth(level) for smooth, level in zip(self.smooth, levels)]
