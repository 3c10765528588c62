"""Referring expressions: was the one meant thing found? One question, one expression, one thing (or none)."""

from __future__ import annotations

from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ignored, iou, plain, ratio, same_size, scores_of, union
from superlens.message import Message, OutputPart


class PrecisionAtHalf(Metric):
    """{"P@0.5"}: share of questions whose best-scored box has IoU >= 0.5 with the one box that was meant.

    The label of the answered box does not matter; no box is wrong. Questions whose reference is not one label with
    one box are left out; ValueError from `result` when none is left.
    """

    task = "refer_boxes"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._right = self._asked = self._others = 0

    def add(self, example: Example, answer: Message) -> None:
        references = self.parts(example.answer)
        if len(references) != 1 or references[0].count != 1 or ignored(references[0]).any():
            self._others += 1
            return
        self._asked += 1
        best = max((part.select([int(scores_of(part).argmax())]) for part in self.parts(answer) if part.count),
                   key=lambda part: scores_of(part)[0], default=None)
        self._right += int(best is not None and iou(best, references[0])[0, 0] >= 0.5)

    def result(self) -> dict[str, float | None]:
        if not self._asked and self._others:
            raise ValueError(
                "None of the questions asks for exactly one thing, as P@0.5 expects; use data with referring "
                "expressions, or the metric ap."
            )
        return {"P@0.5": ratio(self._right, self._asked)}


class ExpressionIou(Metric):
    """{"gIoU", "cIoU"} of referring segmentation: mean of the IoUs, and sum of intersections over sum of unions.

    One IoU for each asked expression, of the union of its reference masks with the union of the answered masks of
    `min_score` and above; 1 when both are empty. Where one expression was asked, all masks of the answer count,
    whatever their label; else those of the same label. Pixels in ignored reference masks are left out.
    """

    task = "refer_masks"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ious: list[float] = []
        self._both = self._either = 0

    def add(self, example: Example, answer: Message) -> None:
        references, answers = self.parts(example.answer), self.shown(answer)
        by_place: dict[tuple[int, str], list[OutputPart]] = {}
        for reference in references:
            by_place.setdefault((reference.image, plain(reference.label)), []).append(reference)
        for (image, label), meant in by_place.items():
            said = [part for part in answers if part.image == image
                    and (len(by_place) == 1 or plain(part.label) == label)]
            self._count(said, meant)

    def result(self) -> dict[str, float | None]:
        mean = float(np.mean(self._ious)) if self._ious else None
        # Nothing meant, nothing answered, anywhere: all is right.
        return {"gIoU": mean, "cIoU": ratio(self._both, self._either) if self._either else mean}

    def _count(self, said: list[OutputPart], meant: list[OutputPart]) -> None:
        for part in said:
            same_size(part, meant[0])
        shape = next((part.masks.shape[1:] for part in (*meant, *said) if 0 not in part.masks.shape[1:]), (0, 0))
        valid_HW = ~union([part.select(ignored(part)) for part in meant], shape)
        meant_HW = union([part.select(~ignored(part)) for part in meant], shape) & valid_HW
        said_HW = union(said, shape) & valid_HW
        both, either = int((meant_HW & said_HW).sum()), int((meant_HW | said_HW).sum())
        self._ious.append(both / either if either else 1.0)
        self._both += both
        self._either += either
