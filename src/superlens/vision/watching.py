"""Video readers: the tokens of single frames -> the tokens that stand for a video.

A reader has a weightless half, its `rule`: which frames are looked at, how many tokens they become, what is said of their times.

Shapes: F frames, T visual tokens a frame, D width of the language model, C channels and h w cells of the eye's token map,
Q queries, W windows, H width of a Q-Former.
"""

from __future__ import annotations

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
    """What a cell holds, where it lies and how it changes from frame to frame, mixed by a residual MLP before cells are pooled.

    For eyes that are convolutional and see one frame alone: a mean over cells whose content and place were only added up says what is
    in a frame and no longer which of it is where, nor what moves.

    channels: of a cell. hidden: width of the MLP. scale: deviation of the cells.
    """

    def __init__(self, channels: int, hidden: int, scale: float):
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(nn.Linear(3 * channels + WAVES, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.out_scale = nn.Parameter(torch.tensor([float(scale)]))

    def forward(self, cells_FTC: Tensor, shape: tuple[int, int]) -> Tensor:
        """[F, T, C] -> [F, T, C], T cells in `shape` (rows, columns). Before the first frame and after the last nothing changes."""
        held_FTC = self.norm(cells_FTC)
        before_FTC = held_FTC - torch.cat([held_FTC[:1], held_FTC[:-1]])
        after_FTC = torch.cat([held_FTC[1:], held_FTC[-1:]]) - held_FTC
        places_FTW = place_waves(*shape, held_FTC).expand(len(held_FTC), -1, -1)
        return cells_FTC + self.layers(torch.cat([held_FTC, before_FTC, after_FTC, places_FTW], -1)) * self.out_scale


class VideoReader(nn.Module):
    """Base. rule: the weightless half."""

    rule: WatchRule
    mixer: Mixer | None

    def forward(self, seen: Watched) -> Tensor:
        """-> [n, D], n as the rule counts."""
        raise NotImplementedError

    def mixed(self, seen: Watched) -> Tensor:
        """[F, T, D] the tokens, passed through the mixer where there is one."""
        if self.mixer is None:
            return seen.tokens_FTD
        return self.mixer(seen.tokens_FTD, self.rule.grid.pool_and_shape(seen.clip.canvas.size)[1])

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

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, width: int, scale: float, mean: bool = False, mix: int = 0):
        super().__init__()
        self.rule = FrameRule(sampling, grid, mean)
        self.mixer = Mixer(width, mix, scale) if mix else None

    def forward(self, seen: Watched) -> Tensor:
        tokens_FTD = self.mixed(seen)
        return tokens_FTD.mean(1) if self.rule.mean else tokens_FTD.flatten(0, 1)


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

    def __init__(self, sampling: Mapping[str, Any], grid: TokenGrid, width: int, scale: float, mix: int = 0):
        super().__init__()
        self.rule = SlowFastRule(sampling, grid)
        self.mixer = Mixer(width, mix, scale) if mix else None

    def forward(self, seen: Watched) -> Tensor:
        """-> [F + slow tokens, D], the fast ones first."""
        shape = self.rule.grid.pool_and_shape(seen.clip.canvas.size)[1]
        tokens_FTD = self.mixed(seen)
        slow_BDrc = tokens_FTD[self.rule.slow(len(seen.tokens_FTD))].mT.unflatten(2, shape)
        slow_BTD = F.avg_pool2d(slow_BDrc, 2, ceil_mode=True, count_include_pad=False).flatten(2).mT
        return torch.cat([tokens_FTD.mean(1), slow_BTD.flatten(0, 1)])


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
        self.mixer = Mixer(in_channels, mix, 1.0) if mix else None
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
            cells_FLC = self.mixer(cells_FLC, seen.cells_FChw.shape[-2:])
        told_FQH = self.frame_former(cells_FLC, seen.stamps) + self.frame_rows[:frames, None]
        windows = [told_FQH[start : start + self.rule.window].flatten(0, 1) for start in self.rule.starts(frames)]
        tokens = [self.video_former(window_LH[None])[0] for window_LH in windows]
        return F.layer_norm(self.project(torch.cat(tokens)), (self.project.out_features,)) * self.out_scale
