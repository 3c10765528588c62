"""COCO files with keypoints: what is asked, in which words, and that points follow their pictures."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from superlens.data.augment import Augment, View, mirror_order, see_points
from superlens.data.check import check
from superlens.data.convert import convert
from superlens.data.sources import open_source
from superlens.data.sources.coco import CocoSource
from superlens.data.sources.points import ALL_POINTS, only
from superlens.data.templates import HELD_OUT
from superlens.message import Conversation, Image, Keypoints, Message, Text

BODY = ["snout", "leftear", "rightear", "Tail_base"]
WORDS = ("snout", "leftear", "rightear", "tail base")
FIRST = [12, 15, 2, 20, 12, 2, 20, 25, 1, 7, 7, 0]  # the tail base is not labelled


@pytest.fixture
def write(tmp_path, save_picture):
    """Three pictures: two mice (the second without points), a paw, and nothing; `change(data)` edits the file."""

    def write(change=None):
        for number in (1, 2, 3):
            save_picture(tmp_path / f"images/{number}.png", seed=number)
        things = [(1, 1, [10, 10, 30, 20], FIRST), (1, 1, [40, 30, 20, 10], [0] * 12), (2, 2, [5, 5, 40, 40], [10, 10, 2, 30, 30, 2])]
        data = {
            "images": [{"id": n, "file_name": f"images/{n}.png", "width": 64, "height": 48} for n in (1, 2, 3)],
            "annotations": [
                {"id": at, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3] / 2, "iscrowd": 0,
                 "keypoints": list(points), "num_keypoints": sum(v > 0 for v in points[2::3])}
                for at, (image, category, box, points) in enumerate(things, 1)
            ],
            "categories": [{"id": 1, "name": "mouse", "keypoints": BODY}, {"id": 2, "name": "paw", "keypoints": ["Hand", "Finger1"]}],
        }
        if change:
            change(data)
        path = tmp_path / "points.json"
        path.write_text(json.dumps(data))
        return path

    return write


def sample(source, index=0, seed=0):
    return source.conversation(index, np.random.default_rng(seed))


def test_examples_ask_every_category_for_all_its_points(write):
    source = CocoSource(write())
    assert source.parts == ("boxes", "keypoints")
    examples = source.examples("keypoints")
    assert [(example.picture, example.task) for example in examples] == [(n, "keypoints") for n in (1, 1, 2, 2, 3, 3)]
    (mice,) = examples[0].answer.keypoints
    assert mice.label == "mouse" and mice.names == WORDS
    assert mice.xyv[0].tolist() == [[12, 15, 2], [20, 12, 2], [20, 25, 1], [0, 0, 0]] and not mice.xyv[1].any()
    assert mice.ignore.tolist() == [False, True], "an object without a labelled point is ignored"
    assert mice.xyxy.tolist() == [[10, 10, 40, 30], [40, 30, 60, 40]] and mice.area.tolist() == [300, 100]
    question = examples[0].question.messages[-1].text
    assert question in {wording.format(things="mouse", names="snout, leftear, rightear and tail base") for wording in
                        HELD_OUT["keypoints"]}
    assert [part.count for example in examples for part in example.answer.keypoints] == [2, 0, 0, 1, 0, 0]
    assert examples[3].answer.keypoints[0].names == ("hand", "finger1") and examples[3].answer.keypoints[0].ignore is None


def test_training_asks_for_all_points_or_some_by_name(write):
    source = CocoSource(write(), tasks={"keypoints": 1})
    seen, unnamed, labels = set(), 0, set()
    for seed in range(300):
        question, answer = sample(source, 0, seed).messages
        (part,) = answer.keypoints
        assert part.label in question.text and answer.text == f"{part.label}."
        labels.add(part.label)
        if part.count == 0:
            assert part.label in ("paw", "paws")
            continue
        whole = dict(zip(WORDS, FIRST[::3]))
        for name, x in zip(part.names, part.xyv[0, :, 0], strict=True):
            assert x == (0 if name == "tail base" else whole[name])
        places = [question.text.find(name) for name in part.names]
        if -1 in places:
            assert part.names == WORDS and any(word in question.text for word in ALL_POINTS)
            unnamed += 1
        else:
            assert places == sorted(places), "answered in the order of the question"
            seen.add(part.names)
        blank = [not any(thing[:, 2]) for thing in part.xyv]
        assert ([False, False] if part.ignore is None else part.ignore.tolist()) == blank
    assert 40 < unnamed < 110 and labels == {"mouse", "mice", "paw", "paws"}
    assert {len(names) for names in seen} == {1, 2, 3, 4} and WORDS in seen and ("tail base",) in seen and len(seen) > 20


def test_weights_and_tasks(write, write_coco):
    assert CocoSource(write()).tasks == {"boxes": 0.8, "keypoints": 0.8}
    with pytest.raises(ValueError, match='"keypoints"'):
        CocoSource(write_coco(), tasks={"keypoints": 1})
    with pytest.raises(ValueError, match="choose one of these"):
        CocoSource(write_coco()).examples("keypoints")


def test_unlabelled_categories_are_not_asked_for(write):
    def hide(data):
        data["images"][0]["unlabelled_classes"] = ["mouse"]

    source = CocoSource(write(hide), tasks={"keypoints": 1})
    assert [example.answer.keypoints[0].label for example in source.examples("keypoints")] == ["paw", "mouse", "paw", "mouse", "paw"]
    assert {sample(source, 0, seed).messages[1].keypoints[0].label for seed in range(30)} == {"paw", "paws"}


def test_crowds_are_ignored(write):
    source = CocoSource(write(lambda data: data["annotations"][0].update(iscrowd=1)))
    assert source.examples("keypoints")[0].answer.keypoints[0].ignore.tolist() == [True, True]


# Points follow their pictures

def test_a_mirror_image_swaps_left_and_right():
    part = Keypoints("mouse", WORDS, [[[12, 15, 2], [20, 12, 2], [20, 25, 1], [0, 0, 0]]], xyxy=[[10, 10, 40, 30]], area=[300])
    seen = see_points(View(0, 0, 64, 48, 64, 48, flip_x=True), part)
    assert seen.xyv.tolist() == [[[52, 15, 2], [44, 25, 1], [44, 12, 2], [0, 0, 0]]], "ears have changed names, and v with them"
    assert seen.xyxy.tolist() == [[24, 10, 54, 30]] and seen.area.tolist() == [300] and seen.ignore is None
    turned = see_points(View(0, 0, 64, 48, 128, 96, flip_x=True, flip_y=True), part)
    assert turned.xyv[0, 1].tolist() == [88, 72, 2] and turned.area.tolist() == [1200], "half a turn is no mirror image"
    quarter = see_points(View(0, 0, 64, 48, 64, 48, turn=True), part)
    assert quarter.xyv[0, 2].tolist() == [12, 20, 2], "rows and columns are swapped: a mirror image"


@pytest.mark.parametrize("flips", [(x, y, t) for x in (0, 1) for y in (0, 1) for t in (0, 1)])
def test_points_and_pixels_move_together(flips):
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[21:27, 31:37], pixels[40:46, 50:56] = (255, 0, 0), (0, 255, 0)
    part = Keypoints("mouse", ("red", "green"), [[[34, 24, 2], [53, 43, 1]]])
    view = View(10, 10, 60, 40, 120, 80, *map(bool, flips))
    seen, moved = view.pixels(pixels), see_points(view, part)
    for channel, (x, y, _) in enumerate(moved.xyv[0]):
        assert seen[int(y), int(x), channel] > 200 and seen[int(y), int(x)].sum() < 320
    assert moved.xyv[0, :, 2].tolist() == [2, 1]


def test_points_outside_the_view_are_not_labelled_and_objects_are_ignored_or_dropped():
    # Boxes stay in by 100 %, 50 %, 20 %, 20 %, 50 %; each object has two points.
    rows = [[(60, 5), (90, 5)], [(35, 5), (60, 5)], [(12, 5), (55, 5)], [(12, 5), (20, 5)], [(32, 5), (40, 5)]]
    boxes = [[55, 0, 95, 10], [30, 0, 70, 10], [10, 0, 60, 10], [10, 0, 60, 10], [30, 0, 70, 10]]
    part = Keypoints("x", ("a", "b"), [[(*xy, 2) for xy in row] for row in rows], xyxy=boxes)
    seen = see_points(View(50, 0, 50, 50, 50, 50), part)
    assert seen.xyv.tolist() == [[[10, 5, 2], [40, 5, 2]], [[0, 0, 0], [10, 5, 2]], [[0, 0, 0], [5, 5, 2]], [[0, 0, 0], [0, 0, 0]]]
    assert seen.ignore.tolist() == [False, True, True, True] and seen.count == 4
    bare = see_points(View(50, 0, 50, 50, 50, 50), Keypoints("x", ("a", "b"), part.xyv))
    assert bare.xyxy is None and bare.ignore.tolist() == [False, True, True] and bare.count == 3


@pytest.mark.parametrize("names, order", [
    (("nose", "left eye", "right eye"), [0, 2, 1]),
    (("leftear", "snout", "rightear"), [2, 1, 0]),
    (("ear_left", "ear_right"), [1, 0]),
    (("LeftEar", "RightEar"), [1, 0]),
    (("l paw", "r_paw", "R paw", "tail"), [2, 1, 0, 3]),
    (("bright spot", "tail"), [0, 1]),
    (("leg", "rib"), [0, 1]),
    (("nose", "left eye"), None),
    (("leftear", "tail"), None),
])
def test_names_in_a_mirror(names, order):
    found = mirror_order(names)
    assert (found if found is None else found.tolist()) == order


def test_augmented_samples_hold_what_the_pixels_show(write, tmp_path):
    path = write(lambda data: data["annotations"].pop(1))
    pixels = np.full((48, 64, 3), 0, np.uint8)
    for (x, y), colour in zip([(12, 15), (20, 12), (20, 25)], [(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        pixels[y - 2 : y + 2, x - 2 : x + 2] = colour
    Pil.fromarray(pixels).save(tmp_path / "images/1.png")
    source = CocoSource(path, tasks={"keypoints": 1}, augment=Augment(side=96, long_side=96, scale=(0.9, 1), colour=0, turn=True))
    mirrored = checked = 0
    for seed in range(60):
        conversation = sample(source, 0, seed)
        (part,) = conversation.messages[1].keypoints
        if not part.count or not {"leftear", "rightear", "snout"} <= set(part.names):
            continue
        seen, at = conversation.images[0].pixels, dict(zip(part.names, part.xyv[0]))
        if min(at[name][2] for name in WORDS[:3]) == 0:
            continue
        colours = [int(seen[int(at[name][1]), int(at[name][0])].argmax()) for name in WORDS[:3]]
        assert colours in ([0, 1, 2], [0, 2, 1])
        mirrored += colours == [0, 2, 1]
        checked += 1
    assert checked > 15 and 3 < mirrored < checked - 3


def test_conversations_about_points_are_augmented():
    def talk(names, question="Mark the keypoints of mice."):
        points = Keypoints("mice", names, [[[10, 10, 2], [30, 20, 2]]], xyxy=[[5, 5, 40, 30]])
        asked = Message("user", (Image(np.zeros((48, 64, 3), np.uint8)), Text(question)))
        return Conversation((asked, Message("assistant", (points, Text(".")))))

    def sides(names, question="Mark the keypoints of mice."):
        augment = Augment(side=64, long_side=64, scale=(1, 1), colour=0)
        found = [augment(talk(names, question), np.random.default_rng(seed)).messages[1].keypoints[0] for seed in range(30)]
        return {tuple(part.xyv[0, :, 0]) for part in found}

    assert sides(("snout", "tail")) == {(10, 30), (54, 34)}
    assert sides(("left ear", "right ear")) == {(10, 30), (34, 54)}, "mirrored, the left ear is the right one"
    assert sides(("left ear", "tail")) == {(10, 30)}, "one side alone can not be mirrored"
    assert sides(("left ear", "right ear"), "Mark the left ear and right ear of mice.") == {(10, 30)}
    with pytest.raises(ValueError, match="both sides"):
        see_points(View(0, 0, 64, 48, 64, 48, flip_x=True), Keypoints("x", ("left ear",), [[[1, 1, 2]]]))


def test_only_some_points():
    part = Keypoints("x", ("a", "b"), [[[1, 1, 2], [2, 2, 2]], [[3, 3, 2], [0, 0, 0]]], ignore=[True, False])
    chosen = only(part, ["b"])
    assert chosen.names == ("b",) and chosen.xyv.tolist() == [[[2, 2, 2]], [[0, 0, 0]]] and chosen.ignore.tolist() == [True, True]
    with pytest.raises(ValueError):
        only(part, ["c"])


# Broken files, and other formats

@pytest.mark.parametrize(
    ("record", "words", "change"),
    [
        ("annotation 1", "11 numbers, expected x, y, v of 4 points: 12", lambda data: data["annotations"][0]["keypoints"].pop()),
        ("annotation 1", 'v of its point "leftear" is 3', lambda data: data["annotations"][0]["keypoints"].__setitem__(5, 3)),
        ("annotation 1", '"rightear" (20, 60) is outside', lambda data: data["annotations"][0]["keypoints"].__setitem__(7, 60)),
        ("annotation 1", "no number", lambda data: data["annotations"][0]["keypoints"].__setitem__(0, "a")),
        ("annotation 3", "no names for them", lambda data: data["categories"][1].pop("keypoints")),
        ("category 1", "have the same name", lambda data: data["categories"][0].update(keypoints=["a b", "A_b", "c", "d"])),
        ("category 1", "expected a list of names", lambda data: data["categories"][0].update(keypoints="snout")),
    ],
)
def test_broken_points_are_named_and_refused(write, record, words, change):
    path = write(change)
    assert any(problem.record == record and words in problem.sentence for problem in check(path)), check(path)
    with pytest.raises(ValueError, match=record):
        CocoSource(path)


def test_sound_points_and_points_a_pixel_outside(write):
    assert check(write()) == []
    path = write(lambda data: data["annotations"][2]["keypoints"].__setitem__(0, -0.9))
    assert check(path) == [] and CocoSource(path).examples("keypoints")[3].answer.keypoints[0].xyv[0, 0].tolist() == [0, 10, 2]


def test_a_category_listed_twice_with_other_points_is_refused(write):
    with pytest.raises(ValueError, match="twice, with different keypoints"):
        CocoSource(write(lambda data: data["categories"].append({"id": 9, "name": "Mouse", "keypoints": ["a"]})))


def test_points_survive_conversion(write, tmp_path):
    path, out = write(), tmp_path / "out.jsonl"
    assert convert(path, out) == 2 + 2 + 1 and check(out) == []
    before = CocoSource(path).examples("keypoints")[0].answer.keypoints[0]
    after = [example.answer.keypoints[0] for example in open_source(out).examples("keypoints")]
    assert before in after and len(after) == 5
    assert convert(path, tmp_path / "boxes.jsonl", part="boxes") == 3
