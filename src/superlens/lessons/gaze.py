"""Gaze: half-way through the language model, the last word of a phrase is taught to know where what it names lies.

A question about places ("is the star left of the moon?") needs where each thing is before anything can be compared. An answer in words
tells a small new model that in one bit; the boxes of what its words name (`Text.mentions`) tell it for every phrase of every question.
The state of the phrase's last token is drawn towards the embeddings of the places (those that the projector adds to visual tokens)
that the things cover. Own design; cf. the attention supervised by boxes of Liu et al. (AAAI 2017, arXiv 1605.09553).

Shapes: M mentions, T visual tokens of a picture, D width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.batch import Batch
from superlens.lessons.naming import covered
from superlens.message import Boxes
from superlens.vision.canvas import TokenGrid

SHARPNESS = 20.0
WEIGHT = 0.1  # a picture's 64 tokens to choose from cost 4.2 at first, an answer's words 0.2


@dataclass(frozen=True)
class Gaze:
    """The teacher. grid: of the visual tokens."""

    grid: TokenGrid

    @classmethod
    def of(cls, processor) -> Gaze:
        """With a processor's grid."""
        return cls(processor.grid)

    def __call__(self, batch: Batch) -> Gazed:
        return gazed(batch, self.grid)


@dataclass
class Gazed:
    """Mentions by canvas size: {(height, width): (positions_M flat in the batch, share_MT of each token, rows summing to 1)}."""

    sizes: dict[tuple[int, int], tuple[Tensor, Tensor]]
    middle: ClassVar[bool] = True

    @property
    def count(self) -> float:
        """Mentions in all."""
        return float(sum(len(positions_M) for positions_M, _ in self.sizes.values()))

    def to(self, device) -> Gazed:
        return Gazed({size: tuple(tensor.to(device) for tensor in pair) for size, pair in self.sizes.items()})

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        return gaze_loss(outputs.middle_RTD, model.projector, self)


def gazed(batch: Batch, grid: TokenGrid) -> Gazed:
    """Which places the phrases of a training batch should look at."""
    canvases = {number: canvas for pictures in batch.pictures for number, canvas in zip(pictures.numbers, pictures.canvases)}
    sizes: dict[tuple[int, int], list[tuple[int, np.ndarray]]] = {}
    for mention in batch.mentions:
        canvas = canvases[mention.picture]
        share_T = np.zeros(grid.count(canvas.size), np.float32)
        share_T[covered(Boxes("", mention.xyxy_N4), canvas, grid)] = 1
        if share_T.any():
            sizes.setdefault(canvas.size, []).append((mention.position, share_T / share_T.sum()))
    return Gazed({
        size: (torch.tensor([at for at, _ in found]), torch.from_numpy(np.stack([share_T for _, share_T in found])))
        for size, found in sizes.items()
    })


def gaze_loss(middle_RTD: Tensor, projector, looks: Gazed) -> tuple[Tensor, float]:
    """(sum, count) of the cross-entropy of every mention's places among all places of its picture, by the cosine of state and place.

    middle_RTD: states half-way through the language model. projector: whose places' embeddings are looked up.
    """
    total = middle_RTD.new_zeros((), dtype=torch.float32)
    for size, (positions_M, share_MT) in looks.sizes.items():
        place_TD = projector.places(size)
        place_TD = F.normalize((place_TD - place_TD.mean(0)).float(), dim=1)
        state_MD = F.normalize(middle_RTD.flatten(0, 1)[positions_M].float(), dim=1)
        chance_MT = (state_MD @ place_TD.T * SHARPNESS).log_softmax(1)
        total = total - (share_MT * chance_MT).sum() * WEIGHT
    return total, looks.count
