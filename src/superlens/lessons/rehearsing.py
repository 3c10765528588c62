"""Rehearsing: a picture that is written feature by feature goes on from its own features, not from the true ones alone.

In training every feature is predicted from the true ones before it; in an answer from those that were said. Whoever has always been
given the true ones learns to go on from the last instead of looking at the picture shown, and ends in grey. So the answer is said once,
some of the true features are replaced by what was said in their place, and it is learned again from these: scheduled sampling (Bengio
et al., arXiv 1506.03099), all places at once in two passes (Mihaylova and Martins, 1906.07651). LM4LV (2405.15734) does without.

Shapes: F features of a picture, C their width, R rows of T tokens, L = R * T, D width of the language model.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from superlens.batch import Batch


@dataclass(frozen=True)
class Rehearsing:
    """The teacher. own: share of the features that are replaced, 0..1."""

    own: float = 0.7

    @classmethod
    def of(cls, processor) -> Rehearsing:
        return cls()

    def __call__(self, batch: Batch) -> Rehearsal:
        said = sum(learned for pictures in batch.features.values() for *_, learned in pictures)
        # A copy, taken before the batch has lessons: a lesson that holds what holds it would be a circle.
        return Rehearsal(float(said), copy.copy(batch), self.own)


@dataclass(repr=False)
class Rehearsal:
    """count: pictures to be said. batch: what they are said in, without lessons. own: share of features that are replaced."""

    count: float
    batch: Batch
    own: float
    deep: ClassVar[bool] = False

    def to(self, device) -> Rehearsal:
        self.batch = self.batch.to(device)
        return self

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        """Sum over pictures of the links' own losses, with some of the features before each replaced by what was said."""
        embeds_RTD = self.mixed(model, outputs)
        again = replace(outputs, hidden_RTD=model.think(embeds_RTD, self.batch.position_ids_RT))
        losses = [model.links[name].values_loss(model, again, self.batch) for name in self.batch.features]
        return torch.stack(losses).sum(), self.count

    def mixed(self, model, outputs) -> Tensor:
        """embeds_RTD of the batch; what is said is taken as it is, its way into the language model is learned."""
        embeds_RTD = model.embed(self.batch, outputs.visual)
        hidden_LD = outputs.hidden_RTD.flatten(0, 1).detach()
        places, values = [], []
        for name, pictures in self.batch.features.items():
            for start, count, _, learned in pictures:
                if learned:
                    said_FC = model.links[name].out(hidden_LD[start - 1 : start - 1 + count]).detach()
                    own_F = torch.rand(count, device=said_FC.device) < self.own
                    places.append(start + own_F.nonzero()[:, 0])
                    values.append(model.projector.project(said_FC[None])[0][own_F])
        embeds_LD = embeds_RTD.flatten(0, 1).index_copy(0, torch.cat(places), torch.cat(values).to(embeds_RTD.dtype))
        return embeds_LD.view_as(embeds_RTD)
