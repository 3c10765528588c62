"""The drawn world: pictures and annotations agree, splits never meet, answers hold against a check of their own."""

import colorsys
import math
import re
import time
from collections import Counter

import numpy as np
import pytest

from superlens.data.templates import part_of
from superlens.data.world import World
from superlens.data.world.follow import TASKS as FOLLOWING
from superlens.data.world.nouns import NOUNS
from superlens.data.world.scene import ALL_PAIRS, HELD_OUT_PAIRS, SIZES, TRAIN_PAIRS, draw_scene
from superlens.data.world.shapes import SHAPES, cover
from superlens.data.world.source import TEXT_TASKS, WEIGHTS
from superlens.data.world.textures import COLOURS

SCENES = 150


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([7, seed])) for seed in range(SCENES)]


def _one_turn(task, count, **settings):
    world = World(tasks={task: 1.0}, turns=(1, 1), **settings)
    for index in range(count):
        user, answer = world.conversation(index, np.random.default_rng([11, index])).messages[:2]
        yield user, answer


# ---- pictures and annotations


AREAS = {"circle": math.pi / 4, "square": 1.0, "ring": math.pi / 4 * (1 - 0.52**2)}


@pytest.mark.parametrize(("shape", "area"), AREAS.items())
def test_outlines_cover_the_area_they_should_where_they_should(shape, area):
    alpha = cover(shape, 30.0, 0.0, 1.0, (0.5, 0.5))
    assert alpha.min() == 0 and alpha.max() == 1
    assert alpha.sum() == pytest.approx(area * 900, rel=0.03)
    moved = cover(shape, 30.0, 0.0, 1.0, (0.9, 0.5))
    columns = np.arange(alpha.shape[1])
    shift = (moved * columns).sum() / moved.sum() - (alpha * columns).sum() / alpha.sum()
    assert shift == pytest.approx(0.4, abs=0.13)
    assert 0.02 < ((alpha > 0.02) & (alpha < 0.98)).mean() < 0.3, "edges are soft, and only edges"


def test_all_outlines_have_the_asked_diameter():
    for shape in SHAPES:
        solid = cover(shape, 40.0, 0.0, 1.0, (0.5, 0.5)) > 0.5
        extent = max(np.ptp(np.flatnonzero(solid.any(axis=axis))) + 1 for axis in (0, 1))
        assert 38 <= extent <= 42, shape


def test_boxes_are_the_extent_of_visible_masks(scenes):
    for scene in scenes:
        total = np.zeros(scene.owner_HW.shape, dtype=int)
        for index, thing in enumerate(scene.things):
            mask = scene.mask(index)
            total += mask
            rows, columns = np.nonzero(mask)
            assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert thing.area == mask.sum() > 0
        assert total.max() <= 1, "a pixel belongs to one thing"


def _hue_and_value(pixels_N3):
    red, green, blue = np.median(pixels_N3, axis=0) / 255
    return colorsys.rgb_to_hsv(red, green, blue)


def test_masks_lie_on_pixels_of_their_colour(scenes):
    hues = {"red": 0, "orange": 27, "yellow": 54, "green": 125, "blue": 220, "purple": 283}
    right = wrong = 0
    for scene in scenes:
        for index, thing in enumerate(scene.things):
            hue, saturation, value = _hue_and_value(scene.picture[scene.mask(index)])
            if thing.colour in hues:
                apart = {name: abs((hue * 360 - angle + 180) % 360 - 180) for name, angle in hues.items()}
                good = saturation > 0.35 and min(apart, key=apart.get) == thing.colour
            else:
                good = saturation < 0.5 and (value > 0.6 if thing.colour == "white" else value < 0.45)
            right, wrong = right + good, wrong + (not good)
    assert wrong <= 0.02 * (right + wrong), (right, wrong)


def test_scenes_are_within_the_promises(scenes):
    counts = Counter(len(scene.things) for scene in scenes)
    assert min(counts) >= 1 and max(counts) <= 12 and len(counts) >= 9
    things = [thing for scene in scenes for thing in scene.things]
    assert {thing.shape for thing in things} == set(SHAPES) and len(SHAPES) >= 6
    assert {thing.colour for thing in things} == set(COLOURS) and len(COLOURS) == 8
    assert all(SIZES[thing.size][0] <= thing.diameter <= SIZES[thing.size][1] for thing in things)
    assert all(8 <= thing.diameter <= 48 for thing in things)
    faint = [thing for thing in things if not thing.clear]
    assert len(faint) < 0.03 * len(things)
    assert all(thing.hidden <= 0.4 for thing in things if thing.clear)
    assert sum(thing.hidden > 0.05 for thing in things) > 0.05 * len(things), "some things are partly hidden"
    assert all(scene.picture.dtype == np.uint8 and scene.picture.shape == (128, 128, 3) for scene in scenes)


def test_pictures_are_no_flat_figures(scenes):
    for scene in scenes:
        ground = scene.picture[scene.owner_HW < 0].astype(float)
        assert ground.std(axis=0).max() > 2.5
        for index, thing in enumerate(scene.things):
            assert len(np.unique(scene.picture[scene.mask(index)], axis=0)) > min(10, thing.area / 3)


@pytest.mark.parametrize("size", [96, 192, 320])
def test_things_grow_with_the_picture(size):
    scene = draw_scene(np.random.default_rng(3), size)
    assert scene.picture.shape == (size, size, 3)
    for thing in scene.things:
        low, high = SIZES[thing.size]
        assert low <= thing.diameter / scene.scale <= high + 1e-6


# ---- seeds and splits


def test_same_seed_same_conversation():
    first, second = World(seed=3), World(seed=3)
    for index in (0, 5):
        one = first.conversation(index, np.random.default_rng(index))
        first.conversation(9, np.random.default_rng(9))
        two = second.conversation(index, np.random.default_rng(index))
        assert one == two and np.array_equal(one.images[0].pixels, two.images[0].pixels)
        assert one != first.conversation(index, np.random.default_rng(index + 1))
    assert first.conversation(0, np.random.default_rng(0)) != World(seed=4).conversation(0, np.random.default_rng(0))


def test_splits_never_meet():
    seen = {"train": set(), "val": set()}
    for split, pictures in seen.items():
        for seed in range(3):
            world = World(split, seed=seed)
            for index in range(15):
                conversation = world.conversation(index, np.random.default_rng(index))
                pictures.add(conversation.images[0].pixels.tobytes())
    for part in ("boxes", "text"):
        for example in World("train").examples(part, limit=15):
            seen["val"].add(example.question.images[0].pixels.tobytes())
    assert len(seen["train"]) == 45 and len(seen["val"]) == 75
    assert not seen["train"] & seen["val"]


def test_held_out_pairs_are_for_validation_only():
    assert len(HELD_OUT_PAIRS) == 6 and not HELD_OUT_PAIRS & TRAIN_PAIRS
    for pairs, expected in ((TRAIN_PAIRS, False), (ALL_PAIRS, True)):
        drawn = {(thing.shape, thing.colour) for seed in range(200)
                 for thing in draw_scene(np.random.default_rng(seed), 96, pairs).things}
        assert bool(drawn & HELD_OUT_PAIRS) is expected
    names = re.compile("|".join(f"{colour} {shape}" for shape, colour in sorted(HELD_OUT_PAIRS)))
    train, val = World("train"), World("val")
    said = {"train": "", "val": ""}
    for world in (train, val):
        for index in range(200):
            conversation = world.conversation(index, np.random.default_rng(index))
            said[world.split] += " ".join(message.text for message in conversation.messages)
    assert not names.search(said["train"]), "nor are they asked for as absent things"
    assert names.search(said["val"])


# ---- conversations


def test_conversations_have_the_promised_form():
    lengths = Counter()
    tasks_seen = Counter()
    world = World()
    for index in range(120):
        conversation = world.conversation(index, np.random.default_rng(index))
        messages = conversation.messages
        lengths[len(messages) // 2] += 1
        assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert len(conversation.images) == 1 and len(messages[0].images) == 1
        questions = [message.text for message in messages[::2]]
        assert len(set(questions)) == len(questions)
        for question, answer in zip(messages[::2], messages[1::2]):
            for part in (*answer.boxes, *answer.masks):
                tasks_seen[type(part).__name__] += 1
                if not re.search(r"\?|riddle|question|answer|consider|think|picture:|tell me", question.text, re.I):
                    assert part.label in question.text
    assert set(lengths) == {1, 2, 3, 4}
    assert tasks_seen["Boxes"] > 30 and tasks_seen["Masks"] > 30
    with pytest.raises(IndexError):
        world.conversation(len(world), np.random.default_rng(0))


@pytest.mark.parametrize("task", sorted(set(WEIGHTS) - set(FOLLOWING)))
def test_every_task_can_be_had_alone(task):
    for user, answer in _one_turn(task, 4):
        assert user.text and bool(answer.text) == (part_of(task) != "image") == (not answer.images)
        assert bool(answer.boxes) == (part_of(task) == "boxes")
        assert bool(answer.masks) == (part_of(task) == "masks")


def test_wrong_settings_are_told():
    for settings, words in (({"split": "test"}, "test"), ({"size": 32}, "32"), ({"tasks": {"boxen": 1}}, "boxen"),
                            ({"tasks": {"boxes": 0}}, "weights"), ({"turns": (0, 2)}, "turns")):
        with pytest.raises(ValueError, match=words):
            World(**settings)
    with pytest.raises(ValueError, match="polygons"):
        World().examples("polygons")
    with pytest.raises(ValueError, match="masks"):
        World().examples("boxes", task="masks")


def test_a_quarter_of_the_names_is_absent():
    asked = absent = real = 0
    for _, answer in _one_turn("boxes", 300):
        for part in answer.boxes:
            asked += 1
            absent += len(part.xyxy) == 0
            real += len(part.xyxy) == 0 and any(part.label.endswith(noun) for noun in NOUNS)
    assert 0.2 < absent / asked < 0.32
    assert 0.3 < real / absent < 0.75


def test_nouns_are_many_and_none_is_of_the_world():
    assert len(set(NOUNS)) == len(NOUNS) >= 240
    for noun in NOUNS:
        assert noun == " ".join(noun.split()).strip() and not set(noun.split()) & set(SHAPES), noun


# ---- examples


def test_examples_are_lazy_deterministic_and_in_held_out_words():
    world = World("train")
    begun = time.perf_counter()
    many = world.examples("boxes", limit=10**5)
    assert len(many) == 10**5 and time.perf_counter() - begun < 1
    assert len(world.examples("masks")) == 500
    assert many[17] == World("val", seed=5).examples("boxes", limit=20)[17] != many[18]
    assert many[17] != world.examples("boxes", seed=1, limit=20)[17]
    tasks = Counter(example.task for example in many[:60])
    assert tasks["boxes"] > tasks["refer_boxes"] > 0 and tasks["reason_boxes"] > 0
    for example in many[:30]:
        assert len(example.question.messages) == 1 and example.answer.role == "assistant"
    assert Counter(example.task for example in world.examples("text", limit=40)) == dict.fromkeys(TEXT_TASKS, 10)
    assert {example.task for example in world.examples("text", task="count", limit=5)} == {"count"}
    assert len({example.picture for example in many[:30]}) == 30


@pytest.mark.parametrize("task", ["exists", "relation"])
def test_yes_is_as_likely_as_no(task):
    answers = Counter(example.answer.text for example in World().examples("text", seed=2, limit=400, task=task))
    assert set(answers) == {"Yes.", "No."} and abs(answers["Yes."] - 200) < 45, answers


def test_speed(capsys):
    world = World()
    draw_scene(np.random.default_rng(0))
    begun = time.perf_counter()
    for seed in range(60):
        draw_scene(np.random.default_rng(seed))
    middle = time.perf_counter()
    for index in range(60):
        world.conversation(index, np.random.default_rng(index))
    end = time.perf_counter()
    with capsys.disabled():
        print(f"\nworld: {60 / (middle - begun):.0f} scenes/s, {60 / (end - middle):.0f} conversations/s on this core")
