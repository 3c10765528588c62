"""Projectors: the eye's token map -> visual tokens of the language model's width.

Shapes: B pictures, C channels, h w cells of the token map, T tokens, D width of the language model.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.vision.canvas import EveryToken, TokenGrid

WAVES = 16


class Projector(nn.Module):
    """Base: pool the map to the recipe's token grid, concatenate m x m cells, add where each token lies, project.

    max_tokens bounds the tokens of a picture (see TokenGrid). scale: deviation of the language model's embeddings, which the
    visual tokens start at, so that a language model trained on words alone is not drowned.
    """

    def __init__(self, in_channels: int, width: int, stride: int, merge: int, max_tokens: int, scale: float):
        super().__init__()
        self.grid = TokenGrid(stride, merge, max_tokens)
        self.in_width = in_channels * merge * merge
        self.norm = nn.LayerNorm(self.in_width)
        self.place = nn.Linear(WAVES, width)
        self.out_scale = nn.Parameter(torch.tensor([float(scale)]))

    def project(self, cells_BTC: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, tokens_BChw: Tensor, canvas_size: tuple[int, int]) -> Tensor:
        """[B, C, h, w] -> [B, T, D], row by row."""
        pool, (rows, columns) = self.grid.pool_and_shape(canvas_size)
        merge = self.grid.merge
        if pool > 1:
            tokens_BChw = F.avg_pool2d(tokens_BChw, pool, ceil_mode=True)
        lack_h, lack_w = rows * merge - tokens_BChw.shape[-2], columns * merge - tokens_BChw.shape[-1]
        if lack_h or lack_w:
            tokens_BChw = F.pad(tokens_BChw, (0, lack_w, 0, lack_h))
        cells_BTC = F.pixel_unshuffle(tokens_BChw, merge).flatten(2).transpose(1, 2)
        return (self.project(self.norm(cells_BTC)) + self.places(canvas_size)) * self.out_scale

    def places(self, canvas_size: tuple[int, int]) -> Tensor:
        """[T, D] what is added for where each token of a canvas lies, before the scale."""
        _, (rows, columns) = self.grid.pool_and_shape(canvas_size)
        return self.place(place_waves(rows, columns, self.place.weight))


def place_waves(rows: int, columns: int, like: Tensor) -> Tensor:
    """[rows * columns, 16] sines and cosines of each cell's (y, x) in 0..1, four octaves each."""
    y_T = (torch.arange(rows, device=like.device) + 0.5).div(rows).repeat_interleave(columns)
    x_T = (torch.arange(columns, device=like.device) + 0.5).div(columns).repeat(rows)
    octaves_4 = math.pi * 2.0 ** torch.arange(4, device=like.device)
    angles_T8 = torch.cat([y_T[:, None] * octaves_4, x_T[:, None] * octaves_4], 1)
    return torch.cat([angles_T8.sin(), angles_T8.cos()], 1).to(like.dtype)


class LinearProjector(Projector):
    """One linear layer (LLaVA, LM4LV)."""

    def __init__(self, in_channels: int, width: int, stride: int, scale: float, max_tokens: int = 4096):
        super().__init__(in_channels, width, stride, 1, max_tokens, scale)
        self.layers = nn.Linear(self.in_width, width)

    def project(self, cells_BTC: Tensor) -> Tensor:
        return self.layers(cells_BTC)


class MLPProjector(Projector):
    """`depth` linear layers with GELU between (LLaVA-1.5: 2)."""

    def __init__(self, in_channels: int, width: int, stride: int, scale: float, depth: int = 2, max_tokens: int = 4096):
        super().__init__(in_channels, width, stride, 1, max_tokens, scale)
        self.layers = mlp(self.in_width, width, depth)

    def project(self, cells_BTC: Tensor) -> Tensor:
        return self.layers(cells_BTC)


class MergeProjector(Projector):
    """m x m neighbouring cells are concatenated into one token, then an MLP (Qwen2-VL's merger: m = 2, depth 2)."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        scale: float,
        merge: int = 2,
        depth: int = 2,
        max_tokens: int = 4096,
    ):
        super().__init__(in_channels, width, stride, merge, max_tokens, scale)
        self.layers = mlp(self.in_width, width, depth)

    def project(self, cells_BTC: Tensor) -> Tensor:
        return self.layers(cells_BTC)


class TokenProjector(nn.Module):
    """One linear layer over the tokens of an eye that has no map, a class token among them (LM4LV's adapter): nothing is pooled, so
    that what the eye saw can be drawn again. lead: tokens before those of the cells (1 for a class token).

    places: P learned vectors, added to the first P tokens of a picture: patches that look alike are told apart by where they lie.
    LM4LV has none (0). ValueError for what is no such number. scale: deviation of what a token begins as; of its variance half is its
    place.
    """

    def __init__(self, in_channels: int, width: int, stride: int, scale: float, lead: int = 0, places: int = 0):
        super().__init__()
        if not isinstance(places, int) or places < 0:
            raise ValueError(f"projector: places is a number of tokens, 0 or more, got {places!r}.")
        self.grid = EveryToken(stride, lead)
        self.layers = nn.Linear(in_channels, width)
        share = scale / (2 if places else 1) ** 0.5
        nn.init.normal_(self.layers.weight, std=share / in_channels**0.5)
        nn.init.zeros_(self.layers.bias)
        self.place_PD = nn.Parameter(torch.randn(places, width) * share) if places else None

    @torch.no_grad()
    def begin_among(self, words_VD: Tensor) -> None:
        """Tokens begin as the embeddings of words are: around their mean, and as far from it as they are. Before training, as often as
        the words change.

        Wired heads that look at the token before read what all embeddings have in common and nothing else (language/lookup.py): tokens
        without it are seen by none of them.
        """
        mean_D = words_VD.mean(0)
        share = (words_VD - mean_D).std() / (1 if self.place_PD is None else 2) ** 0.5
        self.layers.bias.copy_(mean_D)
        self.layers.weight *= share / self.layers.in_features**0.5 / self.layers.weight.std()
        if self.place_PD is not None:
            self.place_PD *= share / self.place_PD.std()

    def project(self, cells_BTC: Tensor, first: int = 0) -> Tensor:
        """first: which token of its picture the first one is. ValueError for more tokens than places."""
        tokens_BTD = self.layers(cells_BTC)
        if self.place_PD is None:
            return tokens_BTD
        last = first + tokens_BTD.shape[1]
        if last > len(self.place_PD):
            raise ValueError(f"projector: pictures have more tokens than its {len(self.place_PD)} places.")
        return tokens_BTD + self.place_PD[first:last]

    def forward(self, tokens_BC1T: Tensor, canvas_size: tuple[int, int]) -> Tensor:
        """[B, C, 1, T] -> [B, T, D]."""
        return self.project(tokens_BC1T.flatten(2).transpose(1, 2))


def mlp(in_width: int, width: int, depth: int) -> nn.Sequential:
    """`depth` linear layers, GELU between them."""
    layers: list[nn.Module] = [nn.Linear(in_width, width)]
    for _ in range(depth - 1):
        layers += [nn.GELU(), nn.Linear(width, width)]
    return nn.Sequential(*layers)
