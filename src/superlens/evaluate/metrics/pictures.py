"""Drawn and changed pictures: do they show what was asked for, and nothing else changed?

Right is what the judge of the drawn world says (`evaluate/judge.py`), so examples of that world count, by their `facts`, and no others.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.data.world.edits import Change
from superlens.data.world.pictures import Wanted
from superlens.evaluate.judge import made, shows
from superlens.evaluate.metrics.base import Metric, ratio
from superlens.message import Message

MOST_DECIBELS = 60.0


class GenEval(Metric):
    """{"geneval", "per_task"}: share of new pictures with all that was asked for, as GenEval judges (arXiv 2310.11513).

    per_task: that of each task; geneval: their mean. Of an answer, the first picture counts; without one it is wrong.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._right: dict[str, list[bool]] = defaultdict(list)

    def add(self, example: Example, answer: Message) -> None:
        if isinstance(example.facts, Wanted):
            right = bool(answer.images) and shows(answer.images[0].pixels, example.facts)
            self._right[example.task].append(right)

    def result(self) -> dict[str, Any]:
        per_task = {task: float(np.mean(right)) for task, right in sorted(self._right.items())}
        return {"geneval": float(np.mean(list(per_task.values()))) if per_task else None, "per_task": per_task}


class Edit(Metric):
    """{"made", "kept", "per_form"} of changed pictures: share in which the change was made, of all and of each form of change
    ("recolour", "remove" ...); PSNR of what was not to change, in dB.

    kept: 10 log10(255^2 / mean squared difference) to the picture that was changed, over the pixels outside `Change.allowed_HW`, at
    most 60 (which is what an identical picture gets), as a mean over the pictures. Of an answer, the first picture counts; without
    one, or with one of another size, the change was not made and 0 dB were kept. Read both: who changes nothing keeps all.
    """

    task = "edit_image"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made: dict[str, list[bool]] = defaultdict(list)
        self._kept: list[float] = []

    def add(self, example: Example, answer: Message) -> None:
        change = example.facts
        if not isinstance(change, Change):
            return
        source_HW3 = example.question.images[change.of].pixels
        picture_HW3 = answer.images[0].pixels if answer.images else None
        fits = picture_HW3 is not None and picture_HW3.shape == source_HW3.shape
        self._made[change.form].append(fits and made(picture_HW3, change))
        self._kept.append(decibels(picture_HW3, source_HW3, ~change.allowed_HW) if fits else 0.0)

    def result(self) -> dict[str, Any]:
        every = [right for form in self._made.values() for right in form]
        per_form = {form: float(np.mean(right)) for form, right in sorted(self._made.items())}
        return {
            "made": ratio(sum(every), len(every)), "kept": ratio(sum(self._kept), len(self._kept)), "per_form": per_form,
        }  # fmt: skip


def decibels(one_HW3: np.ndarray, two_HW3: np.ndarray, where_HW: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures over some pixels, in dB, at most 60; 60 where there is no pixel."""
    if not where_HW.any():
        return MOST_DECIBELS
    error = float(((one_HW3.astype(np.float64) - two_HW3)[where_HW] ** 2).mean())
    return MOST_DECIBELS if error == 0 else min(MOST_DECIBELS, 10 * float(np.log10(255**2 / error)))
