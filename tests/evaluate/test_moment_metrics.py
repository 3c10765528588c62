"""Temporal IoU: by hand."""

import numpy as np
import pytest

from superlens.data.sources.base import Example
from superlens.evaluate.metrics import metric_class
from superlens.evaluate.metrics.moments import overlap
from superlens.message import Conversation, Message, Moments


def told(*parts):
    return Message("assistant", parts)


def measured(*pairs):
    metric = metric_class("moments")(part="moments")
    for meant, said in pairs:
        metric.add(Example(Conversation((Message("user", "When?"),)), meant, 0, "moments"), said)
    return metric.result()


def test_overlap():
    assert overlap(np.array([0, 4]), np.array([2, 6])) == pytest.approx(2 / 6)
    assert overlap(np.array([0, 1]), np.array([2, 3])) == 0 and overlap(np.array([1, 1]), np.array([1, 1])) == 0


def test_the_best_scored_moment_counts():
    meant = told(Moments("a", [[0, 4]]))
    said = told(Moments("b", [[10, 12], [0, 4]], scores=[0.4, 0.9]))
    assert measured((meant, said)) == {"R1@0.3": 1.0, "R1@0.5": 1.0, "R1@0.7": 1.0, "mIoU": 1.0}
    assert measured((meant, told(Moments("b", [[10, 12], [0, 4]], scores=[0.9, 0.4]))))["mIoU"] == 0
    assert measured((meant, told("I do not know.")), (meant, told(Moments("a", [[0, 2]])))) == {
        "R1@0.3": 0.5, "R1@0.5": 0.5, "R1@0.7": 0.0, "mIoU": 0.25,
    }  # fmt: skip


def test_several_events_are_told_apart_by_label():
    meant = told(Moments("a", [[0, 4]]), Moments("b", [[6, 8], [10, 12]]))
    said = told(Moments("B", [[10, 12], [6, 8]]), Moments("a", [[1, 4]]))
    assert measured((meant, said))["mIoU"] == pytest.approx((0.75 + 1 + 1) / 3)
    assert measured()["mIoU"] is None
