"""The metrics by part and name. The first one of a part is what is measured when nobody says which."""

from __future__ import annotations

from collections.abc import Mapping

from superlens.evaluate.metrics.absent import Absent, Refusal
from superlens.evaluate.metrics.average_precision import AveragePrecision
from superlens.evaluate.metrics.base import Facts, Metric
from superlens.evaluate.metrics.interactive import Interactive
from superlens.evaluate.metrics.keypoints import CorrectKeypoints, KeypointPrecision
from superlens.evaluate.metrics.mean_iou import MeanIou
from superlens.evaluate.metrics.moments import TemporalIou
from superlens.evaluate.metrics.panoptic import PanopticQuality
from superlens.evaluate.metrics.pictures import Edit, GenEval
from superlens.evaluate.metrics.referring import ExpressionIou, PrecisionAtHalf
from superlens.evaluate.metrics.restored import Likeness, PeakSignal
from superlens.evaluate.metrics.routing import Routing
from superlens.evaluate.metrics.text import Accuracy
from superlens.parts import nearest

METRICS: Mapping[str, Mapping[str, type[Metric]]] = {
    "boxes": {"ap": AveragePrecision, "p50": PrecisionAtHalf, "absent": Absent, "refusal": Refusal, "routing": Routing},
    "masks": {"ap": AveragePrecision, "miou": MeanIou, "iou": ExpressionIou, "pq": PanopticQuality, "interactive": Interactive,
              "absent": Absent, "refusal": Refusal, "routing": Routing},
    "keypoints": {"oks": KeypointPrecision, "pck": CorrectKeypoints, "routing": Routing},
    "text": {"accuracy": Accuracy, "routing": Routing},
    "moments": {"tiou": TemporalIou, "routing": Routing},
    "image": {"geneval": GenEval, "edit": Edit, "psnr": PeakSignal, "ssim": Likeness, "routing": Routing},
}
# Tasks that the first metric of their part can not measure, and what can.
BY_TASK: Mapping[str, str] = {"edit_image": "edit", "restore_image": "psnr", "panoptic_masks": "pq"}

__all__ = ["METRICS", "Facts", "Metric", "metric_class"]


def metric_class(part: str, name: str | None = None, task: str | None = None) -> type[Metric]:
    """The metric `name` of `part`; `name:parameter` sets what a metric lets be set ("pck:0.1").

    By default the part's first, but for the tasks of `BY_TASK`.

    Raises ValueError naming the nearest valid part or metric, or saying what the parameter should be.
    """
    if part not in METRICS:
        raise ValueError(f"unknown part '{part}' to evaluate: {nearest(part, METRICS)}")
    if name is None:
        usual = BY_TASK.get(task)
        name = usual if usual in METRICS[part] else next(iter(METRICS[part]))
    kind, colon, parameter = name.partition(":")
    if kind not in METRICS[part]:
        raise ValueError(f"unknown metric '{kind}' for {part}: {nearest(kind, METRICS[part])}")
    return METRICS[part][kind].at(parameter) if colon else METRICS[part][kind]
