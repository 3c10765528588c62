"""Video readers: the tokens of single frames -> the tokens that stand for a video.

A reader has a weightless half, its `rule`: which frames are looked at, how many tokens they become, what is said of their times.

Shapes: F frames, T visual tokens a frame, D width of the language model, C channels and h w cells of the eye's token map,
Q queries, W windows, H width of a Q-Former.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.parts import construct
from superlens.vision.canvas import Canvas, TokenGrid
from superlens.vision.clip import Clip
from superlens.vision.projector import WAVES, place_waves
from superlens.vision.qformer import QFormer

SLOW_FRAMES = 4
VIDEO_LAYERS = 2  # of TimeChat's second Q-Former
MOST_FRAMES = 96


@dataclass
class Watched:
    """What the eye saw of one video: projected tokens_FTD, its own map cells_FChw, the clip, and stamps, the ids of the words
    that say each frame's second (empty where the rule says nothing)."""

    tokens_FTD: Tensor
    cells_FChw: Tensor
    clip: Clip
    stamps: list[list[int]]


class WatchRule:
    """sampling: {type: uniform, frames: 16} and the like. grid: of the visual tokens of pictures."""

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid):
        self.sampling, self.grid = construct("samplings", sampling, "video.sampling"), grid

    def count(self, clip: Clip) -> int:
        """Tokens that stand for the video."""
        raise NotImplementedError

    def stamp(self, second: float) -> str:
        """What is said of a frame's time; "" for nothing."""
        return ""


class Mixer(nn.Module):
    """What a cell holds, where it lies, how it changes from frame to frame, and when that is, mixed by an MLP before cells are pooled.

    For eyes that are convolutional and see one frame alone. A mean over cells whose content and place were only added up says what is
    in a frame and no longer which of it is where. And what moves takes up few cells: the means of a clip's frames are hardly to be told
    apart. So what the MLP says of a cell's change, beyond what it says of the cell at rest, is given apart (see `lifted`).

    channels: of a cell. hidden: width of the MLP.
    """

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(nn.Linear(3 * channels + WAVES, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.time = nn.Linear(WAVES, channels)

    def forward(self, cells_FTC: Tensor, shape: tuple[int, int], shares_F: Tensor) -> tuple[Tensor, Tensor]:
        """[F, T, C] -> the cells mixed, and their changes, both [F, T, C]; the changes are zero where nothing changes, and in units of
        the MLP. T cells in `shape` (rows, columns); shares_F: when each frame is, 0..1. Before the first frame and after the last
        nothing changes."""
        held_FTC = self.norm(cells_FTC)
        before_FTC = held_FTC - torch.cat([held_FTC[:1], held_FTC[:-1]])
        after_FTC = torch.cat([held_FTC[1:], held_FTC[-1:]]) - held_FTC
        places_FTW = place_waves(*shape, held_FTC).expand(len(held_FTC), -1, -1)
        rest_FTC = self.layers(torch.cat([held_FTC, torch.zeros_like(before_FTC), torch.zeros_like(after_FTC), places_FTW], -1))
        times_FC = self.time(time_waves(shares_F.to(held_FTC)))
        mixed_FTC = cells_FTC + (rest_FTC + times_FC[:, None]) * spread(cells_FTC)
        # Most cells rest most of the time.
        moves_FT = (before_FTC != 0).any(-1) | (after_FTC != 0).any(-1)
        moving_MC = torch.cat([held_FTC[moves_FT], before_FTC[moves_FT], after_FTC[moves_FT], places_FTW[moves_FT]], -1)
        change_MC = self.layers(moving_MC) - rest_FTC[moves_FT]
        return mixed_FTC, torch.zeros_like(rest_FTC).masked_scatter(moves_FT[..., None], change_MC)


def spread(values: Tensor) -> Tensor:
    """The root of the mean square: what is added to values that a base has learned has to be of their size to be seen."""
    return values.detach().float().pow(2).mean().sqrt()


def lifted(values_XC: Tensor, change_XC: Tensor | None) -> Tensor:
    """Values with changes added in their own unit, bounded by it however many cells change. None: no changes are known."""
    if change_XC is None:
        return values_XC
    bounded_XC = change_XC * torch.rsqrt(1 + change_XC.pow(2).mean(-1, keepdim=True))
    return values_XC + bounded_XC * spread(values_XC)


def frame_means(mixed_FTC: Tensor, change_FTC: Tensor | None) -> Tensor:
    """[F, C] one vector a frame: the mean of its cells, and the sum of their changes."""
    return lifted(mixed_FTC.mean(1), None if change_FTC is None else change_FTC.sum(1))


def time_waves(shares_F: Tensor) -> Tensor:
    """[F, 16] sines and cosines of times in 0..1, eight octaves."""
    angles_F8 = shares_F[:, None] * (math.pi * 2.0 ** torch.arange(WAVES // 2, device=shares_F.device))
    return torch.cat([angles_F8.sin(), angles_F8.cos()], 1)


class VideoReader(nn.Module):
    """Base. rule: the weightless half."""

    rule: WatchRule
    mixer: Mixer | None

    def forward(self, seen: Watched) -> Tensor:
        """-> [n, D], n as the rule counts."""
        raise NotImplementedError

    def mixed(self, seen: Watched) -> tuple[Tensor, Tensor | None]:
        """[F, T, D] the tokens, passed through the mixer where there is one, and their changes, None without."""
        if self.mixer is None:
            return seen.tokens_FTD, None
        shape = self.rule.grid.pool_and_shape(seen.clip.canvas.size)[1]
        return self.mixer(seen.tokens_FTD, shape, torch.from_numpy(seen.clip.shares).to(seen.tokens_FTD.device))

    def dummy(self, tokens_TD: Tensor, cells_Chw: Tensor, canvas: Canvas) -> Tensor:
        """Zero that depends on every parameter, from one picture as a video of one frame."""
        seen = Watched(tokens_TD[None], cells_Chw[None], Clip(1.0, (0.0,), canvas), [[0]])
        return self(seen).float().sum() * 0.0


class FrameRule(WatchRule):
    """Every frame's tokens, or their mean."""

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, mean: bool):
        super().__init__(sampling, grid)
        self.mean = mean

    def count(self, clip: Clip) -> int:
        return len(clip.times) * (1 if self.mean else self.grid.count(clip.canvas.size))


class FrameReader(VideoReader):
    """Frames one after another. mean: one token a frame, the mean of its tokens (so that one frame fits one anchor of time).

    width: D. mix: hidden width of a `Mixer` that all tokens pass, 0 for none.
    """

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, width: int, mean: bool = False, mix: int = 0):
        super().__init__()
        self.rule = FrameRule(sampling, grid, mean)
        self.mixer = Mixer(width, mix) if mix else None

    def forward(self, seen: Watched) -> Tensor:
        tokens_FTD, change_FTD = self.mixed(seen)
        if self.rule.mean:
            return frame_means(tokens_FTD, change_FTD)
        return lifted(tokens_FTD, change_FTD).flatten(0, 1)


class SlowFastRule(WatchRule):
    """LITA's "temporal spatial pool"."""

    def slow(self, frames: int) -> list[int]:
        """Indices of the frames that are also seen in space, at equal distances."""
        return torch.linspace(0, frames - 1, min(SLOW_FRAMES, frames)).round().long().tolist()

    def count(self, clip: Clip) -> int:
        rows, columns = self.grid.pool_and_shape(clip.canvas.size)[1]
        return len(clip.times) + len(self.slow(len(clip.times))) * (-(-rows // 2) * -(-columns // 2))


class SlowFastReader(VideoReader):
    """Fast: the mean of each frame. Slow: four frames at equal distances, their token grids pooled 2 x 2 (LITA, arXiv 2403.19046).

    width: D. mix: hidden width of a `Mixer` that all tokens pass, 0 for none.
    """

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, width: int, mix: int = 0):
        super().__init__()
        self.rule = SlowFastRule(sampling, grid)
        self.mixer = Mixer(width, mix) if mix else None

    def forward(self, seen: Watched) -> Tensor:
        """-> [F + slow tokens, D], the fast ones first."""
        shape = self.rule.grid.pool_and_shape(seen.clip.canvas.size)[1]
        tokens_FTD, change_FTD = self.mixed(seen)
        slow_BDrc = tokens_FTD[self.rule.slow(len(seen.tokens_FTD))].mT.unflatten(2, shape)
        slow_BTD = F.avg_pool2d(slow_BDrc, 2, ceil_mode=True, count_include_pad=False).flatten(2).mT
        return torch.cat([frame_means(tokens_FTD, change_FTD), slow_BTD.flatten(0, 1)])


class TimeStampRule(WatchRule):
    """TimeChat's words for a frame, and its windows."""

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, window: int, stride: int, queries: int):
        super().__init__(sampling, grid)
        self.window, self.stride, self.queries = window, stride, queries

    def starts(self, frames: int) -> list[int]:
        """The first frame of each window."""
        return list(range(0, frames, self.stride))

    def count(self, clip: Clip) -> int:
        return len(self.starts(len(clip.times))) * self.queries

    def stamp(self, second: float) -> str:
        return f"This frame is sampled at {second:.1f} second."


class TimeQFormerReader(VideoReader):
    """TimeChat (Ren et al., arXiv 2312.02051): a Q-Former reads each frame together with the words that say its second; the place of
    the frame is added; a second Q-Former slides over windows of frames, each of which becomes `queries` tokens.

    width: D. in_channels: C. vocabulary: of the language model's tokenizer, whose ids the first Q-Former reads with a table of its own.
    mix: hidden width of a `Mixer` that all cells pass, 0 for none.
    """

    def __init__(
        self,
        sampling: Mapping[str, Any],
        grid: TokenGrid,
        in_channels: int,
        width: int,
        vocabulary: int,
        scale: float,
        queries: int = 32,
        window: int = 32,
        stride: int = 32,
        hidden: int = 768,
        layers: int = 12,
        mix: int = 0,
    ):
        super().__init__()
        self.rule = TimeStampRule(sampling, grid, window, stride, queries)
        self.mixer = Mixer(in_channels, mix) if mix else None
        self.frame_former = QFormer(in_channels, queries, hidden, layers, vocabulary)
        self.video_former = QFormer(hidden, queries, hidden, VIDEO_LAYERS)
        self.frame_rows = nn.Parameter(torch.randn(MOST_FRAMES, hidden) * 0.02)
        self.project = nn.Linear(hidden, width)
        self.out_scale = nn.Parameter(torch.tensor([float(scale)]))

    def forward(self, seen: Watched) -> Tensor:
        """-> [W * Q, D]. ValueError for more than 96 frames."""
        frames = len(seen.cells_FChw)
        if frames > MOST_FRAMES:
            raise ValueError(f"this model watches at most {MOST_FRAMES} frames of a video, got {frames}: set video.sampling.")
        cells_FLC = seen.cells_FChw.flatten(2).mT
        if self.mixer is not None:
            shares_F = torch.from_numpy(seen.clip.shares).to(cells_FLC.device)
            cells_FLC = lifted(*self.mixer(cells_FLC, seen.cells_FChw.shape[-2:], shares_F))
        told_FQH = self.frame_former(cells_FLC, seen.stamps) + self.frame_rows[:frames, None]
        windows = [told_FQH[start : start + self.rule.window].flatten(0, 1) for start in self.rule.starts(frames)]
        tokens = [self.video_former(window_LH[None])[0] for window_LH in windows]
        return F.layer_norm(self.project(torch.cat(tokens)), (self.project.out_features,)) * self.out_scale
