"""Panoptic quality (Kirillov et al., arXiv 1801.00868): every pixel of a picture belongs to one named segment at most."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, plain, same_size, scores_of
from superlens.message import Masks, Message

Segments = list[tuple[str, np.ndarray]]


class PanopticQuality(Metric):
    """{"PQ", "SQ", "RQ", "per_class"}: per label the IoU of matched segments over (matches + half of what is unmatched), and its mean.

    Segments of one label match when their IoU is above 0.5. Answered masks of `min_score` and above are made disjoint, the surest
    first, as the metric asks; one of which less than half is left is dropped. SQ: mean IoU of matches. RQ: matches over the same
    denominator. All three are means over labels. Pixels in ignored masks are left out, and so are unmatched answers that lie there
    by more than half.
    """

    task = "panoptic_masks"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._iou: dict[str, float] = defaultdict(float)
        self._matched: dict[str, int] = defaultdict(int)
        self._alone: dict[str, int] = defaultdict(int)

    def add(self, example: Example, answer: Message) -> None:
        references = self.parts(example.answer)
        answers = self.shown(answer)
        for part in answers:
            for reference in references:
                same_size(part, reference)
        for image in sorted({part.image for part in (*references, *answers)}):
            self._compare([part for part in references if part.image == image], [part for part in answers if part.image == image])

    def _compare(self, references: list[Masks], answers: list[Masks]) -> None:
        skipped = [part.masks[part.ignore] for part in references if part.ignore is not None and part.ignore.any()]
        void_HW = np.concatenate(skipped).any(0) if skipped else None
        meant: Segments = []
        for part in references:
            kept = part if part.ignore is None else part.select(~part.ignore)
            meant += [(plain(part.label), mask_HW) for mask_HW in kept.masks if mask_HW.any()]
        said = disjoint(answers)
        taken: set[int] = set()
        for label, mask_HW in meant:
            for index, (other, answered_HW) in enumerate(said):
                inside_HW = answered_HW if void_HW is None else answered_HW & ~void_HW
                iou = (mask_HW & inside_HW).sum() / max((mask_HW | inside_HW).sum(), 1)
                if other == label and index not in taken and iou > 0.5:
                    taken.add(index)
                    self._iou[label] += float(iou)
                    self._matched[label] += 1
                    break
            else:
                self._alone[label] += 1
        for index, (label, answered_HW) in enumerate(said):
            unknown = void_HW is not None and 2 * (answered_HW & void_HW).sum() > answered_HW.sum()
            if index not in taken and not unknown:
                self._alone[label] += 1

    def result(self) -> dict[str, Any]:
        labels = sorted({*self._matched, *self._alone})
        sizes = {label: self._matched[label] + self._alone[label] / 2 for label in labels}
        per_class = {label: self._iou[label] / sizes[label] for label in labels}
        found = [self._matched[label] / sizes[label] for label in labels]
        quality = [self._iou[label] / self._matched[label] for label in labels if self._matched[label]]
        return {
            "PQ": float(np.mean(list(per_class.values()))) if labels else None,
            "SQ": float(np.mean(quality)) if quality else None,
            "RQ": float(np.mean(found)) if labels else None,
            "per_class": per_class,
        }


def disjoint(parts: list[Masks]) -> Segments:
    """(label, mask (H, W)) of all masks, the surest first, each without the pixels of surer ones."""
    order = sorted(((score, part, row) for part in parts for row, score in enumerate(scores_of(part))), key=lambda one: -one[0])
    segments: Segments = []
    taken_HW = None
    for _, part, row in order:
        mask_HW = part.masks[row]
        free_HW = mask_HW if taken_HW is None else mask_HW & ~taken_HW
        if free_HW.any() and 2 * free_HW.sum() >= mask_HW.sum():
            segments.append((plain(part.label), free_HW))
            taken_HW = free_HW if taken_HW is None else taken_HW | free_HW
    return segments
