"""What all metrics share: the facts about a data set, and the labelled objects of a message.

Legend: N answered objects, M reference objects, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from superlens.data.sources.base import Example
from superlens.message import Boxes, Keypoints, Masks, Message, Moments, OutputPart

KINDS: Mapping[str, type] = {"boxes": Boxes, "masks": Masks, "keypoints": Keypoints, "moments": Moments}


def plain(label: str) -> str:
    """A label as labels are compared: small letters, outer and double spaces dropped."""
    return " ".join(label.split()).lower()


@dataclass(frozen=True)
class Facts:
    """What a metric may know about a data set beyond its examples.

    categories: every label the data set knows (as `plain` writes them), or None: those its references name.
    unlabelled: picture -> labels that are there but not marked, so that finding them is no mistake.
    semantic: a mask is all pixels of a class; pixels in no mask are not annotated.
    """

    categories: frozenset[str] | None = None
    unlabelled: Mapping[int | str, frozenset[str]] = field(default_factory=dict)
    semantic: bool = False


class Metric:
    """Adds up (example, answer) pairs; `result` says what they come to.

    facts: about the data set. part: "boxes", "masks", "keypoints", "moments", "text" or "image". min_score: objects below it do not
    count as shown, where a metric speaks of what a user would see (average precision looks at all scores).
    Subclasses keep what they need of an answer and no more: an answer's masks must not pile up.
    """

    # Where a source can be asked for single tasks (the drawn world): the task that shows this metric. "{part}" is the plain
    # list task of the part ("detect every red circle"), apart from referring and reasoning questions.
    task: ClassVar[str | None] = None

    def __init__(self, facts: Facts | None = None, part: str = "boxes", min_score: float = 0.3) -> None:
        self.facts = Facts() if facts is None else facts
        self.part = part
        self.min_score = min_score

    @classmethod
    def at(cls, parameter: str) -> type[Metric]:
        """This metric with what stands behind the colon of its name set; ValueError for what it can not be set to."""
        raise ValueError(f'Got the parameter "{parameter}" for a metric that takes none; write its name without a colon.')

    def add(self, example: Example, answer: Message) -> None:
        """Take in one answer; an answer that never came is an empty message."""
        raise NotImplementedError

    def result(self) -> dict[str, Any]:
        """Key -> fraction in 0..1, or None where nothing was there to be measured."""
        raise NotImplementedError

    def parts(self, message: Message) -> list[OutputPart]:
        """The parts of `message` that this metric is about, in order."""
        return list(message.parts(KINDS[self.part]))

    def shown(self, message: Message) -> list[OutputPart]:
        """Likewise, without the objects below `min_score`."""
        return [part.above(self.min_score) for part in self.parts(message)]


def scores_of(part: OutputPart) -> np.ndarray:
    """(N,) float32; 1 where a part has no scores."""
    return np.ones(part.count, np.float32) if part.scores is None else part.scores


def ignored(part: OutputPart) -> np.ndarray:
    """(N,) bool; False where a part says nothing of it."""
    return np.zeros(part.count, bool) if part.ignore is None else part.ignore


def without_empty(part: OutputPart) -> OutputPart:
    """The part without masks that have no pixel: they show nothing."""
    if not isinstance(part, Masks) or not part.count:
        return part
    return part.select(part.masks.any((1, 2)))


def shapes_of(part: OutputPart) -> list[Any]:
    """Each object as COCO writes it: [x, y, width, height] of a box, compressed RLE of a mask."""
    if isinstance(part, Boxes):
        xyxy_N4 = part.xyxy.astype(np.float64)
        return np.concatenate([xyxy_N4[:, :2], xyxy_N4[:, 2:] - xyxy_N4[:, :2]], axis=1).tolist()
    return encode(part.masks)


def encode(masks_NHW: np.ndarray) -> list[dict]:
    """Masks (N, H, W) bool as compressed RLE, counts in bytes, as pycocotools wants them."""
    if not len(masks_NHW):
        return []
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(masks_NHW.transpose(1, 2, 0).astype(np.uint8)))


def iou(answered: OutputPart, reference: OutputPart) -> np.ndarray:
    """(N, M) intersection over union of two parts of one type, 0 throughout when they are of different pictures.

    Raises ValueError when masks differ in size.
    """
    if not answered.count or not reference.count or answered.image != reference.image:
        return np.zeros((answered.count, reference.count))
    from pycocotools import mask as coco_mask

    same_size(answered, reference)
    return np.asarray(coco_mask.iou(shapes_of(answered), shapes_of(reference), [0] * reference.count))


def same_size(answered: OutputPart, reference: OutputPart) -> None:
    """Raise ValueError when an answer's masks are not of the reference's size (empty 0 x 0 masks have none)."""
    if not isinstance(answered, Masks) or answered.image != reference.image:
        return
    sizes = [part.masks.shape[1:] for part in (answered, reference)]
    if 0 not in sizes[0] and 0 not in sizes[1] and sizes[0] != sizes[1]:
        raise ValueError(
            f'The answered masks of "{answered.label}" are {sizes[0][1]} x {sizes[0][0]} pixels, '
            f"the picture's are {sizes[1][1]} x {sizes[1][0]}; resize them to the picture."
        )


def union(parts: Sequence[OutputPart], shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels in any mask of `parts`."""
    whole_HW = np.zeros(shape, bool)
    for part in parts:
        if part.count:
            whole_HW |= part.masks.any(0)
    return whole_HW


def ratio(part: float, whole: float) -> float | None:
    """part / whole, or None when there is no whole."""
    return float(part / whole) if whole else None
