"""Silence on what is not there, with what was answered beside it: who never answers is silent too."""

from __future__ import annotations

from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ignored, iou, plain, ratio, scores_of, without_empty
from superlens.message import Message, OutputPart


class Absent(Metric):
    """{"silent", "recall"}.

    silent: share of the labels asked for and not there for which no object of `min_score` or above was answered.
    recall: share of the objects there that an answer of the same label with `min_score` or above finds, IoU >= 0.5,
    each answered object finding one. Ignored objects are neither there nor absent.
    """

    task = "{part}"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._silent = self._absent = self._found = self._there = 0

    def add(self, example: Example, answer: Message) -> None:
        said: dict[tuple[int, str], list[OutputPart]] = {}
        for part in self.shown(answer):
            said.setdefault((part.image, plain(part.label)), []).append(without_empty(part))
        for reference in self.parts(example.answer):
            answered = said.get((reference.image, plain(reference.label)), [])
            if not reference.count:
                self._absent += 1
                self._silent += int(not any(part.count for part in answered))
                continue
            wanted = reference.select(~ignored(reference))
            self._there += wanted.count
            self._found += _found(answered, wanted)

    def result(self) -> dict[str, float | None]:
        return {"silent": ratio(self._silent, self._absent), "recall": ratio(self._found, self._there)}


class Refusal(Metric):
    """{"N-acc", "T-acc"} of generalised referring segmentation (gRefCOCO, Liu et al., arXiv 2306.00968; GSVA, 2312.10103).

    N-acc: share of the labels asked for and not there that nothing of `min_score` or above was answered for. T-acc: share of the labels
    that are there which something was answered for, right or wrong. Labels that only ignored objects have count for neither.
    """

    task = "{part}"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused = self._absent = self._answered = self._there = 0

    def add(self, example: Example, answer: Message) -> None:
        said = {(part.image, plain(part.label)) for part in self.shown(answer) if without_empty(part).count}
        for reference in self.parts(example.answer):
            answered = (reference.image, plain(reference.label)) in said
            if not reference.count:
                self._absent += 1
                self._refused += not answered
            elif not ignored(reference).all():
                self._there += 1
                self._answered += answered

    def result(self) -> dict[str, float | None]:
        return {"N-acc": ratio(self._refused, self._absent), "T-acc": ratio(self._answered, self._there)}


def _found(answered: list[OutputPart], wanted: OutputPart) -> int:
    """How many of `wanted` are found: the best-scored answer chooses first, and takes the one it covers best."""
    iou_NM = np.concatenate([np.zeros((0, wanted.count)), *(iou(part, wanted) for part in answered)])
    score_N = np.concatenate([np.zeros(0), *(scores_of(part) for part in answered)])
    for row in np.argsort(-score_N, kind="stable"):
        if wanted.count and iou_NM[row].max() >= 0.5:
            iou_NM[:, iou_NM[row].argmax()] = -1
    return int((iou_NM == -1).all(0).sum()) if len(iou_NM) else 0
