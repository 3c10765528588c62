"""Naming: a picture's tokens are taught to look like the words for what they show, before any sentence needs them.

A language model that is small and new has to find out by itself which visual token stands for which word, from a few answers a picture.
The targets of boxes and masks already say it for every token, and so do the boxes of what a question mentions: each token under a
target is drawn towards the input embeddings of the words of its label, so that a token that shows a red circle can be looked up
like the words "red" and "circle"; and towards the words for the part of the picture it lies in ("left", "top"), so that places
can be read and compared like colours. Own design.

Shapes: T visual tokens of all pictures of a batch, P pairs of a token and a word, V words, D width of the language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.batch import Batch
from superlens.mention import MOST_WORDS
from superlens.message import Boxes, Masks
from superlens.vision.canvas import Canvas, TokenGrid

SHARPNESS = 20.0  # cosines lie in -1..1; a token that shows three words has about 0.58 with each
WEIGHT = 0.5
COVERED = 0.3  # share of a token's area
PLACES = ("left", "right", "top", "bottom")  # thirds of the picture; a token in the middle has none of them


@dataclass(frozen=True)
class Naming:
    """The teacher. grid: of the visual tokens. places: PLACES -> ids of the word."""

    grid: TokenGrid
    places: dict[str, list[int]]

    @classmethod
    def of(cls, processor) -> Naming:
        """With a processor's grid and words."""
        return cls(processor.grid, {word: processor.words(f" {word}") for word in PLACES})

    def __call__(self, batch: Batch) -> Named:
        return named(batch, self)

    def ids_at(self, row: int, column: int, shape: tuple[int, int]) -> list[int]:
        """Ids of the words for where a token of the grid of `shape` (rows, columns) lies."""
        down, across = (row + 0.5) / shape[0], (column + 0.5) / shape[1]
        words = [name for name, there in zip(PLACES, (across < 1 / 3, across > 2 / 3, down < 1 / 3, down > 2 / 3)) if there]
        return [index for word in words for index in self.places[word]]


@dataclass
class Named:
    """tokens_P: row in all visual tokens of the batch, picture after picture. words_P: id of a word that the token shows."""

    tokens_P: Tensor
    words_P: Tensor
    deep: ClassVar[bool] = False

    @property
    def count(self) -> float:
        """P."""
        return float(len(self.words_P))

    def to(self, device) -> Named:
        return Named(self.tokens_P.to(device), self.words_P.to(device))

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        return naming_loss(outputs.visual, model.language, self)


def named(batch: Batch, naming: Naming) -> Named:
    """Which visual tokens of a training batch show which words: those under the targets of short labels, and under what short phrases
    of the questions mention."""
    grid = naming.grid
    canvases = batch.canvases
    first = np.cumsum([0, *(grid.count(canvases[number].size) for number in range(len(canvases)))])
    tokens, words = [], []
    seen: set[int] = set()
    for picture, target, said in _named_things(batch):
        canvas = canvases[picture]
        within = covered(target, canvas, grid)
        shown = first[picture] + within
        shape = grid.pool_and_shape(canvas.size)[1]
        for token, at in zip(shown.tolist(), within.tolist()):
            if token not in seen:
                ids = naming.ids_at(*divmod(at, shape[1]), shape)
                tokens.append(np.full(len(ids), token))
                words.append(np.array(ids, np.int64))
        seen.update(shown.tolist())
        for word in dict.fromkeys(said):
            tokens.append(shown)
            words.append(np.full(len(shown), word))
    joined = [np.concatenate([np.zeros(0, np.int64), *column]) for column in (tokens, words)]
    return Named(*(torch.from_numpy(column.astype(np.int64)) for column in joined))


def _named_things(batch: Batch) -> Iterator[tuple[int, Boxes | Masks, Sequence[int]]]:
    """(picture, where, ids of the words) of labels and phrases that are no descriptions, each once."""
    told = set()
    for placed in batch.groups:
        group = placed.group
        if isinstance(group.target, (Boxes, Masks)) and group.target.count and len(group.label.split()) <= MOST_WORDS:
            told.add((placed.picture, tuple(group.words)))
            yield placed.picture, group.target, group.words
    for mention in batch.mentions:
        if not mention.nested and len(mention.xyxy_N4) and (mention.picture, mention.words) not in told:
            told.add((mention.picture, mention.words))
            yield mention.picture, Boxes("", mention.xyxy_N4), mention.words


def covered(target: Boxes | Masks, canvas: Canvas, grid: TokenGrid) -> np.ndarray:
    """Indices of the tokens that a target covers, in canvas pixels; the one at its middle if it covers none well enough."""
    pool, (rows, columns) = grid.pool_and_shape(canvas.size)
    side = grid.stride * grid.merge * pool
    shown = np.zeros((rows, columns), bool)
    keep = np.ones(target.count, bool) if target.ignore is None else ~target.ignore
    if isinstance(target, Masks):
        padded_NHW = np.zeros((int(keep.sum()), rows * side, columns * side), bool)
        height, width = target.masks.shape[1:]
        padded_NHW[:, :height, :width] = target.masks[keep]
        share_Nhw = padded_NHW.reshape(-1, rows, side, columns, side).mean((2, 4))
    else:
        low, high = target.xyxy[keep, :2], target.xyxy[keep, 2:]
        lengths = []
        for axis, cells in ((1, rows), (0, columns)):
            edge = np.arange(cells) * side
            lengths.append((np.minimum(high[:, axis, None], edge + side) - np.maximum(low[:, axis, None], edge)).clip(0) / side)
        share_Nhw = lengths[0][:, :, None] * lengths[1][:, None]
    for share_hw in share_Nhw:
        if share_hw.max() > 0:
            shown |= share_hw >= min(COVERED, share_hw.max())
    return np.flatnonzero(shown)


def naming_loss(visual: list[Tensor], language, pairs: Named) -> tuple[Tensor, float]:
    """(sum, count) of the cross-entropy of every pair's word among all words, by the cosine of token and input embedding.

    visual: the tokens [count, D] of every picture of the batch. language: whose input embeddings are looked up.
    """
    seen_T, row_P = pairs.tokens_P.unique(return_inverse=True)
    seen_TD = torch.cat(visual)[seen_T]
    table_VD = language.embed(torch.arange(language.vocabulary, device=seen_TD.device))
    cosine_TV = F.normalize(seen_TD.float(), dim=1) @ F.normalize(table_VD.float(), dim=1).T
    chance_TV = (cosine_TV * SHARPNESS).log_softmax(1)
    return -chance_TV[row_P, pairs.words_P].sum() * WEIGHT, pairs.count
