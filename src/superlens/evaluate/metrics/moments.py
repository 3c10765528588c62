"""Moments of a video: how much of the stretch that was meant was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ignored, plain, ratio, scores_of
from superlens.message import Message

BARS = (0.3, 0.5, 0.7)


class TemporalIou(Metric):
    """{"R1@0.3", "R1@0.5", "R1@0.7", "mIoU"} of temporal grounding (Gao et al., arXiv 1705.02101; LITA and Momentor report these).

    One IoU for each moment that was asked for: that of the best-scored answered one with its label, whatever the label where one
    event was asked; none is 0. R1@t: the share at t and above. Events that happen several times count each time, by the best of as
    many answers.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ious: list[float] = []

    def add(self, example: Example, answer: Message) -> None:
        meant, said = self.parts(example.answer), self.parts(answer)
        for part in meant:
            wanted_M2 = part.seconds[~ignored(part)]
            mine = [other for other in said if len(meant) == 1 or plain(other.label) == plain(part.label)]
            seconds_N2 = np.concatenate([np.zeros((0, 2), np.float32), *(other.seconds for other in mine)])
            scores_N = np.concatenate([np.zeros(0, np.float32), *(scores_of(other) for other in mine)])
            best = seconds_N2[np.argsort(-scores_N, kind="stable")][: len(wanted_M2)]
            self._ious += [max((overlap(one, other) for other in best), default=0.0) for one in wanted_M2]

    def result(self) -> dict[str, float | None]:
        recalls = {f"R1@{bar}": ratio(sum(iou >= bar for iou in self._ious), len(self._ious)) for bar in BARS}
        return recalls | {"mIoU": float(np.mean(self._ious)) if self._ious else None}


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """IoU of two stretches, (start, end) in seconds; of no length: 0."""
    both = max(0.0, float(min(one[1], other[1]) - max(one[0], other[0])))
    either = float(max(one[1], other[1]) - min(one[0], other[0]))
    return both / either if either > 0 else 0.0
