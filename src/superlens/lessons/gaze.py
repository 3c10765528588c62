"""Gaze: on its way through the language model, the last word of a phrase is taught to know where what it names lies; so is an answer.

A question about places ("is the star left of the moon?") needs where each thing is before anything can be compared. An answer in words
tells a small new model that in one bit; the boxes of what its words name (`Text.mentions`) tell it for every phrase of every question.
The state of the phrase's last token is drawn towards the embeddings of the places (those that the projector adds to visual tokens)
that the things cover; that of a phrase with others in it ("the star left of the moon") a little later, when those are known. In an
answer the last states from which boxes or masks are read are drawn to the places of those boxes and masks: decoders know where their
cells lie, so a request that names a place singles a thing out. A phrase for what is not there is drawn to what all places have in
common, which stands for nowhere. Labels of boxes and masks in answers are such phrases, too: whether a thing is there is known where
its label ends.
Own design; cf. the attention supervised by alignments of Liu et al. (AAAI 2017, arXiv 1605.09553).

Shapes: M mentions, T visual tokens of a picture, P places (theirs and nowhere), D width of the language model.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.batch import Batch
from superlens.lessons.naming import covered
from superlens.message import Boxes, Masks
from superlens.vision.canvas import Canvas, TokenGrid

SHARPNESS = 20.0
PHRASE, NESTED, ANSWER = 1 / 2, 2 / 3, 1.0  # shares of the blocks
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


class Phrases(Gaze):
    """Gaze for phrases alone. States that decoders read are left to the answers, as they are by links that have none."""

    def __call__(self, batch: Batch) -> Gazed:
        return gazed_by(phrases(batch), batch, self.grid)


@dataclass
class Gazed:
    """What looks where: {(canvas size, depth): (positions_M flat in the batch, share_MP of every place, each row 1)}.

    depth: which share of the language model's blocks has been passed.
    """

    looks: dict[tuple[tuple[int, int], float], tuple[Tensor, Tensor]]
    deep: ClassVar[bool] = True

    @property
    def count(self) -> float:
        """Mentions, and states of answers, in all."""
        return float(sum(len(positions_M) for positions_M, _ in self.looks.values()))

    def to(self, device) -> Gazed:
        return Gazed({key: tuple(tensor.to(device) for tensor in pair) for key, pair in self.looks.items()})

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        return gaze_loss(outputs.states, model.projector, self)


Seen = Sequence[tuple[int, int, Boxes | Masks, float]]  # (position, picture, what it should look at, depth)


def gazed(batch: Batch, grid: TokenGrid) -> Gazed:
    """Which places the phrases and the answers of a training batch should look at."""
    return gazed_by([*phrases(batch), *answers(batch)], batch, grid)


def gazed_by(seen: Seen, batch: Batch, grid: TokenGrid) -> Gazed:
    """Which visual tokens those are."""
    canvases = batch.canvases
    return Gazed(looks((((canvases[n].size, depth), at, canvases[n], target) for at, n, target, depth in seen), grid))


def phrases(batch: Batch) -> Seen:
    """The last tokens of phrases whose things are known."""
    return [(m.position, m.picture, Boxes("", m.xyxy_N4), NESTED if m.nested else PHRASE) for m in batch.mentions]


def answers(batch: Batch) -> Seen:
    """The states that boxes and masks are read from."""
    # Position 0 is a picture's, or that of a batch without sequences (`think: false`).
    seen = [placed for placed in batch.groups if isinstance(placed.group.target, (Boxes, Masks)) and all(placed.positions)]
    groups = [placed for placed in seen if shows(placed.group.target)]
    return [(position, placed.picture, placed.group.target, ANSWER) for placed in groups for position in placed.positions]


def shows(target: Boxes | Masks) -> bool:
    """Whether there is anything in it that counts."""
    return bool(target.count) and (target.ignore is None or not target.ignore.all())


def looks(rows: Iterable[tuple[Hashable, int, Canvas, Boxes | Masks]], grid: TokenGrid) -> dict[Hashable, tuple[Tensor, Tensor]]:
    """(key, index, canvas, target in its pixels) -> {key: (indices [M], share [M, P] of every place that the target covers, each row
    1)}. Places are those of the T visual tokens, then nowhere, where targets lie that cover nothing: P = T + 1."""
    found: dict[Hashable, list[tuple[int, np.ndarray]]] = {}
    for key, index, canvas, target in rows:
        share_P = np.zeros(grid.count(canvas.size) + 1, np.float32)
        share_P[covered(target, canvas, grid)] = 1
        share_P[-1] = not share_P.any()
        found.setdefault(key, []).append((index, share_P / share_P.sum()))
    return {
        key: (torch.tensor([index for index, _ in rows]), torch.from_numpy(np.stack([share_P for _, share_P in rows])))
        for key, rows in found.items()
    }


def gaze_loss(states: Sequence[Tensor], projector, gazed: Gazed) -> tuple[Tensor, float]:
    """(sum, count) of the cross-entropy of every mention's places among all places of its picture, by the cosine of state and place.

    states: [R, T, D] before the first block of the language model and after every one. projector: whose places are looked up.
    """
    blocks = len(states) - 1
    total = states[0].new_zeros((), dtype=torch.float32)
    for (size, depth), (positions_M, share_MP) in gazed.looks.items():
        state_LD = states[int(depth * blocks)].flatten(0, 1)
        total = total + places_loss(state_LD[positions_M], projector.places(size), share_MP)
    return total, gazed.count


def places_loss(state_MD: Tensor, place_TD: Tensor, share_MP: Tensor) -> Tensor:
    """Sum of the cross-entropy of every row's places among all of them, by the cosine of state and place."""
    common_1D = place_TD.mean(0, keepdim=True)
    place_PD = F.normalize(torch.cat([place_TD - common_1D, common_1D]).float(), dim=1)
    chance_MP = (F.normalize(state_MD.float(), dim=1) @ place_PD.T * SHARPNESS).log_softmax(1)
    return -(share_MP * chance_MP).sum() * WEIGHT
