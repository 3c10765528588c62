"""Apart: names of points of one thing are taught to ask in different directions.

"left knee" and "right knee" share most of their words, so their requests begin as nearly the same vector. As long as a decoder can not
tell the two places apart, nothing pulls the vectors apart, and as long as the vectors are one, nothing tells the places apart: a saddle
on which half of all such points stay swapped. Requests are therefore drawn to right angles. Own design; a penalty on shared directions,
as of orthogonal regularisation (Bansal et al., arXiv 1810.09102), of requests in place of weights.

Shapes: M points of a thing, C width of the requests.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.batch import Batch


@dataclass(frozen=True)
class Apart:
    """The teacher."""

    @classmethod
    def of(cls, processor) -> Apart:
        return cls()

    def __call__(self, batch: Batch) -> Siblings:
        points = Counter(id(placed.group.parent) for placed in batch.groups if placed.group.parent is not None)
        return Siblings(float(sum(number for number in points.values() if number > 1)))


@dataclass
class Siblings:
    """count: points whose thing has others."""

    count: float
    deep: ClassVar[bool] = False

    def to(self, device) -> Siblings:
        return self

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        """Sum over points of the mean squared cosine to the other points of their thing, 0..1 each."""
        total = torch.zeros((), device=outputs.hidden_RTD.device)
        for one in outputs.asked:
            vectors_KC = F.normalize(one.requests.vectors_KnC.float().mean(1), dim=1)
            for thing in {parent for parent in one.requests.parents if parent >= 0}:
                points_MC = vectors_KC[[row for row, parent in enumerate(one.requests.parents) if parent == thing]]
                if len(points_MC) > 1:
                    cosines_MM = points_MC @ points_MC.T
                    total = total + (cosines_MM.square().sum() - cosines_MM.diagonal().square().sum()) / (len(points_MC) - 1)
        return total, self.count
