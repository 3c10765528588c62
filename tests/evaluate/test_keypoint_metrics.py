"""Keypoint metrics: against figures worked out by hand, and against pycocotools."""

import math

import numpy as np
import pytest
from evaluate_fakes import boxes, example, grey, say
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from superlens.data.sources.base import Source
from superlens.evaluate.baselines import MeanPose
from superlens.evaluate.metrics import Facts, metric_class
from superlens.evaluate.metrics.keypoints import OTHER_SIGMA, SIGMAS
from superlens.message import Conversation, Image, Keypoints, Message, Text

EARS = ("left ear", "right ear")
BOX = [0, 0, 50, 20]  # longer side 50


def points(label, names, *objects, **more):
    """Keypoints; each object is a list of (x, y), of (x, y, v), or None for v = 0."""
    rows = [[(0, 0, 0) if xy is None else (*xy, 2)[:3] for xy in thing] for thing in objects]
    return Keypoints(label, names, np.array(rows, np.float32).reshape(-1, len(names), 3), **more)


def measured(name, *pairs, min_score=0.3, **facts):
    metric = metric_class("keypoints", name)(Facts(**facts), "keypoints", min_score)
    for item, answer in pairs:
        metric.add(item, answer)
    return [value if value is None else round(value, 4) for value in metric.result().values()]


def one(part):
    return example("Mark the points.", part)


# OKS

def tail(distance, **more):
    """A tail base and an answer `distance` pixels beside it."""
    return one(points("mouse", ("tail base",), [(100, 100)], **more)), say(points("mouse", ("tail base",), [(100 + distance, 100)]))


@pytest.mark.parametrize("more", [
    {"area": [10000]},
    {"area": [10000], "xyxy": [[0, 0, 1, 1]]},
    {"xyxy": [[50, 50, 150, 150]]},
])
def test_similarity_by_hand(more):
    # exp(-10^2 / (2 * 10000 * (2 * 0.05)^2)) = exp(-0.5) = 0.607: found at 0.50, 0.55 and 0.60.
    assert OTHER_SIGMA == 0.05 and 0.6 < math.exp(-0.5) < 0.65
    assert measured("oks", tail(10, **more)) == [0.3, 1, 0]
    assert measured("oks", tail(0, **more)) == [1, 1, 1]
    # exp(-200^2 / 200) = 0
    assert measured("oks", tail(200, **more)) == [0, 0, 0]


def test_points_of_coco_have_its_sigmas():
    # exp(-5^2 / (2 * 10000 * 0.052^2)) = 0.630 for a nose; exp(-5^2 / 200) = 0.88 for a snout.
    assert len(SIGMAS) == 17 and SIGMAS["nose"] == 0.026 and SIGMAS["left hip"] == SIGMAS["right hip"] == 0.107
    for name, ap in (("nose", 0.3), ("Nose", 0.3), ("snout", 0.8)):
        asked = one(points("dog", (name,), [(100, 100)], area=[10000]))
        assert measured("oks", (asked, say(points("dog", (name,), [(105, 100)])))) == [ap, 1, 0 if ap == 0.3 else 1]


def test_without_area_and_box_the_extent_of_the_points_is_taken():
    # Extent 100 x 100. One point 10 away, one exact: (0.607 + 1) / 2 = 0.803, found at 0.50 to 0.80.
    asked = one(points("mouse", ("a", "b"), [(0, 0), (100, 100)]))
    assert measured("oks", (asked, say(points("mouse", ("a", "b"), [(0, 0), (110, 100)])))) == [0.7, 1, 1]


@pytest.mark.parametrize("answer", [
    points("mouse", ("a", "b"), [(0, 0), None]),
    points("mouse", ("a",), [(0, 0)]),
    points("mouse", ("b", "a"), [None, (0, 0)]),
    points("mouse", ("b", "a", "c"), [(100, 100, 0), (0, 0), (100, 100)]),
])
def test_a_point_that_is_left_out_is_infinitely_far(answer):
    # (1 + 0) / 2 = 0.5: found at 0.50 alone.
    asked = one(points("mouse", ("a", "b"), [(0, 0), (100, 100)]))
    assert measured("oks", (asked, say(answer))) == [0.1, 1, 0]


def test_swapped_points_are_wrong_and_swapped_names_are_not():
    asked = one(points("mouse", EARS, [(20, 20), (80, 20)], area=[400]))
    assert measured("oks", (asked, say(points("mouse", EARS, [(80, 20), (20, 20)])))) == [0, 0, 0]
    assert measured("oks", (asked, say(points("mouse", ("right_ear", "left_ear"), [(80, 20), (20, 20)])))) == [1, 1, 1]


def test_points_that_are_not_labelled_do_not_count():
    asked = one(points("mouse", EARS, [(20, 20), None], area=[400]))
    assert measured("oks", (asked, say(points("mouse", EARS, [(20, 20), (900, 900)])))) == [1, 1, 1]


def test_missing_and_extra_objects():
    asked = one(points("mouse", ("a",), [(20, 20)], [(80, 80)], area=[100, 100]))
    only_one = say(points("mouse", ("a",), [(20, 20)]))
    assert measured("oks", (asked, only_one)) == pytest.approx([0.505] * 3, abs=1e-3)
    first = say(points("mouse", ("a",), [(50, 50)], [(20, 20)], [(80, 80)], scores=[0.9, 0.8, 0.7]))
    # Precision 1/2 at the first, 2/3 at the second: 2/3 everywhere, since precision is what can be had further on.
    assert measured("oks", (asked, first)) == pytest.approx([2 / 3] * 3, abs=1e-3)
    last = say(points("mouse", ("a",), [(50, 50)], [(20, 20)], [(80, 80)], scores=[0.6, 0.8, 0.7]))
    assert measured("oks", (asked, last)) == [1, 1, 1]


def test_nothing_there_and_ignored_objects():
    nothing = one(points("mouse", EARS))
    assert measured("oks", (nothing, say(points("mouse", EARS, [(1, 1), (2, 2)])))) == [None] * 3
    there = one(points("mouse", EARS, [(20, 20), (80, 20)], [(10, 50), (90, 50)], area=[400, 400], ignore=[False, True]))
    both = say(points("mouse", EARS, [(10, 50), (90, 50)], [(20, 20), (80, 20)], scores=[0.9, 0.8]))
    assert measured("oks", (there, both)) == [1, 1, 1]
    blank = one(points("mouse", EARS, [(20, 20), (80, 20)], [None, None], area=[400, 400], xyxy=[[0, 0, 99, 40], [0, 45, 99, 99]]))
    assert measured("oks", (blank, both)) == [1, 1, 1]
    with_empty = [(there, both), (nothing, say(points("mouse", EARS, [(1, 1), (2, 2)], scores=[0.95])))]
    # Of another picture (the examples' `picture` is the same): put it on its own.
    with_empty[1] = (example("Mark.", points("mouse", EARS), picture=1), with_empty[1][1])
    assert measured("oks", *with_empty) == [0.5, 0.5, 0.5]


def test_labels_that_were_not_asked_and_the_mean_over_labels():
    mice = example("Mark mice.", points("mice", ("a",), [(20, 20)]), picture=1)
    dogs = example("Mark dogs.", points("dogs", ("b",), [(20, 20)]), picture=2)
    stray = say(points("mice", ("a",), [(20, 20)]), points("dogs", ("b",), [(50, 50)], scores=[1.0]))
    right = say(points("dogs", ("b",), [(20, 20)], scores=[0.5]))
    assert measured("oks", (mice, stray), (dogs, right)) == [0.75, 0.75, 0.75]
    assert measured("oks", (mice, stray), (dogs, right), unlabelled={1: frozenset(("dogs",))}) == [1, 1, 1]
    assert measured("oks", (mice, stray), (dogs, say())) == [0.5, 0.5, 0.5]


def test_agrees_with_pycocotools():
    rng = np.random.default_rng(2)
    names, pairs, truth, found = tuple(SIGMAS), [], [], []
    order = ["nose", *(f"{side} {name}" for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
                       for side in ("left", "right"))]
    turn = [order.index(name) for name in names]
    for image in range(1, 13):
        count = int(rng.integers(1, 5))
        wanted = np.concatenate([rng.uniform(20, 400, (count, 1, 2)) + rng.uniform(0, 80, (count, 17, 2)),
                                 rng.integers(0, 3, (count, 17, 1))], 2)
        wanted[0, :, 2] *= rng.random() < 0.7
        corners = np.concatenate([wanted[..., :2].min(1), wanted[..., :2].max(1)], 1)
        area = rng.uniform(2000, 6000, count)
        said = wanted + rng.normal(0, 4, wanted.shape)
        said[..., 2] = 2
        said, scores = np.concatenate([said, said[:1] + [30, 0, 0]]), rng.random(count + 1).astype(np.float32)
        pairs.append((example("Mark people.", Keypoints("people", names, wanted[:, turn], corners, area), picture=image),
                      say(Keypoints("people", names, said[:, turn], scores=scores))))
        for xyv, (x1, y1, x2, y2), size in zip(wanted, corners, area):
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "keypoints": xyv.ravel().tolist(),
                          "num_keypoints": int((xyv[:, 2] > 0).sum()), "bbox": [x1, y1, x2 - x1, y2 - y1], "area": size})
        found += [{"image_id": image, "category_id": 1, "score": float(score), "keypoints": xyv.ravel().tolist()}
                  for xyv, score in zip(said, scores)]
    coco = COCO()
    coco.dataset = {"info": {}, "images": [{"id": image} for image in range(1, 13)], "annotations": truth,
                    "categories": [{"id": 1, "name": "people"}]}
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(found), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0.1 < evaluation.stats[0] < 0.95
    assert measured("oks", *pairs) == pytest.approx(evaluation.stats[:3].tolist(), abs=1e-3)


# PCK

def test_right_means_within_a_share_of_the_longer_side():
    asked = one(points("mouse", EARS, [(10, 10), (40, 10)], xyxy=[BOX]))
    answer = say(points("mouse", EARS, [(13, 14), (40, 15.1)]))  # 5 and 5.1 away; a tenth of 50 is 5
    assert measured("pck", (asked, answer)) == measured("pck:0.1", (asked, answer)) == [0.5]
    assert measured("pck:0.11", (asked, answer)) == [1] and measured("pck:0.05", (asked, answer)) == [0]
    extent = one(points("mouse", EARS, [(10, 10), (40, 10)]))  # longer side 30: 3 pixels
    assert measured("pck", (extent, say(points("mouse", EARS, [(13, 10), (40, 13.1)])))) == [0.5]


def test_missing_objects_and_points_are_wrong_and_extra_objects_do_not_hurt():
    asked = one(points("mouse", EARS, [(10, 10), (40, 10)], [(10, 80), (40, 80)], xyxy=[BOX, [0, 70, 50, 90]]))
    first = [(10, 10), (40, 10)]
    assert measured("pck", (asked, say())) == [0]
    assert measured("pck", (asked, say(points("mouse", EARS, first)))) == [0.5]
    assert measured("pck", (asked, say(points("mouse", EARS, [(10, 10), None])))) == [0.25]
    assert measured("pck", (asked, say(points("mouse", EARS[:1], [(10, 10)])))) == [0.25]
    assert measured("pck", (asked, say(points("mouse", EARS, first, [(70, 70), (90, 90)], [(10, 80), (99, 99)])))) == [0.75]
    assert measured("pck", (asked, say(points("rat", EARS, first)))) == [0]
    assert measured("pck", (asked, say(points("mouse", EARS, first, image=1)))) == [0]


def test_swapped_points_are_wrong():
    asked = one(points("mouse", EARS, [(10, 10), (40, 10)], xyxy=[BOX]))
    assert measured("pck", (asked, say(points("mouse", EARS, [(40, 10), (10, 10)])))) == [0]


def test_one_answer_serves_one_object():
    same = [(10, 10), (40, 10)]
    asked = one(points("mouse", EARS, same, same, xyxy=[BOX, BOX]))
    assert measured("pck", (asked, say(points("mouse", EARS, same)))) == [0.5]
    assert measured("pck", (asked, say(points("mouse", EARS, same, same)))) == [1]


def test_answers_are_given_out_so_that_most_points_are_right():
    # The first answer fits both objects, the second only the first of them.
    asked = one(points("mouse", EARS, [(10, 10), (40, 10)], [(14, 10), (44, 10)], xyxy=[BOX, BOX]))
    answer = say(points("mouse", EARS, [(12, 10), (42, 10)], [(8, 10), (38, 10)]))
    assert measured("pck", (asked, answer)) == [1]


def test_only_labelled_points_of_objects_that_count_are_asked():
    asked = one(points("mouse", EARS, [(10, 10), None], [(10, 80), (40, 80)], xyxy=[BOX, BOX], ignore=[False, True]))
    assert measured("pck", (asked, say(points("mouse", EARS, [(10, 10), (99, 99)])))) == [1]
    assert measured("pck", (one(points("mouse", EARS)), say())) == [None]


def test_what_is_not_shown_does_not_count():
    asked = one(points("mouse", EARS, [(10, 10), (40, 10)], xyxy=[BOX]))
    answer = say(points("mouse", EARS, [(10, 10), (40, 10)], scores=[0.2]))
    assert measured("pck", (asked, answer)) == [0] and measured("pck", (asked, answer), min_score=0.1) == [1]


@pytest.mark.parametrize("name", ["pck:x", "pck:-1", "pck:0", "pck:", "pck:nan", "pck:inf"])
def test_odd_shares_are_refused(name):
    with pytest.raises(ValueError, match=f'Got the metric "{name}"; expected a share of the longer side above 0'):
        metric_class("keypoints", name)


def test_routing_compares_kinds():
    asked = example("Mark the left ear of mouse.", points("mouse", EARS, [(1, 1), (2, 2)]))
    assert measured("routing", (asked, say(points("mouse", EARS)))) == [1]
    assert measured("routing", (asked, say(boxes("mouse")))) == [0]


# The mean pose

def test_mean_pose_by_hand():
    first = points("mouse", ("snout", "tail"), [(10, 20), (30, 20)], xyxy=[[0, 0, 40, 40]])  # middle (20, 20)
    second = points("mouse", ("tail", "snout"), [(90, 50), None], [(1, 1), (1, 1)], xyxy=[[50, 30, 90, 70], BOX], ignore=[False, True])
    model = MeanPose([((100, 50), first), ((100, 100), second)])
    # snout: (-10, 0) / (100, 50). tail: the mean of (0.1, 0) and (20, 0) / 100.
    picture = Image(np.zeros((100, 200, 3), np.uint8))
    (part,) = model.ask("Mark the tail and snout of Mouse.", image=picture).keypoints
    assert part.label == "Mouse" and part.names == ("tail", "snout")
    np.testing.assert_allclose(part.xyv, [[[130, 50, 2], [80, 50, 2]]], atol=1e-4)
    assert model.ask("Mark the keypoints of mouse.", image=picture).keypoints[0].names == ("snout", "tail")
    assert model.ask("Mark the keypoints of dog.", image=picture).keypoints == () == model.ask("Mark mouse.").keypoints
    assert model.ask("Mark mouse.", image=picture).text == "mouse."
    with pytest.raises(ValueError, match="no labelled point"):
        MeanPose([((9, 9), points("mouse", ("a",), [None]))])


def test_mean_pose_learns_from_a_source():
    class Mice(Source):
        def __len__(self):
            return 4

        def conversation(self, index, rng):
            part = points("mouse", ("snout",), [(10 + index, 10)], xyxy=[[0, 0, 20, 20]])
            return Conversation((Message("user", (grey(), Text("Mark."))), Message("assistant", part)))

    model = MeanPose.fit(Mice())
    np.testing.assert_allclose(model.poses["mouse"]["snout"], [1.5 / 40, 0], atol=1e-6)
