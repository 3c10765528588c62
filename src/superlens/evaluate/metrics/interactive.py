"""Segmentation of what was pointed at, for each kind of prompt."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ignored, ratio, same_size, union
from superlens.message import Message


class Interactive(Metric):
    """{"mIoU", "cIoU", "per_prompt": {"point mIoU", "point cIoU", ...}} of masks answered to regions.

    One IoU a question, of all masks it means with all masks answered at `min_score` and above, whatever their labels: who points does
    not name. mIoU is their mean, cIoU the sum of intersections over the sum of unions (as VisionLLM v2, arXiv 2406.08394, reports
    interactive segmentation). The kind of a question is that of its first region ("point", "box" ...), or "refined" where a negative
    region takes something back. Questions without regions do not count; without any, all is None.
    """

    task = "region_masks"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pixels: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, example: Example, answer: Message) -> None:
        regions = example.question.messages[-1].regions
        meant, said = self.parts(example.answer), self.shown(answer)
        if not regions or not meant:
            return
        for part in said:
            same_size(part, meant[0])
        shape = next((part.masks.shape[1:] for part in (*meant, *said) if 0 not in part.masks.shape[1:]), (0, 0))
        valid_HW = ~union([part.select(ignored(part)) for part in meant], shape)
        meant_HW = union([part.select(~ignored(part)) for part in meant], shape) & valid_HW
        said_HW = union([part for part in said if part.image == meant[0].image], shape) & valid_HW
        kind = regions[0].kind if all(region.positive for region in regions) else "refined"
        self._pixels[kind].append((int((meant_HW & said_HW).sum()), int((meant_HW | said_HW).sum())))

    def result(self) -> dict[str, Any]:
        per_prompt = {
            f"{kind} {name}": value for kind in sorted(self._pixels) for name, value in _figures(self._pixels[kind]).items()
        }
        return _figures([pair for pairs in self._pixels.values() for pair in pairs]) | {"per_prompt": per_prompt}


def _figures(pairs: list[tuple[int, int]]) -> dict[str, float | None]:
    if not pairs:
        return {"mIoU": None, "cIoU": None}
    both, either = (sum(column) for column in zip(*pairs))
    mean = float(np.mean([both / either if either else 1.0 for both, either in pairs]))
    return {"mIoU": mean, "cIoU": ratio(both, either) if either else mean}
