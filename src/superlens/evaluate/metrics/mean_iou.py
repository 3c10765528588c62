"""Semantic segmentation: intersection over union per class, over the whole data set."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, encode, ignored, plain, same_size, union
from superlens.message import Message, OutputPart


@dataclass
class _Picture:
    """RLE masks of one picture until its last chunk has come: label -> masks, whose union is what counts."""

    meant: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    said: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    skipped: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    semantic: bool = False


class MeanIou(Metric):
    """{"mIoU", "per_class"}: per label the sum of intersections over the sum of unions; mIoU is their mean.

    Of each picture and label, the union of the reference masks and the union of the answered masks of `min_score` and
    above are compared, all chunks of the picture put together (by `Example.picture`). In a semantic file, pixels in no
    reference mask of the picture are not annotated and left out; so are, for their label, pixels in ignored masks.
    An answer under a label that was not asked counts when the data set knows that label (and the picture does not
    list it as unlabelled). Labels neither there nor answered anywhere are not in `per_class`.
    """

    task = "{part}"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pictures: dict[Any, _Picture] = defaultdict(_Picture)
        self._labels: set[str] = set()

    def add(self, example: Example, answer: Message) -> None:
        references, answers = self.parts(example.answer), self.shown(answer)
        for part in references:
            picture = self._pictures[example.picture, part.image]
            picture.semantic = self.facts.semantic or example.task == "semantic"
            self._labels.add(plain(part.label))
            _put(picture.meant, part.select(~ignored(part)))
            _put(picture.skipped, part.select(ignored(part)))
            for other in answers:
                same_size(other, part)
        unlabelled = self.facts.unlabelled.get(example.picture, frozenset())
        for part in answers:
            if plain(part.label) not in unlabelled:
                _put(self._pictures[example.picture, part.image].said, part)

    def result(self) -> dict[str, Any]:
        known = self._labels | (self.facts.categories or set())
        both: dict[str, int] = defaultdict(int)
        either: dict[str, int] = defaultdict(int)
        for picture in self._pictures.values():
            for label, shared, covered in _counts(picture, known):
                both[label] += shared
                either[label] += covered
        per_class = {label: both[label] / either[label] for label in sorted(either) if either[label]}
        mean = float(np.mean(list(per_class.values()))) if per_class else None
        return {"mIoU": mean, "per_class": per_class}


def _put(masks: dict[str, list[dict]], part: OutputPart) -> None:
    if part.count:
        masks[plain(part.label)] += encode(union([part], part.masks.shape[1:])[None])


def _counts(picture: _Picture, known: set[str]):
    """(label, pixels in both, pixels in either) for each known label of one picture."""
    every = [rle for masks in (picture.meant, picture.said, picture.skipped) for rles in masks.values() for rle in rles]
    if not every:
        return
    shape = tuple(every[0]["size"])
    annotated_HW = np.ones(shape, bool)
    if picture.semantic:
        annotated = [rle for masks in (picture.meant, picture.skipped) for rles in masks.values() for rle in rles]
        annotated_HW = _decoded(annotated, shape)
    for label in sorted(known & {*picture.meant, *picture.said}):
        valid_HW = annotated_HW & ~_decoded(picture.skipped.get(label, ()), shape)
        meant_HW = _decoded(picture.meant.get(label, ()), shape) & valid_HW
        said_HW = _decoded(picture.said.get(label, ()), shape) & valid_HW
        yield label, int((meant_HW & said_HW).sum()), int((meant_HW | said_HW).sum())


def _decoded(rles, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels in any of some RLE masks."""
    if not rles:
        return np.zeros(shape, bool)
    from pycocotools import mask as coco_mask

    return coco_mask.decode(coco_mask.merge(list(rles))).astype(bool)
