"""Every metric but AP, against figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from evaluate_fakes import HEIGHT, WIDTH, boxes, example, masks, say

from superlens.evaluate.metrics import METRICS, Facts, metric_class
from superlens.evaluate.metrics.absent import Absent, Refusal
from superlens.evaluate.metrics.interactive import Interactive
from superlens.evaluate.metrics.mean_iou import MeanIou
from superlens.evaluate.metrics.referring import ExpressionIou, PrecisionAtHalf
from superlens.evaluate.metrics.routing import Routing
from superlens.evaluate.metrics.text import Accuracy, normalised
from superlens.message import Conversation, Image, Masks, Message, Region, Text

ONE, TWO, FAR = (0, 0, 10, 10), (20, 5, 30, 15), (30, 20, 40, 30)


def measured(kind, part, *pairs, min_score=0.3, **facts):
    metric = kind(Facts(**facts), part, min_score)
    for item, answer in pairs:
        metric.add(item, answer)
    return metric.result()


def test_the_surface():
    assert {part: tuple(names) for part, names in METRICS.items()} == {
        "boxes": ("ap", "p50", "absent", "refusal", "routing"),
        "masks": ("ap", "miou", "iou", "pq", "interactive", "absent", "refusal", "routing"),
        "keypoints": ("oks", "pck", "routing"),
        "text": ("accuracy", "routing"),
        "moments": ("tiou", "routing"),
        "image": ("geneval", "edit", "psnr", "ssim", "routing"),
    }
    keys = {
        "ap": ["AP", "AP50", "AP75"], "p50": ["P@0.5"], "absent": ["silent", "recall"], "refusal": ["N-acc", "T-acc"],
        "miou": ["mIoU", "per_class"],
        "iou": ["gIoU", "cIoU"], "interactive": ["mIoU", "cIoU", "per_prompt"], "oks": ["AP", "AP50", "AP75"], "pck": ["PCK"],
        "accuracy": ["accuracy"], "routing": ["routing"], "geneval": ["geneval", "per_task"], "edit": ["made", "kept", "per_form"],
        "psnr": ["psnr", "before"], "ssim": ["ssim", "before"],
        "pq": ["PQ", "SQ", "RQ", "per_class"], "tiou": ["R1@0.3", "R1@0.5", "R1@0.7", "mIoU"],
    }
    for part, names in METRICS.items():
        for name, kind in names.items():
            assert metric_class(part, name) is kind
            assert list(kind(None, part).result()) == keys[name]


@pytest.mark.parametrize("part, name, words", [
    ("box", None, "unknown part 'box' to evaluate: did you mean 'boxes'"),
    ("boxes", "app", "unknown metric 'app' for boxes: did you mean 'ap'"),
    ("boxes", "miou", "unknown metric 'miou' for boxes"),
    ("text", "acuracy", "did you mean 'accuracy'"),
    ("keypoints", "pcl:0.1", "unknown metric 'pcl' for keypoints: did you mean 'pck'"),
    ("boxes", "ap:0.5", "a metric that takes none"),
])
def test_unknown_names_are_refused(part, name, words):
    with pytest.raises(ValueError, match=words):
        metric_class(part, name)


def test_interactive_segmentation_is_told_apart_by_prompt_and_not_by_label():
    def asked(*regions, wanted=ONE):
        item = example("Segment it.", masks("red circle", wanted))
        user = item.question.messages[-1]
        return replace(item, question=Conversation((Message("user", (*user.content, *regions)),)))

    point, box = Region.point(5, 5), Region.box(0, 0, 10, 10)
    pairs = [
        (asked(point), say(masks("blue star", ONE))),  # the wrong name for the right pixels
        (asked(point), say(masks("red circle", (0, 0, 10, 5)))),
        (asked(box), say(masks("red circle", FAR))),
        (asked(box, Region.point(25, 10, positive=False)), say()),
        (example("Segment it.", masks("red circle", ONE)), say()),  # nobody points: not counted
    ]
    found = measured(Interactive, "masks", *pairs)
    assert found["mIoU"] == pytest.approx(1.5 / 4) and found["cIoU"] == pytest.approx(150 / (100 + 100 + 200 + 100))
    assert found["per_prompt"] == pytest.approx({
        "point mIoU": 0.75, "point cIoU": 0.75, "box mIoU": 0, "box cIoU": 0, "refined mIoU": 0, "refined cIoU": 0,
    })


def test_p50_is_about_the_best_box():
    asked = example("Find the cat.", boxes("the cat", ONE))
    answers = [
        say(boxes("the cat", ONE)),
        say(boxes("something else", (0, 0, 10, 5), scores=[0.02])),      # IoU exactly 0.5
        say(boxes("the cat", FAR, ONE, scores=[0.6, 0.5])),
        say(boxes("the cat", FAR, scores=[0.1]), boxes("cat", ONE, scores=[0.2])),
        say(boxes("the cat", (0, 0, 10, 4.9))),
        say(boxes("the cat")),
        say(),
        say(boxes("the cat", ONE, image=1)),
    ]
    right = [measured(PrecisionAtHalf, "boxes", (asked, answer))["P@0.5"] for answer in answers]
    assert right == [1, 1, 0, 1, 0, 0, 0, 0]
    assert measured(PrecisionAtHalf, "boxes", *[(asked, answer) for answer in answers]) == {"P@0.5": 3 / 8}


def test_p50_wants_one_thing():
    several = [example("Find cats.", boxes("cats", ONE, TWO)), example("Find cats.", boxes("cats")),
               example("Find cats and dogs.", boxes("cats", ONE), boxes("dogs")),
               example("Find cats.", boxes("cats", ONE, ignore=[True]))]
    with pytest.raises(ValueError, match="exactly one thing"):
        measured(PrecisionAtHalf, "boxes", *[(item, say()) for item in several])
    one = (example("Find the cat.", boxes("the cat", ONE)), say(boxes("the cat", ONE)))
    assert measured(PrecisionAtHalf, "boxes", one, *[(item, say()) for item in several]) == {"P@0.5": 1}


def test_expression_iou():
    first = example("Segment the cat.", masks("the cat", ONE))
    nothing = example("Segment the dog.", masks("the dog"))
    pairs = [
        (first, say(masks("the cat", (0, 0, 10, 5)))),            # 50 / 100
        (first, say(masks("cat", ONE), masks("cat", TWO))),       # 100 / 200, two parts of another name
        (nothing, say(masks("the dog"))),                         # nothing meant, nothing said: 1
        (nothing, say(masks("the dog", TWO))),                    # 0 / 100
        (first, say(masks("the cat", ONE, scores=[0.2]))),        # too unsure to be shown: 0 / 100
        (first, say()),                                           # 0 / 100
    ]
    assert measured(ExpressionIou, "masks", *pairs) == {"gIoU": pytest.approx(2 / 6), "cIoU": pytest.approx(150 / 600)}
    assert measured(ExpressionIou, "masks", pairs[2]) == {"gIoU": 1, "cIoU": 1}
    assert measured(ExpressionIou, "masks", (nothing, say(Masks("x", np.zeros((0, 0, 0)))))) == {"gIoU": 1, "cIoU": 1}


def test_expression_iou_of_several_labels_and_ignored_masks():
    asked = example("Segment cats and dogs.", masks("cats", ONE, TWO, ignore=[False, True]), masks("dogs", FAR))
    perfect = say(masks("Cats", ONE, TWO), masks("dogs", FAR))
    swapped = say(masks("dogs", ONE), masks("cats", FAR))
    assert measured(ExpressionIou, "masks", (asked, perfect)) == {"gIoU": 1, "cIoU": 1}
    assert measured(ExpressionIou, "masks", (asked, swapped)) == {"gIoU": 0, "cIoU": 0}


@pytest.mark.parametrize("part, thing", [("boxes", boxes), ("masks", masks)])
def test_absent(part, thing):
    asked = example("Find cats, dogs and cows.", thing("cats", ONE, TWO), thing("dogs"), thing("cows"))
    answers = {
        "perfect": say(thing("cats", ONE, TWO), thing("dogs"), thing("cows")),
        "empty": say(),
        "unsure": say(thing("cats", ONE, scores=[0.29]), thing("dogs", FAR, scores=[0.29]), thing("cows")),
        "loud": say(thing("cats", ONE, FAR, scores=[0.3, 0.9]), thing("dogs", FAR, scores=[0.3]), thing("cows")),
        "twice": say(thing("cats", ONE, ONE, scores=[0.9, 0.8])),
    }
    results = {name: tuple(measured(Absent, part, (asked, answer)).values()) for name, answer in answers.items()}
    assert results == {"perfect": (1, 1), "empty": (1, 0), "unsure": (1, 0), "loud": (0.5, 0.5), "twice": (1, 0.5)}
    loose = measured(Absent, part, (asked, answers["unsure"]), min_score=0.1)
    assert loose == {"silent": 0.5, "recall": 0.5}


@pytest.mark.parametrize("part, thing", [("boxes", boxes), ("masks", masks)])
def test_refusal(part, thing):
    asked = example("Find cats, dogs and cows.", thing("cats", ONE, TWO), thing("dogs"), thing("cows"))
    answers = {
        "perfect": say(thing("Cats", ONE), thing("dogs"), thing("cows")),
        "empty": say(),
        "unsure": say(thing("cats", ONE, scores=[0.29]), thing("dogs", FAR, scores=[0.29])),
        "loud": say(thing("cats", FAR), thing("dogs", FAR)),
    }
    results = {name: tuple(measured(Refusal, part, (asked, answer)).values()) for name, answer in answers.items()}
    assert results == {"perfect": (1, 1), "empty": (1, 0), "unsure": (1, 0), "loud": (0.5, 1)}
    crowd = example("Find cats.", boxes("cats", ONE, ignore=[True]))
    assert measured(Refusal, "boxes", (crowd, say())) == {"N-acc": None, "T-acc": None}


def test_absent_with_ignored_objects_and_nothing_to_measure():
    crowd = example("Find cats and dogs.", boxes("cats", ONE, ignore=[True]), boxes("dogs", ONE, TWO, ignore=[1, 0]))
    assert measured(Absent, "boxes", (crowd, say(boxes("cats", FAR), boxes("dogs", TWO)))) == \
        {"silent": None, "recall": 1}
    assert measured(Absent, "boxes", (example("?", boxes("cats")), say())) == {"silent": 1, "recall": None}


def test_mean_iou_sums_over_the_data_set():
    first = example("Segment cats and dogs.", masks("cats", ONE, TWO), masks("dogs"), picture=1)
    second = example("Segment cats and dogs.", masks("cats"), masks("dogs", FAR), picture=2)
    # cats: picture 1 both 150, either 200; picture 2 either 100. dogs: picture 2 both 100, either 100.
    pairs = [(first, say(masks("cats", ONE, (20, 5, 30, 10)), masks("dogs"))),
             (second, say(masks("Cats ", ONE), masks("dogs", FAR, TWO, scores=[0.4, 0.2])))]
    result = measured(MeanIou, "masks", *pairs)
    assert result["per_class"] == {"cats": pytest.approx(150 / 300), "dogs": 1}
    assert result["mIoU"] == pytest.approx(0.75)
    perfect = measured(MeanIou, "masks", (first, first.answer), (second, second.answer))
    assert perfect == {"mIoU": 1, "per_class": {"cats": 1, "dogs": 1}}
    assert measured(MeanIou, "masks", (first, say()), (second, say()))["mIoU"] == 0
    nothing = example("Segment cats.", masks("cats"))
    assert measured(MeanIou, "masks", (nothing, say(masks("cats")))) == {"mIoU": None, "per_class": {}}


def test_mean_iou_leaves_out_what_nobody_annotated():
    left, right = (0, 0, 20, 30), (20, 0, 30, 30)
    everywhere = (0, 0, WIDTH, HEIGHT)
    asked = example("Segment sky and road.", masks("sky", left), masks("road", right))
    answer = say(masks("sky", left), masks("road", (20, 0, 40, 30)))
    # The ten columns at the right are in no mask: there road is no mistake.
    assert measured(MeanIou, "masks", (asked, answer), semantic=True)["mIoU"] == 1
    assert measured(MeanIou, "masks", (asked, answer))["per_class"] == {"road": 0.5, "sky": 1}
    greedy = measured(MeanIou, "masks", (asked, say(masks("sky", everywhere))), semantic=True)["per_class"]
    assert greedy == {"road": 0, "sky": pytest.approx(20 / 30)}


def test_mean_iou_of_a_picture_asked_in_chunks():
    left, right = (0, 0, 20, 30), (20, 0, 30, 30)
    chunks = [example("Segment sky.", masks("sky", left), picture=3, task="semantic"),
              example("Segment cars.", masks("cars"), picture=4, task="semantic"),
              example("Segment road.", masks("road", right), picture=3, task="semantic")]
    # What sky covers of the road is annotated, though only in a later chunk; cars stand on unannotated ground.
    answers = [say(masks("sky", (0, 0, 40, 30))), say(masks("cars", left)), say(masks("road", right))]
    per_class = measured(MeanIou, "masks", *zip(chunks, answers))["per_class"]
    assert per_class == {"road": 1, "sky": pytest.approx(2 / 3)}
    # An answer under a label of another chunk counts for the picture.
    answers = [say(masks("sky", left), masks("road", right)), say(), say()]
    assert measured(MeanIou, "masks", *zip(chunks, answers))["mIoU"] == 1


def test_mean_iou_of_ignored_unlabelled_and_unknown():
    asked = example("Segment cats.", masks("cats", ONE, TWO, ignore=[False, True]), picture=5)
    answer = say(masks("cats", ONE, TWO), masks("zebra", FAR), masks("dogs", FAR))
    assert measured(MeanIou, "masks", (asked, answer)) == {"mIoU": 1, "per_class": {"cats": 1}}
    known = frozenset(("cats", "dogs"))
    assert measured(MeanIou, "masks", (asked, answer), categories=known)["per_class"] == {"cats": 1, "dogs": 0}
    unlabelled = {5: frozenset(("dogs",))}
    assert measured(MeanIou, "masks", (asked, answer), categories=known, unlabelled=unlabelled)["mIoU"] == 1


@pytest.mark.parametrize("said, meant, same", [
    ("three", "3.", True), (" The red  star. ", "red star", True), ("Yes!", "yes.", True), ("No.", "Yes.", False),
    ("Twenty-one", "21", True), ("no", "0", False), ("", "A.", False), ("a", "A.", True), ("the", "A.", False),
    ("There are three.", "3.", False), ("“An apple”.", "apple", True), ("3.5", "3.5.", True), ("", "Yes.", False),
])
def test_accuracy(said, meant, same):
    asked = example("What?", Text(meant), task="count")
    assert measured(Accuracy, "text", (asked, say(Text(said)))) == {"accuracy": float(same)}


def test_normalised():
    assert normalised("The Three red stars.") == "3 red stars"


def test_routing_of_boxes():
    asked = example("Find red cats and dogs.", boxes("red cats", ONE), Text(" and "), boxes("dogs"), Text("."))
    right = [say(boxes("dogs"), boxes("Red cats")), say(Text("Here: "), boxes("red cats", TWO), boxes("dogs", FAR))]
    wrong = [say(), say(boxes("red cats", ONE)), say(boxes("red cats"), boxes("dogs"), boxes("dogs")),
             say(boxes("cats"), boxes("dogs")), say(boxes("red cats"), masks("dogs")),
             say(boxes("red cats"), boxes("dogs"), boxes("cows")), say(Text("red cats and dogs."))]
    assert [measured(Routing, "boxes", (asked, answer))["routing"] for answer in right] == [1, 1]
    assert [measured(Routing, "boxes", (asked, answer))["routing"] for answer in wrong] == [0] * 7
    pairs = [(asked, answer) for answer in (*right, *wrong)]
    assert measured(Routing, "boxes", *pairs) == {"routing": pytest.approx(2 / 9)}


def test_routing_where_the_label_is_to_be_reasoned_out():
    riddle = example("What would roll off first?", masks("red circle", ONE), Text("."))
    answers = [say(masks("red circle", TWO)), say(masks("ball")), say(boxes("red circle")), say(),
               say(masks("a"), masks("b"))]
    right = [measured(Routing, "masks", (riddle, answer))["routing"] for answer in answers]
    assert right == [1, 1, 0, 0, 0]


def test_routing_of_words():
    asked = example("How many cats?", Text("3."), task="count")
    picture = Image(np.zeros((2, 2, 3), np.uint8))
    answers = [say(Text("Four.")), say(), say(Text(" ")), say(boxes("cats", ONE)), say(Text("3."), picture)]
    assert [measured(Routing, "text", (asked, answer))["routing"] for answer in answers] == [1, 0, 0, 0, 0]
