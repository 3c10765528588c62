"""Figures of the drawn world: keypoints lie on what is drawn, know left from right, and know what hides them."""

import hashlib

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world import source as world_source
from superlens.data.world.bodies import rotation
from superlens.data.world.figure_turns import STRANGERS, WORDS
from superlens.data.world.figures import MAKERS, POINTS, FigureCanvas, draw_figures, sketch
from superlens.data.world.persons import person
from superlens.data.world.scene import HELD_OUT_PAIRS, TRAIN_PAIRS, draw_scene
from superlens.data.world.source import WEIGHTS
from superlens.message import Conversation

COCO = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle"]
SCENES = 70


@pytest.fixture(scope="module")
def scenes():
    return [draw_figures(np.random.default_rng([41, seed])) for seed in range(SCENES)]


@pytest.fixture(scope="module")
def bodies():
    return [person(np.random.default_rng([43, seed])) for seed in range(160)]


def _figures(scenes):
    for scene in scenes:
        for place, figure in enumerate(scene.figures):
            yield scene, len(scene.things) + place, figure


def _talks(count, **settings):
    world = World(**{"tasks": {"keypoints": 1.0}, **settings})
    return [world.conversation(index, np.random.default_rng([47, index])) for index in range(count)]


def _answers(talks):
    return [(user, part) for talk in talks for user, answer in zip(talk.messages[::2], talk.messages[1::2])
            for part in answer.keypoints]


# ---- what was there before


def _fingerprint(messages):
    """Of words, labels and boxes; pictures are compared by their mean, which other processors may round elsewhere."""
    digest = hashlib.sha256()
    for message in messages:
        digest.update(message.text.encode())
        for part in (*message.boxes, *message.masks):
            box = part.xyxy if part in message.boxes else part.bounds
            digest.update(part.label.encode() + np.round(box).astype(np.int64).tobytes())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize(("split", "seed", "expected", "means"), [
    ("train", 0, "f6e91fd9b65e3ee2", [68.41, 125.01, 81.17, 134.08]),
    ("val", 5, "6be63a00bd72b0fe", [108.12, 151.48, 127.68, 124.54]),
])
def test_conversations_without_figures_are_as_they_always_were(split, seed, expected, means):
    world = World(split, seed=seed)
    talks = [world.conversation(index, np.random.default_rng([31, index])) for index in range(4)]
    assert _fingerprint([message for talk in talks for message in talk.messages]) == expected
    assert [talk.images[0].pixels.mean() for talk in talks] == pytest.approx(means, abs=0.05)


@pytest.mark.parametrize(("part", "expected", "means"), [
    ("boxes", "49ff2cd2f834a088", [101.57, 73.02, 122.47, 111.8]),
    ("masks", "ad25ae64c84444b4", [116.25, 163.84, 100.24, 101.43]),
    ("text", "765441f7a03cb2a6", [135.3, 101.31, 120.92, 119.36]),
])
def test_examples_without_figures_are_as_they_always_were(part, expected, means):
    examples = list(World().examples(part, seed=1, limit=4))
    messages = [message for example in examples for message in (*example.question.messages, example.answer)]
    assert _fingerprint(messages) == expected
    assert [example.question.images[0].pixels.mean() for example in examples] == pytest.approx(means, abs=0.05)


def test_the_default_mix_has_no_keypoints():
    assert WEIGHTS["keypoints"] == 0 and "keypoints" not in World().tasks


# ---- bodies


def test_names_are_those_of_coco_in_words():
    assert [name.replace(" ", "_") for name in POINTS["person"]] == COCO
    assert len(set(POINTS["dog"])) == len(POINTS["dog"]) == 10 and set(WORDS) == set(POINTS) == set(MAKERS)
    for names in STRANGERS.values():
        assert len(set(names)) == len(names)


def test_a_body_that_faces_the_viewer_has_its_left_on_the_right():
    left = np.array([1.0, 0, 0])
    assert (rotation(0) @ left)[0] == 1 and (rotation(180) @ left)[0] == pytest.approx(-1)
    assert (rotation(90) @ left)[2] == pytest.approx(-1), "facing the right of the picture, the left side is far"
    assert (rotation(90) @ [0, 0, 1])[0] == pytest.approx(1)


def _upright(bodies, facing):
    return [body for body in bodies if body.facing == facing and body.pose in ("standing", "walking", "arms up")]


def _across(body, name):
    """How far the left one of a pair of joints is to the right of the right one, in the picture."""
    names = [point.name for point in body.points]
    joints = body.joints_J3[[body.points[names.index(f"{side} {name}")].joint for side in ("left", "right")], 0]
    return joints[0] - joints[1]


def test_left_and_right_are_the_body_s(bodies):
    front, back = _upright(bodies, "front"), _upright(bodies, "back")
    assert len(front) > 8 and len(back) > 8
    for name in ("shoulder", "hip"):
        assert all(_across(body, name) > 0 for body in front)
        assert all(_across(body, name) < 0 for body in back)


def test_what_is_turned_away_is_hidden(bodies):
    seen = {facing: [] for facing in ("front", "back", "left", "right")}
    for facing, rows in seen.items():
        for body in _upright(bodies, facing):
            shown = sketch(body, 90.0, (0.3, 0.6)).shown
            rows.append({point.name: place is not None for point, place in zip(body.points, shown)})
    share = {facing: {name: np.mean([row[name] for row in rows]) for name in POINTS["person"]}
             for facing, rows in seen.items()}
    assert share["back"]["nose"] < 0.15 and share["back"]["left eye"] < 0.3 and share["back"]["right eye"] < 0.3
    assert share["front"]["nose"] > 0.8 and share["front"]["left eye"] > 0.7 and share["front"]["right eye"] > 0.7
    assert share["front"]["left shoulder"] > 0.8 and share["back"]["right shoulder"] > 0.8
    for facing, near, far in (("right", "right", "left"), ("left", "left", "right")):
        assert share[facing][f"{near} ear"] > 0.7 > 0.5 > share[facing][f"{far} ear"]
        assert share[facing][f"{near} shoulder"] > share[facing][f"{far} shoulder"]
        assert share[facing][f"{near} hip"] > share[facing][f"{far} hip"]


def test_bodies_vary(bodies):
    assert {body.pose for body in bodies} == {"standing", "walking", "sitting", "arms up", "lying", "jumping", "moving"}
    assert {body.facing for body in bodies} == {"front", "back", "left", "right"}
    shirts = np.stack([body.paints["shirt"] for body in bodies])
    skins = np.stack([body.paints["skin"] for body in bodies])
    assert shirts.std(axis=0).min() > 0.15 and skins.std(axis=0).min() > 0.1


def test_elbows_and_knees_keep_the_limbs_lengths(bodies):
    for body in bodies:
        where = {point.name: body.joints_J3[point.joint] for point in body.points}
        for side in ("left", "right"):
            for first, second, length in (("shoulder", "elbow", 0.165), ("elbow", "wrist", 0.145), ("hip", "knee", 0.245),
                                          ("knee", "ankle", 0.23)):
                far = np.linalg.norm(where[f"{side} {first}"] - where[f"{side} {second}"])
                assert far == pytest.approx(length, abs=1e-6)


# ---- scenes


def test_scenes_are_within_the_promises(scenes):
    counts = {len(scene.figures) for scene in scenes}
    assert counts == {1, 2, 3, 4}
    kinds = {figure.kind for scene in scenes for figure in scene.figures}
    assert kinds == {"person", "dog"} and any(scene.things for scene in scenes)
    for scene, _, figure in _figures(scenes):
        assert scene.picture.shape == (128, 128, 3) and scene.picture.dtype == np.uint8
        assert 23.9 <= figure.length <= 110 and figure.xyv_K3.shape == (len(POINTS[figure.kind]), 3)
        assert figure.hidden <= 0.7
    hidden = [figure.hidden for _, _, figure in _figures(scenes)]
    assert np.mean(np.array(hidden) <= 0.4) > 0.95 and np.mean(np.array(hidden) > 0.05) > 0.1
    assert np.mean([figure.clear for _, _, figure in _figures(scenes)]) > 0.9


def test_boxes_and_areas_are_those_of_the_masks(scenes):
    for scene, index, figure in _figures(scenes):
        rows, columns = np.nonzero(scene.mask(index))
        assert figure.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert figure.area == len(rows) and scene.objects[index] is figure
    for scene in scenes:
        assert scene.owner_HW.max() < len(scene.objects) and len(set(scene.covers)) == len(scene.covers)
        for index, thing in enumerate(scene.things):
            assert thing.area == scene.mask(index).sum()


def test_visible_points_lie_on_the_body(scenes):
    visible = 0
    for scene, index, figure in _figures(scenes):
        mask = np.pad(scene.mask(index), 1)
        for x, y, v in figure.xyv_K3:
            if v == 2:
                assert mask[int(y):int(y) + 3, int(x):int(x) + 3].any(), "within a pixel of the figure"
                visible += 1
            if v == 0:
                assert x == y == 0
            assert 0 <= x < 128 and 0 <= y < 128
    assert visible > 800


def test_points_outside_the_picture_and_hidden_points_occur(scenes):
    values = np.concatenate([figure.xyv_K3[:, 2] for _, _, figure in _figures(scenes)])
    assert set(values) == {0, 1, 2}
    assert (values == 2).mean() > 0.5 and (values == 1).mean() > 0.1 and (values == 0).mean() > 0.005


def test_what_stands_in_front_hides_points_and_nothing_else_changes():
    found = 0
    for seed in range(12):
        canvas = FigureCanvas(np.random.default_rng([53, seed]), 128)
        while not canvas.figures:
            canvas.add_figure(person(canvas.rng), 80.0)
        before = canvas._keypoints(0)
        for _ in range(5):
            canvas.add("square", "red", "medium")
        after, covered = canvas._keypoints(0), canvas.owner_HW > 0
        assert np.array_equal(before[:, :2], after[:, :2])
        for (x, y, was), (_, _, now) in zip(before, after):
            around = covered[max(int(y) - 1, 0):int(y) + 2, max(int(x) - 1, 0):int(x) + 2]
            assert now == was or (was == 2 and now == 1 and around.any())
            if was == 2 and around.all():
                assert now == 1
                found += 1
    assert found > 3


@pytest.mark.parametrize("size", [96, 192])
def test_figures_grow_with_the_picture(size):
    scene = draw_figures(np.random.default_rng(3), size)
    assert scene.picture.shape == (size, size, 3)
    assert all(23.9 <= figure.length / scene.scale <= 110 for figure in scene.figures)


def test_scenes_are_pure_functions_of_the_generator(scenes):
    again = draw_figures(np.random.default_rng([41, 5]))
    assert np.array_equal(again.picture, scenes[5].picture) and again.things == scenes[5].things
    for one, two in zip(again.figures, scenes[5].figures):
        assert np.array_equal(one.xyv_K3, two.xyv_K3) and one.box == two.box


# ---- conversations and examples


def test_same_seed_same_conversation():
    first, second = (_talks(3, seed=3) for _ in range(2))
    assert first == second
    assert all(np.array_equal(one.images[0].pixels, two.images[0].pixels) for one, two in zip(first, second))
    assert _talks(1, seed=4) != first[:1]
    assert Conversation.from_json(first[0].to_json()) == first[0]


def test_answers_name_what_was_asked():
    answers = _answers(_talks(60))
    orders, absent, subsets = set(), 0, 0
    for user, part in answers:
        assert part.label in user.text and len(set(part.names)) == len(part.names)
        assert part.count == len(part.xyxy) == len(part.area)
        kind = next((kind for kind, words in WORDS.items() if part.label in words), None)
        assert kind is not None or (part.count == 0 and part.names == STRANGERS[part.label])
        if part.count == 0:
            absent += 1
        if kind is None:
            continue
        assert set(part.names) <= set(POINTS[kind])
        if len(part.names) < len(POINTS[kind]):
            subsets += 1
            assert all(name in user.text for name in part.names)
            orders.add(tuple(sorted(part.names, key=POINTS[kind].index)) == part.names)
    assert 0.04 < absent / len(answers) < 0.25 and 0.2 < subsets / len(answers) < 0.6
    assert orders == {True, False}, "some subsets are out of order"
    assert {label for _, part in answers for label in (part.label,)} >= {"person", "people", "dog", "dogs"}


def test_subsets_hold_the_points_of_their_names():
    for talk in _talks(40):
        whole = {}
        for _, part in _answers([talk]):
            kind = next((kind for kind, words in WORDS.items() if part.label in words), None)
            for place, name in enumerate(part.names):
                known = whole.setdefault((kind, name), part.xyv[:, place])
                assert np.array_equal(known, part.xyv[:, place]), "one scene, one place for a point"


def test_boxes_and_masks_of_figures_may_follow():
    world = World(tasks={"keypoints": 1, "boxes": 1, "masks": 1, "count": 1})
    labels = set()
    for index in range(60):
        talk = world.conversation(index, np.random.default_rng(index))
        if not talk.messages[1].keypoints:
            continue
        for answer in talk.messages[3::2]:
            assert answer.keypoints or answer.boxes or answer.masks, "what is not sure is not asked"
            for part in (*answer.boxes, *answer.masks):
                labels.add(part.label)
    assert labels & {"person", "people"} and labels & {"dog", "dogs"} and len(labels) > 4


def test_examples_ask_for_all_points_of_persons():
    examples = World("train").examples("keypoints", limit=12)
    for example in examples:
        (part,) = example.answer.keypoints
        assert example.task == "keypoints" and part.names == POINTS["person"] and part.label in ("person", "people")
        assert part.count >= 1 and (part.ignore is None or not part.ignore.all())
        assert all(name in example.question.messages[0].text for name in part.names)
    again = World("val", seed=8).examples("keypoints", limit=12)[5]
    assert again == examples[5] and again != World().examples("keypoints", seed=1, limit=12)[5]


def test_splits_never_meet():
    train = {talk.images[0].pixels.tobytes() for talk in _talks(12)}
    val = {talk.images[0].pixels.tobytes() for talk in _talks(12, split="val")}
    val |= {example.question.images[0].pixels.tobytes() for example in World().examples("keypoints", limit=12)}
    assert len(train) == 12 and len(val) == 24 and not train & val


def test_held_out_pairs_stay_out_of_training_scenes():
    drawn = {(thing.shape, thing.colour) for seed in range(60)
             for thing in draw_figures(np.random.default_rng(seed), 96, TRAIN_PAIRS).things}
    assert len(drawn) > 20 and not drawn & HELD_OUT_PAIRS


def test_scenes_without_figures_have_none():
    assert not hasattr(draw_scene(np.random.default_rng(0)), "figures")


def test_a_share_of_the_figures_faces_us_where_that_is_wanted():
    def fronts(share):
        figures = [one for seed in range(60) for one in draw_figures(np.random.default_rng(seed), facing_us=share).figures]
        return np.mean([figure.facing == "front" for figure in figures])

    assert 0.15 < fronts(0.0) < 0.35 and 0.5 < fronts(0.5) < 0.75 and fronts(1.0) == 1


def test_training_sees_more_fronts_than_evaluation(monkeypatch):
    shares = []

    def drawn(rng, size, pairs, facing_us):
        shares.append(facing_us)
        return draw_figures(rng, size, pairs, facing_us)

    monkeypatch.setattr(world_source, "draw_figures", drawn)
    World(tasks={"keypoints": 1}).conversation(0, np.random.default_rng(0))
    assert set(shares) == {world_source.FACING_US}
    shares.clear()
    World("val").examples("keypoints", limit=1)[0]
    assert set(shares) == {0.0}
