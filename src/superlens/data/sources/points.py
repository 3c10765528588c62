"""Questions about named points: how they are asked for, and the part that holds only those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from superlens.data import templates
from superlens.message import Keypoints

# Ways to ask for all points without naming them.
ALL_POINTS = ("keypoints", "key points", "landmarks", "points")
SHARE_UNNAMED = 0.25
SHARE_SOME = 0.4


def ask_for(names: Sequence[str], rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """(what fills the slot `{names}`, the points to answer with, in that order).

    A quarter of the questions asks for all `names` by one word, two fifths for some of them (at least one) in random order, the others
    name them all as evaluation does.
    """
    draw = rng.random()
    if draw < SHARE_UNNAMED:
        return ALL_POINTS[int(rng.integers(len(ALL_POINTS)))], tuple(names)
    if draw < SHARE_UNNAMED + SHARE_SOME:
        count = int(rng.integers(1, len(names) + 1))
        names = [names[place] for place in rng.permutation(len(names))[:count]]
    return templates.listing(names), tuple(names)


def only(part: Keypoints, names: Sequence[str]) -> Keypoints:
    """`part` with the points `names`, in that order; an object with none of them labelled is ignored.

    Raises ValueError when the part has no point of a name.
    """
    places = [part.names.index(name) for name in names]
    return without_blanks(replace(part, names=tuple(names), xyv=part.xyv[:, places]))


def without_blanks(part: Keypoints) -> Keypoints:
    """`part` with every object that has no labelled point ignored; `ignore` is None when nothing is."""
    ignore_N = ~(part.xyv[..., 2] > 0).any(1)
    if part.ignore is not None:
        ignore_N |= part.ignore
    return replace(part, ignore=ignore_N if ignore_N.any() else None)
