"""Pointing: the token of a region is taught what it shows and where it lies, before any question is asked about it.

A region's token enters the language model beside words and visual tokens. It is drawn towards the input embeddings of the words for the
thing that is marked (the target of the batch that lies under it), as visual tokens are (`naming`), and towards the embeddings of the
places it covers (those that the projector adds to visual tokens), as phrases are (`gaze`): so it can be looked up like both.
Own design.

Shapes: R regions of a batch, P places (see `gaze`), D width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from superlens.batch import Batch, Placed, Pointed
from superlens.lessons.gaze import looks, places_loss
from superlens.lessons.naming import Named, naming_loss
from superlens.mention import MOST_WORDS
from superlens.message import Boxes, Masks, mask_bounds
from superlens.vision.canvas import TokenGrid

ALIKE, INSIDE = 0.5, 0.9  # a loose box has most of a thing's bounds; a click or a line lies within them


@dataclass(frozen=True)
class Pointing:
    """The teacher. grid: of the visual tokens."""

    grid: TokenGrid

    @classmethod
    def of(cls, processor) -> Pointing:
        """With a processor's grid."""
        return cls(processor.grid)

    def __call__(self, batch: Batch) -> Marked:
        canvases = batch.canvases
        words = [dict.fromkeys(marked_words(region, batch.groups)) for region in batch.regions]
        pairs = [(number, word) for number, own in enumerate(words) for word in own]
        names = Named(*torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).unbind(1))
        marks = ((number, canvases[one.picture], Masks("", one.mask_HW.numpy()[None])) for number, one in enumerate(batch.regions))
        return Marked(names, looks(((canvas.size, number, canvas, mask) for number, canvas, mask in marks), self.grid))


@dataclass
class Marked:
    """names: pairs of a region's number and a word. looks: canvas size -> (numbers_R, share_RP of every place, each row 1)."""

    names: Named
    looks: dict[tuple[int, int], tuple[Tensor, Tensor]]
    deep: ClassVar[bool] = False

    @property
    def count(self) -> float:
        """R."""
        return float(sum(len(numbers_R) for numbers_R, _ in self.looks.values()))

    def to(self, device) -> Marked:
        return Marked(self.names.to(device), {key: tuple(one.to(device) for one in pair) for key, pair in self.looks.items()})

    def loss(self, model, outputs) -> tuple[Tensor, float]:
        tokens = outputs.visual[sum(map(len, (scene.canvases for scene in outputs.scenes))) :]
        total = naming_loss(tokens, model.language, self.names)[0] if self.names.count else 0.0
        tokens_RD = torch.cat(tokens)
        for size, (numbers_R, share_RP) in self.looks.items():
            total = total + places_loss(tokens_RD[numbers_R], model.projector.places(size), share_RP)
        return total, self.count


def marked_words(region: Pointed, groups: list[Placed]) -> list[int]:
    """Ids of the words of the thing that lies under a region, as the targets of its picture say: of the one whose bounds are most like
    the region's, else of the smallest one that holds it. None where there is no such thing."""
    region_4 = mask_bounds(region.mask_HW.numpy()[None])[0]
    found: list[tuple[float, list[int]]] = []
    for placed in groups:
        target = placed.group.target
        short = len(placed.group.label.split()) <= MOST_WORDS
        if placed.picture != region.picture or not isinstance(target, (Boxes, Masks)) or not short:
            continue
        kept = target if target.ignore is None else target.select(~target.ignore)
        for box_4 in kept.xyxy if isinstance(kept, Boxes) else kept.bounds:
            both = float(np.prod((np.minimum(region_4[2:], box_4[2:]) - np.maximum(region_4[:2], box_4[:2])).clip(0)))
            area, own = float(np.prod(box_4[2:] - box_4[:2])), float(np.prod(region_4[2:] - region_4[:2]))
            alike = both / max(area + own - both, 1e-6)
            if alike >= ALIKE:
                found.append((-alike, placed.group.words))
            elif area > 0 and both >= INSIDE * own:
                found.append((area, placed.group.words))
    return min(found, key=lambda one: one[0])[1] if found else []
