"""Panoptic quality, against counts done by hand."""

import numpy as np
import pytest

from superlens.data.sources.base import Example
from superlens.evaluate.metrics import metric_class
from superlens.evaluate.metrics.panoptic import disjoint
from superlens.message import Conversation, Image, Masks, Message

SIDE = 10
QUESTION = Conversation((Message("user", (Image(np.zeros((SIDE, SIDE, 3), np.uint8)),)),))


def rows(*spans):
    masks = np.zeros((len(spans), SIDE, SIDE), bool)
    for mask, (start, end) in zip(masks, spans):
        mask[start:end] = True
    return masks


def measured(answer, reference):
    metric = metric_class("masks", None, "panoptic_masks")(part="masks")
    metric.add(Example(QUESTION, Message("assistant", tuple(reference)), 0, "panoptic_masks"), Message("assistant", tuple(answer)))
    return metric.result()


def test_the_truth_is_worth_one():
    truth = [Masks("car", rows((0, 2), (2, 4))), Masks("road", rows((4, 10)))]
    assert measured(truth, truth) == {"PQ": 1, "SQ": 1, "RQ": 1, "per_class": {"car": 1, "road": 1}}


def test_misses_and_false_alarms_count_half():
    truth = [Masks("car", rows((0, 1), (1, 2), (2, 4))), Masks("road", rows((4, 10)))]
    said = [Masks("Car", rows((0, 1), (1, 2))), Masks("road", rows((4, 8))), Masks("sky", rows((8, 10)))]
    found = measured(said, truth)
    assert found["per_class"] == pytest.approx({"car": 2 / 2.5, "road": 4 / 6, "sky": 0})
    assert found["SQ"] == pytest.approx((1 + 4 / 6) / 2) and found["RQ"] == pytest.approx((2 / 2.5 + 1 + 0) / 3)
    assert found["PQ"] == pytest.approx((2 / 2.5 + 4 / 6) / 3)


def test_half_is_no_match():
    found = measured([Masks("road", rows((0, 5)))], [Masks("road", rows((0, 10)))])
    assert found["PQ"] == 0 and found["SQ"] is None


def test_answers_are_made_disjoint_the_surest_first():
    both = Masks("car", rows((0, 6), (4, 10)), scores=[0.6, 0.9])
    segments = disjoint([both])
    assert [mask.any(1).nonzero()[0].tolist() for _, mask in segments] == [list(range(4, 10)), list(range(4))]
    hidden = disjoint([Masks("car", rows((0, 6)), scores=[0.9]), Masks("bus", rows((2, 7)), scores=[0.5])])
    assert [label for label, _ in hidden] == ["car"]


def test_ignored_pixels_do_not_count():
    truth = [Masks("car", rows((0, 4), (4, 8)), ignore=[False, True])]
    found = measured([Masks("car", rows((0, 5))), Masks("bus", rows((5, 8)))], truth)
    assert found["per_class"] == {"car": 1}
    mostly_unknown = measured([Masks("car", rows((0, 9)))], [Masks("car", rows((0, 4), (4, 10)), ignore=[False, True])])
    assert mostly_unknown["PQ"] == 1


def test_nothing_to_measure_is_none():
    assert measured([], [])["PQ"] is None
