"""Keypoints: COCO's average precision over object keypoint similarity, and the share of points put in their place.

Legend: N answered objects, M reference objects, K points, T thresholds, 3 = x, y in pixels and v (0 not given).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.average_precision import AT_50, AT_75
from superlens.evaluate.metrics.base import Metric, ignored, plain, ratio, scores_of
from superlens.message import Keypoints, Message

# COCO's deviations of people's points, in square roots of the person's area; both sides alike.
_ONE_SIDE = {"eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087,
             "ankle": 0.089}
SIGMAS = {"nose": 0.026, **{f"{side} {name}": sigma for name, sigma in _ONE_SIDE.items() for side in ("left", "right")}}
# Of points with other names: between COCO's eye and its shoulder, and stricter than COCO's mean of 0.066.
OTHER_SIGMA = 0.05
# Pixels. Where a point that was not given is put: its similarity with anything is 0.
NOWHERE = 1e6


class KeypointPrecision(Metric):
    """{"AP", "AP50", "AP75"}: COCO's for keypoints, with object keypoint similarity in the place of IoU.

    OKS = mean over the reference's labelled points of exp(-d^2 / (2 s^2 (2 sigma)^2)), d the distance in pixels, s^2 the
    reference's area (its `area`, else that of its box, else that of its points' extent, at least 1 pixel); sigma is COCO's where
    a point has the name of one of COCO's 17, else 0.05. AP is the mean over the OKS thresholds 0.50:0.05:0.95 and over labels, AP50
    and AP75 are at one. The 20 best objects of a label in a picture count, as in COCO.
    Points are told apart by name; one that the answer leaves out, or says to be v = 0, is infinitely far. Reference objects that are
    ignored, or have no labelled point, neither count nor hurt. An answer under a label that was not asked in this picture counts
    when the data set asks for it elsewhere (and the picture does not list it as unlabelled).
    Source: cocodataset.org/#keypoints-eval, counted by faster-coco-eval.
    """

    task = "{part}"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._names: dict[str, dict[str, None]] = defaultdict(dict)
        self._references: dict[str, list[tuple[Any, Keypoints]]] = defaultdict(list)
        self._answers: dict[str, list[tuple[Any, Keypoints]]] = defaultdict(list)

    def add(self, example: Example, answer: Message) -> None:
        references = self.parts(example.answer)
        for part in references:
            self._names[plain(part.label)].update(dict.fromkeys(map(point_name, part.names)))
            self._references[plain(part.label)].append(((example.picture, part.image), part))
        unlabelled = self.facts.unlabelled.get(example.picture, frozenset()) - {plain(part.label) for part in references}
        for part in self.parts(answer):
            if plain(part.label) not in unlabelled:
                self._answers[plain(part.label)].append(((example.picture, part.image), part))

    def result(self) -> dict[str, float | None]:
        """See the class; None throughout when no object was to be found."""
        found = [self._precisions(label) for label in self._names]
        found = [ap_T for ap_T in found if ap_T is not None]
        if not found:
            return {"AP": None, "AP50": None, "AP75": None}
        ap_T = np.mean(found, axis=0)
        return {"AP": float(ap_T.mean()), "AP50": float(ap_T[AT_50]), "AP75": float(ap_T[AT_75])}

    def _precisions(self, label: str) -> np.ndarray | None:
        """(T,) average precision of one label at each threshold, or None when it has no object to be found."""
        names = tuple(self._names[label])
        pairs = [*self._references[label], *self._answers[label]]
        numbers = {place: number for number, place in enumerate(dict.fromkeys(place for place, _ in pairs), 1)}
        wanted = [{"image_id": numbers[place], **item} for place, part in self._references[label] for item in _wanted(part, names)]
        found = [{"image_id": numbers[place], **item} for place, part in self._answers[label] for item in _found(part, names)]
        if all(item["iscrowd"] or not item["num_keypoints"] for item in wanted):
            return None
        about = {
            "info": {},
            "images": [{"id": number, "height": 0, "width": 0} for number in numbers.values()],
            "categories": [{"id": 1, "name": label}],
        }
        sigmas = [SIGMAS.get(name, OTHER_SIGMA) for name in names]
        return _coco_ap({**about, "annotations": _numbered(wanted)}, {**about, "annotations": _numbered(found)}, sigmas)


class CorrectKeypoints(Metric):
    """{"PCK"}: share of the labelled points that are within `within` of the longer side of the annotated box.

    `pck:0.2` sets `within`, which is 0.1 by default. The box is the reference's `xyxy`, else the extent of its labelled
    points. Answered objects of the same label with at least `min_score` are given to the reference objects one to one, so
    that as many points as can be are right (scipy's `linear_sum_assignment`). A point that is left out or said to be v = 0
    is wrong, and so is every point of an object without an answer; points that the reference does not label, and ignored
    objects, are not counted. Objects answered too many do not hurt.
    Source: Yang and Ramanan, "Articulated human detection with flexible mixtures of parts", TPAMI 2013.
    """

    task = "{part}"
    within: ClassVar[float] = 0.1

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._right = self._asked = 0

    @classmethod
    def at(cls, parameter: str) -> type[Metric]:
        try:
            within = float(parameter)
        except ValueError:
            within = math.nan
        if not 0 < within < math.inf:
            raise ValueError(f'Got the metric "pck:{parameter}"; expected a share of the longer side above 0, as in "pck:0.1".')
        return type(cls.__name__, (cls,), {"within": within})

    def add(self, example: Example, answer: Message) -> None:
        meant: dict[tuple[int, str], list[Keypoints]] = defaultdict(list)
        said: dict[tuple[int, str], list[Keypoints]] = defaultdict(list)
        for part in self.parts(example.answer):
            meant[part.image, plain(part.label)].append(part.select(~ignored(part)))
        for part in self.shown(answer):
            said[part.image, plain(part.label)].append(part)
        for place, references in meant.items():
            names = tuple(dict.fromkeys(point_name(name) for part in references for name in part.names))
            wanted_MK3, found_NK3 = aligned(references, names), aligned(said[place], names)
            bounds_M4 = np.concatenate([part.bounds for part in references]).astype(np.float64)
            reach_M = self.within * (bounds_M4[:, 2:] - bounds_M4[:, :2]).max(1, initial=0)
            self._asked += int((wanted_MK3[..., 2] > 0).sum())
            self._right += _right(found_NK3, wanted_MK3, reach_M)

    def result(self) -> dict[str, float | None]:
        return {"PCK": ratio(self._right, self._asked)}


def point_name(name: str) -> str:
    """The name of a point as names are compared: "left_eye" and "Left eye" are one."""
    return plain(name.replace("_", " "))


def aligned(parts: Sequence[Keypoints], names: Sequence[str]) -> np.ndarray:
    """(N, K, 3) float64: the objects of all parts with their points in the order of `names`; zeros for names they do not have."""
    rows = [np.zeros((0, len(names), 3))]
    for part in parts:
        xyv_NK3 = np.zeros((part.count, len(names), 3))
        own = [point_name(name) for name in part.names]
        for place, name in enumerate(names):
            if name in own:
                xyv_NK3[:, place] = part.xyv[:, own.index(name)]
        rows.append(xyv_NK3)
    return np.concatenate(rows)


def _right(found_NK3: np.ndarray, wanted_MK3: np.ndarray, reach_M: np.ndarray) -> int:
    """How many points are right under the best one to one assignment of answered objects to reference objects."""
    from scipy.optimize import linear_sum_assignment

    away_NMK = np.linalg.norm(found_NK3[:, None, :, :2] - wanted_MK3[None, :, :, :2], axis=-1)
    given_NMK = (found_NK3[:, None, :, 2] > 0) & (wanted_MK3[None, :, :, 2] > 0)
    right_NM = (given_NMK & (away_NMK <= reach_M[None, :, None] + 1e-6)).sum(-1)
    rows, columns = linear_sum_assignment(right_NM, maximize=True)
    return int(right_NM[rows, columns].sum())


def _wanted(part: Keypoints, names: Sequence[str]) -> list[dict[str, Any]]:
    """Reference objects as COCO annotations."""
    bounds_N4 = part.bounds.astype(np.float64)
    xywh_N4 = np.concatenate([bounds_N4[:, :2], bounds_N4[:, 2:] - bounds_N4[:, :2]], axis=1)
    area_N = xywh_N4[:, 2] * xywh_N4[:, 3] if part.area is None else part.area.astype(np.float64)
    return [
        {"iscrowd": int(skip), "keypoints": xyv_K3.ravel().tolist(), "num_keypoints": int((xyv_K3[:, 2] > 0).sum()),
         "bbox": xywh, "area": max(area, 1.0)}
        for skip, xyv_K3, xywh, area in zip(ignored(part), aligned([part], names), xywh_N4.tolist(), area_N.tolist(), strict=True)
    ]


def _found(part: Keypoints, names: Sequence[str]) -> list[dict[str, Any]]:
    """Answered objects as COCO annotations. Area and box play no role, but have to be there."""
    xyv_NK3 = aligned([part], names)
    xyv_NK3[xyv_NK3[..., 2] == 0] = NOWHERE
    return [{"score": score, "keypoints": xyv_K3.ravel().tolist(), "bbox": [0.0, 0.0, 1.0, 1.0], "area": 1.0, "iscrowd": 0}
            for score, xyv_K3 in zip(scores_of(part).tolist(), xyv_NK3, strict=True)]


def _numbered(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, "category_id": 1, **annotation} for number, annotation in enumerate(annotations, 1)]


def _coco_ap(truth: dict, found: dict, sigmas: Sequence[float]) -> np.ndarray:
    from faster_coco_eval import COCO, COCOeval_faster

    evaluation = COCOeval_faster(COCO(truth), COCO(found), iouType="keypoints", kpt_oks_sigmas=list(sigmas))
    evaluation.evaluate()
    evaluation.accumulate()
    # Thresholds, recalls; the one class, objects of every size, as many as count.
    return evaluation.eval["precision"][:, :, 0, 0, -1].mean(1)
