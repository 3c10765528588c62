"""COCO AP: against figures worked out by hand, and against pycocotools."""

import numpy as np
import pytest
from evaluate_fakes import boxes, example, masks, say
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from superlens.evaluate.metrics import Facts
from superlens.evaluate.metrics.average_precision import AveragePrecision

ONE, TWO, FAR = (2, 2, 12, 12), (20, 5, 30, 15), (30, 20, 40, 30)


def measured(pairs, part="boxes", **facts):
    metric = AveragePrecision(Facts(**facts), part)
    for item, answer in pairs:
        metric.add(item, answer)
    result = metric.result()
    assert list(result) == ["AP", "AP50", "AP75"]
    return [result[key] if result[key] is None else round(result[key], 4) for key in result]


@pytest.mark.parametrize("part, thing", [("boxes", boxes), ("masks", masks)])
def test_perfect_empty_and_half(part, thing):
    asked = example("Find cats and dogs.", thing("Cats", ONE, TWO), thing("dogs"))
    perfect = say(thing("cats ", ONE, TWO, scores=[0.9, 0.8]), thing("dogs"))
    assert measured([(asked, perfect)], part) == [1, 1, 1]
    assert measured([(asked, say())], part) == [0, 0, 0]
    assert measured([(asked, say(thing("cats", TWO)))], part) == pytest.approx([0.505, 0.505, 0.505], abs=1e-3)


@pytest.mark.parametrize("part, thing", [("boxes", boxes), ("masks", masks)])
def test_thresholds(part, thing):
    # 10 x 10 against 10 x 7: IoU 0.7, so found at 0.50, 0.55, 0.60, 0.65 and 0.70.
    asked = example("Find cats.", thing("cats", ONE))
    assert measured([(asked, say(thing("cats", (2, 2, 12, 9), scores=[0.4])))], part) == [0.5, 1, 0]


def test_a_false_answer_before_the_right_one_halves_precision():
    asked = example("Find cats.", boxes("cats", ONE))
    assert measured([(asked, say(boxes("cats", FAR, ONE, scores=[0.9, 0.2])))]) == [0.5, 0.5, 0.5]
    assert measured([(asked, say(boxes("cats", FAR, ONE, scores=[0.2, 0.9])))]) == [1, 1, 1]


@pytest.mark.parametrize("part, thing", [("boxes", boxes), ("masks", masks)])
def test_ignored_objects_neither_count_nor_hurt(part, thing):
    asked = example("Find cats.", thing("cats", ONE, TWO, ignore=[False, True]))
    assert measured([(asked, say(thing("cats", TWO, ONE, scores=[0.9, 0.8])))], part) == [1, 1, 1]
    assert measured([(asked, say(thing("cats", ONE)))], part) == [1, 1, 1]
    crowd = example("Find cats.", thing("cats", TWO, ignore=[True]))
    assert measured([(crowd, say(thing("cats", ONE)))], part) == [None, None, None]


def test_pictures_without_objects_count():
    there = example("Find cats.", boxes("cats", ONE), picture="a")
    nothing = example("Find cats.", boxes("cats"), picture="b")
    right, wrong = say(boxes("cats", ONE, scores=[0.5])), say(boxes("cats", TWO, scores=[0.9]))
    assert measured([(there, right), (nothing, say(boxes("cats")))]) == [1, 1, 1]
    assert measured([(there, right), (nothing, wrong)]) == [0.5, 0.5, 0.5]


def test_the_mean_is_over_labels_with_objects():
    asked = example("Find cats, dogs and cows.", boxes("cats", ONE), boxes("dogs", TWO), boxes("cows"))
    assert measured([(asked, say(boxes("cats", ONE), boxes("dogs"), boxes("cows", FAR)))]) == [0.5, 0.5, 0.5]


def test_chunks_of_a_picture_are_one_picture():
    first = example("Find cats.", boxes("cats", ONE), picture=7)
    second = example("Find dogs.", boxes("dogs", TWO), picture=7)
    # Each chunk brings 60 objects of the other's label ahead of its own: only 100 of the picture remain.
    crowd = np.tile(np.array(FAR, np.float32), (60, 1))
    answers = [say(boxes("cats", *crowd, scores=np.full(60, 0.9)), boxes("dogs", TWO, scores=[0.1])),
               say(boxes("dogs", *crowd, scores=np.full(60, 0.8)), boxes("cats", ONE, scores=[0.05]))]
    assert measured(list(zip([first, second], answers))) == [0, 0, 0]
    few = [say(boxes("cats", ONE)), say(boxes("dogs", TWO))]
    assert measured(list(zip([first, second], few))) == [1, 1, 1]


def test_labels_that_were_not_asked():
    asked = example("Find cats.", boxes("cats", ONE), picture=1)
    other = example("Find dogs.", boxes("dogs", TWO), picture=2)
    stray = say(boxes("cats", ONE), boxes("dogs", FAR, scores=[1.0]))
    right = say(boxes("dogs", TWO, scores=[0.6]))
    half = pytest.approx([0.75, 0.75, 0.75])
    assert measured([(asked, stray), (other, right)], categories=frozenset(("cats", "dogs"))) == half
    assert measured([(asked, stray), (other, right)]) == half
    unlabelled = {1: frozenset(("dogs",))}
    assert measured([(asked, stray), (other, right)], unlabelled=unlabelled) == [1, 1, 1]
    unknown = say(boxes("cats", ONE), boxes("a zebra", FAR, scores=[1.0]))
    assert measured([(asked, unknown), (other, right)]) == [1, 1, 1]
    assert measured([(asked, unknown), (other, right)], categories=frozenset(("cats", "dogs"))) == [1, 1, 1]


def test_several_pictures_in_a_conversation():
    asked = example("Find cats.", boxes("cats", ONE, image=1), pictures=2)
    assert measured([(asked, say(boxes("cats", ONE, image=1)))]) == [1, 1, 1]
    assert measured([(asked, say(boxes("cats", ONE, image=0)))]) == [0, 0, 0]


def test_masks_of_another_size_are_refused():
    asked = example("Find cats.", masks("cats", ONE))
    small = type(masks("cats"))("cats", np.ones((1, 5, 5), bool))
    with pytest.raises(ValueError, match="5 x 5 pixels, the picture's are 40 x 30"):
        measured([(asked, say(small))], "masks")


def test_masks_without_pixels_are_no_answer():
    asked = example("Find cats.", masks("cats", ONE))
    answer = say(masks("cats", (0, 0, 0, 0), ONE, scores=[0.9, 0.8]))
    assert measured([(asked, answer)], "masks") == [1, 1, 1]


def test_agrees_with_pycocotools():
    rng = np.random.default_rng(3)
    pairs, truth, found = [], [], []
    for image in range(1, 13):
        parts, answers = [], []
        for category in (1, 2, 3):
            corners = rng.integers(0, 20, (int(rng.integers(0, 4)), 2))
            wanted = np.concatenate([corners, corners + rng.integers(5, 10, corners.shape)], 1).astype(float)
            skip = rng.random(len(wanted)) < 0.2
            said = np.concatenate([wanted + rng.integers(-2, 3, wanted.shape) * 0.5, wanted[:1] + 4])
            scores = rng.random(len(said)).astype(np.float32)
            parts.append(boxes(f"thing {category}", *wanted, ignore=skip))
            answers.append(boxes(f"thing {category}", *said, scores=scores))
            for box, ignore in zip(wanted, skip):
                truth.append({"id": len(truth) + 1, "image_id": image, "category_id": category, "iscrowd": int(ignore),
                              "bbox": [*box[:2], *(box[2:] - box[:2])], "area": float(np.prod(box[2:] - box[:2]))})
            for box, score in zip(said, scores):
                found.append({"image_id": image, "category_id": category, "score": float(score),
                              "bbox": [*box[:2], *(box[2:] - box[:2])]})
        pairs.append((example("Find things.", *parts, picture=image), say(*answers)))
    coco = COCO()
    coco.dataset = {"info": {}, "images": [{"id": image} for image in range(1, 13)], "annotations": truth,
                    "categories": [{"id": number, "name": str(number)} for number in (1, 2, 3)]}
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert 0.1 < evaluation.stats[0] < 0.9
    assert measured(pairs) == pytest.approx(evaluation.stats[:3].tolist(), abs=1e-4)
