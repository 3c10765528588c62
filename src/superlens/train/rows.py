"""Training conversations -> packed batches, for Transformers' Trainer. Row i is a pure function of (seed, i)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from superlens.batch import Batch, Tally, collate
from superlens.data.mixture import Mixture
from superlens.data.packing import best_fit
from superlens.links.base import Group
from superlens.processor import NO_LABEL, Processor, Sample


class Encoded(Dataset):
    """Map-style: sample i is the processed conversation i of the mixture, `start` rows in."""

    def __init__(self, mixture: Mixture, processor: Processor):
        self.mixture, self.processor = mixture, processor

    def __len__(self) -> int:
        return len(self.mixture)

    def __getitem__(self, index: int) -> Sample:
        return self.processor.encode_any_length(self.mixture[index])


@dataclass
class Collator:
    """Samples -> {"batch": Batch} in rows of at most row_tokens; longer samples are dropped and counted in the batch.

    apart: one sample a row, for language models that do not keep packed samples apart. teachers: of the stage's lessons.
    """

    row_tokens: int
    apart: bool = False
    teachers: Mapping[str, Callable[[Batch], Any]] = field(default_factory=dict)

    def __call__(self, samples: list[Sample]) -> dict[str, Batch]:
        kept = [sample for sample in samples if len(sample) <= self.row_tokens]
        kept = kept or [Sample(np.zeros(1, np.int64), np.full(1, NO_LABEL))]  # one token without a label: nothing is learned
        rows = None if self.apart else tight_rows([len(sample) for sample in kept], self.row_tokens)
        batch = collate(kept, rows)
        whole = sum(len(sample) <= self.row_tokens for sample in samples)
        batch.tally = Tally(whole, len(samples) - whole)
        batch.lessons = {name: teacher(batch) for name, teacher in self.teachers.items()}
        return {"batch": batch}


def tight_rows(lengths: list[int], row_tokens: int) -> list[list[int]]:
    """Best-fit rows at the length, out of eight up to row_tokens, at which rows and their padding hold the fewest tokens.

    All rows of a batch are padded to the longest, so that a few shorter rows often cost less than the fewest.
    """
    limits = sorted({max(max(lengths), row_tokens * part // 8) for part in range(1, 9)})
    ways = [best_fit(lengths, limit) for limit in limits]
    return min(ways, key=lambda rows: len(rows) * max(sum(lengths[index] for index in row) for row in rows))


@dataclass
class GlanceCollator:
    """Samples -> {"batch": Batch} without their sequences: eye and decoders learn from the labels' words alone.

    The language model is given a single token, and behind it those of the regions, so a step costs what the eye and the decoders cost.
    Only links that read their label's words (QueryLink with `words: true`, PhraseLink) can learn from it; text is not learned.
    """

    teachers: Mapping[str, Callable[[Batch], Any]] = field(default_factory=dict)

    def __call__(self, samples: list[Sample]) -> dict[str, Batch]:
        length = 1 + sum(len(sample.regions) for sample in samples)
        seen = Sample(np.zeros(length, np.int64), np.full(length, NO_LABEL))
        for sample in samples:
            first = len(seen.pictures)
            seen.pictures += sample.pictures
            seen.canvases += sample.canvases
            for _, picture, *rest in sample.regions:
                seen.regions.append((1 + len(seen.regions), first + picture, *rest))
            copies: dict[int, Group] = {}
            for group in sample.groups:
                parent = copies.get(id(group.parent))
                if group.target is not None or parent is not None:
                    positions = [0] * len(group.positions)
                    image = first + group.image if group.image >= 0 else -1
                    copies[id(group)] = replace(group, positions=positions, image=image, parent=parent)
            seen.groups += copies.values()
        batch = collate([seen])
        batch.tally = Tally(len(samples))
        batch.lessons = {name: teacher(batch) for name, teacher in self.teachers.items()}
        return {"batch": batch}
