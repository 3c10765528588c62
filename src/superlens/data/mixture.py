"""Weighted mixtures of sources: row i is a pure function of (seed, i)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superlens.data.sources.base import Source
from superlens.message import Conversation


def parse_weighted(words: str) -> tuple[str, float]:
    """("FILE", weight) from "FILE:WEIGHT" or "FILE" (weight 1): what `--data` takes.

    Colons elsewhere in the path are left alone, and a file that exists under the whole text is taken whole.
    Raises ValueError when the weight is not a positive number or the file's name is missing.
    """
    path, colon, weight = words.rpartition(":")
    if not words.strip():
        raise ValueError('Got an empty data set name; expected FILE or FILE:WEIGHT, as in "coco.json:2".')
    if not colon or Path(words).exists():
        return words, 1.0
    try:
        value = float(weight)
    except ValueError:
        return words, 1.0
    if not path:
        raise ValueError(f'Got "{words}", a weight without a file; expected FILE:WEIGHT, as in "coco.json:2".')
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f'Got the weight {weight} in "{words}"; expected a positive number, as in "{path}:2".')
    return path, value


class Mixture:
    """A map-style data set over several sources: `mixture[i]` is a training conversation.

    sources_with_weights: (source, weight) pairs, weights > 0; a source is drawn in proportion to its weight.
    seed: whole number >= 0. length: how many rows there are. Rows are drawn independently of one another, so row i
    is the same whatever was read before it, on whichever process.
    """

    def __init__(self, sources_with_weights: Sequence[tuple[Source, float]], seed: int, length: int) -> None:
        if not sources_with_weights:
            raise ValueError("Got no data set to mix; expected at least one.")
        self.sources = [source for source, _ in sources_with_weights]
        weights = np.array([float(weight) for _, weight in sources_with_weights])
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise ValueError(f"Got the weights {weights.tolist()}; expected positive numbers.")
        for source in self.sources:
            if len(source) == 0:
                raise ValueError(f"{source.name} has no records to train on; leave it out or mend the file.")
        if length < 1:
            raise ValueError(f"Got a mixture of {length} rows; expected at least 1.")
        self.weights = weights / weights.sum()
        self.seed, self.length = int(seed), int(length)
        self._edges = np.cumsum(self.weights)

    def __len__(self) -> int:
        return self.length

    def place(self, row: int) -> tuple[int, int]:
        """(which source, which of its records) row `row` reads."""
        return self._draw(row)[:2]

    def __getitem__(self, row: int) -> Conversation:
        which, index, rng = self._draw(row)
        return self.sources[which].conversation(index, rng)

    def _draw(self, row: int) -> tuple[int, int, np.random.Generator]:
        if not 0 <= row < self.length:
            raise IndexError(f"row {row} asked for, the mixture has {self.length}")
        rng = np.random.default_rng((self.seed, int(row)))
        which = min(int(np.searchsorted(self._edges, rng.random(), side="right")), len(self.sources) - 1)
        return which, int(rng.integers(len(self.sources[which]))), rng
