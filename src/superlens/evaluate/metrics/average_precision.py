"""COCO's average precision of boxes and masks, counted by faster-coco-eval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import (
    Metric,
    ignored,
    plain,
    same_size,
    scores_of,
    shapes_of,
    without_empty,
)
from superlens.message import Message, OutputPart

BEST = 100
# COCO's thresholds are 0.50, 0.55, ... 0.95: where 0.50 and 0.75 stand among them.
AT_50, AT_75 = 0, 5

_Object = tuple[float, str, Any]


class AveragePrecision(Metric):
    """{"AP", "AP50", "AP75"}: COCO's, the mean over labels of the area under precision and recall.

    AP is the mean over IoU thresholds 0.50:0.05:0.95, AP50 and AP75 are at one. A class is a label. The chunks that
    a picture was asked in are put together (by `Example.picture`); its 100 best objects count. Ignored reference
    objects neither count nor hurt, as `iscrowd` in COCO. An answer under a label that was not asked counts when the
    data set knows that label (and the picture does not list it as unlabelled).
    """

    task = "{part}"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._references: dict[Any, list[tuple[str, Any, bool]]] = defaultdict(list)
        self._answers: dict[Any, list[_Object]] = defaultdict(list)
        self._strays: dict[Any, list[_Object]] = defaultdict(list)
        self._labels: set[str] = set()

    def add(self, example: Example, answer: Message) -> None:
        references, answers = self.parts(example.answer), self.parts(answer)
        asked = {plain(part.label) for part in references}
        self._labels |= asked
        for part in references:
            found = self._references[example.picture, part.image]
            found += zip([plain(part.label)] * part.count, shapes_of(part), ignored(part).tolist(), strict=True)
            for other in answers:
                same_size(other, part)
        unlabelled = self.facts.unlabelled.get(example.picture, frozenset())
        _keep(self._answers, example.picture, [part for part in answers if plain(part.label) in asked])
        strays = [part for part in answers if plain(part.label) not in asked | unlabelled]
        _keep(self._strays, example.picture, [part for part in strays if self._may_know(part)])

    def result(self) -> dict[str, float | None]:
        """See the class; None throughout when no object was to be found."""
        labels = self._labels | (self.facts.categories or set())
        numbers = {label: number for number, label in enumerate(sorted(labels), 1)}
        places = list(dict.fromkeys((*self._references, *self._answers, *self._strays)))
        wanted, found = [], []
        for image, place in enumerate(places, 1):
            for label, shape, skip in self._references.get(place, ()):
                about = {"image_id": image, "category_id": numbers[label], "iscrowd": int(skip)}
                wanted.append({"id": len(wanted) + 1, **about, **self._written(shape)})
            known = [item for item in self._strays.get(place, ()) if item[1] in numbers]
            for score, label, shape in _best([*self._answers.get(place, ()), *known]):
                about = {"image_id": image, "category_id": numbers[label], "score": score}
                found.append({**about, **self._written(shape)})
        if all(item["iscrowd"] for item in wanted):
            return {"AP": None, "AP50": None, "AP75": None}
        sizes = {item["image_id"]: item["segmentation"]["size"] for item in (*wanted, *found) if "segmentation" in item}
        data = {
            "info": {},
            # Nobody looks at the size of a picture with boxes alone, but it has to be there.
            "images": [dict(zip(("id", "height", "width"), (image, *sizes.get(image, (0, 0)))))
                       for image in range(1, len(places) + 1)],
            "categories": [{"id": number, "name": label} for label, number in numbers.items()],
            "annotations": wanted,
        }
        return _coco_ap(data, found, "bbox" if self.part == "boxes" else "segm")

    def _may_know(self, part: OutputPart) -> bool:
        # Without a list of categories, which labels the data set knows is seen at the end.
        return self.facts.categories is None or plain(part.label) in self.facts.categories

    def _written(self, shape: Any) -> dict[str, Any]:
        if self.part == "boxes":
            return {"bbox": shape, "area": shape[2] * shape[3]}
        from pycocotools import mask as coco_mask

        return {"segmentation": shape, "area": float(coco_mask.area(shape)), "bbox": coco_mask.toBbox(shape).tolist()}


def _best(objects: Sequence[_Object]) -> list[_Object]:
    return sorted(objects, key=itemgetter(0), reverse=True)[:BEST]


def _keep(kept: dict[Any, list[_Object]], picture: int | str, parts: Sequence[OutputPart]) -> None:
    """Add the best objects of `parts` to those of their pictures; masks are written small after the choice."""
    parts = [without_empty(part) for part in parts]
    every = np.concatenate([scores_of(part) for part in parts]) if parts else np.zeros(0)
    enough = np.sort(every)[-BEST] if len(every) > BEST else -np.inf
    for part in parts:
        part = part.select(scores_of(part) >= enough)
        if part.count:
            place = kept[picture, part.image]
            place += zip(scores_of(part).tolist(), [plain(part.label)] * part.count, shapes_of(part), strict=True)
    for place in [place for place in kept if place[0] == picture and len(kept[place]) > BEST]:
        kept[place] = _best(kept[place])


def _coco_ap(data: dict, found: list[dict], kind: str) -> dict[str, float]:
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(data)
    evaluation = COCOeval_faster(truth, truth.loadRes(found), iouType=kind)
    evaluation.evaluate()
    evaluation.accumulate()
    # Thresholds, recalls, classes; objects of every size, and as many as there are. -1: a class without objects.
    precision_TRK = evaluation.eval["precision"][:, :, :, 0, -1]
    there_K = precision_TRK[0, 0] > -1
    ap_T = precision_TRK[:, :, there_K].mean((1, 2))
    return {"AP": float(ap_T.mean()), "AP50": float(ap_T[AT_50]), "AP75": float(ap_T[AT_75])}
