"""Conversations that go on: what is asked for is among what was found, and is what the words say."""

from collections import Counter

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world.expressions import extreme
from superlens.data.world.follow import EDGES, ORDINALS, TASKS, follow_turn, found_in, shuffled
from superlens.data.world.kinds import plural
from superlens.data.world.scene import ALL_PAIRS, draw_scene
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS
from superlens.data.world.turns import Setting, list_turn

SETTING = Setting(held_out=True, pairs=ALL_PAIRS)


def _followed(task, first, count=450):
    """(scene, things found before, turn) of many conversations."""
    for seed in range(count):
        rng = np.random.default_rng([71, seed])
        scene = draw_scene(rng, 128)
        before = list_turn(first, scene, rng, SETTING)
        if before is None:
            continue
        before = shuffled(before, rng)
        turn = follow_turn(task, scene, rng, SETTING, before)
        if turn is not None:
            yield scene, found_in(scene, before), turn


def _expected(scene, found, question):
    """What the words pick out, by an oracle of its own."""
    things = {index: scene.things[index] for index in found}
    words = question.lower()
    for place, ordinal in enumerate(ORDINALS):
        if f"the {ordinal} one" in words:
            return [found[place]]
    if "the last one" in words:
        return [found[-1]]
    measures = {"leftmost": lambda t: t.centre[0], "rightmost": lambda t: -t.centre[0], "highest": lambda t: t.centre[1],
                "lowest": lambda t: -t.centre[1], "biggest": lambda t: -t.area, "largest": lambda t: -t.area,
                "smallest": lambda t: t.area}
    for word, measure in measures.items():
        if f"the {word} one" in words:
            return [min(found, key=lambda index: measure(things[index]))]
    for colour in COLOURS:
        if f"the {colour} ones" in words:
            return [index for index in found if things[index].colour == colour]
    for size in ("small", "medium", "large"):
        if f"the {size} ones" in words:
            return [index for index in found if things[index].size == size]
    for shape in SHAPES:
        if f"the {plural(shape)}" in words:
            return [index for index in found if things[index].shape == shape]
    return found if len(found) == 1 else None


@pytest.mark.parametrize(("task", "first"), [
    ("follow_boxes", "boxes"), ("follow_masks", "boxes"), ("follow_same", "masks"), ("follow_same", "boxes"), ("follow_masks", "masks"),
])
def test_answers_are_what_the_words_pick_out(task, first):
    forms, seen = Counter(), 0
    for scene, found, turn in _followed(task, first):
        expected = _expected(scene, found, turn.question)
        answer = turn.answer.masks if task == "follow_masks" or (task, first) == ("follow_same", "masks") else turn.answer.boxes
        assert len(answer) == len(turn.answer.outputs) >= 1
        assert sorted(found_in(scene, turn)) == sorted(expected), turn.question
        forms[len(expected) == 1] += 1
        seen += 1
    assert seen > 100 and forms[False] > 5 and forms[True] > 60


def test_the_answer_says_in_full_which_one_is_meant():
    """ "the leftmost one" of red stars is "the leftmost red star": a name of just what was found before, by words alone."""
    resolved = []
    for scene, found, turn in _followed("follow_masks", "boxes"):
        for word in (*EDGES, "smallest", "biggest", "largest"):
            if f"the {word} one" in turn.question.lower() and turn.answer.masks[0].label.startswith("the "):
                label = turn.answer.masks[0].label
                assert label.startswith(f"the {word} ")
                words = label.split()[2:]
                named = [i for i, thing in enumerate(scene.things)
                         if set(words) <= {thing.shape, thing.colour, thing.size, "thing"}]
                assert set(named) == set(found), (label, found)
                resolved.append(label)
    assert len(resolved) > 20 and len(set(resolved)) > 10


def test_colours():
    answers = Counter()
    for scene, found, turn in _followed("follow_colour", "boxes"):
        (index,) = _expected(scene, found, turn.question)
        assert turn.answer.text == scene.things[index].colour.capitalize() + "."
        answers[turn.answer.text] += 1
    assert len(answers) >= 6


def test_the_order_of_an_answer_is_not_that_of_places():
    ordered = []
    for seed in range(60):
        rng = np.random.default_rng([73, seed])
        scene = draw_scene(rng, 128)
        before = list_turn("boxes", scene, rng, SETTING)
        for part in shuffled(before, rng).answer.boxes:
            if part.count == 2:
                ordered.append(part.xyxy[0, 0] <= part.xyxy[1, 0])
    assert 0.2 < np.mean(ordered) < 0.8


def test_conversations_start_with_what_can_stand_alone():
    world = World(tasks={"boxes": 1, "masks": 1} | dict.fromkeys(TASKS, 1.0), turns=(3, 5))
    lengths, kinds = Counter(), Counter()
    for index in range(60):
        talk = world.conversation(index, np.random.default_rng(index))
        assert talk.messages[1].outputs
        lengths[len(talk.messages) // 2] += 1
        kinds.update("text" if not answer.outputs else "parts" for answer in talk.messages[3::2])
    assert sum(count for length, count in lengths.items() if length >= 3) > 40 and kinds["text"] > 10
    with pytest.raises(ValueError, match="one to start with"):
        World(tasks={"follow_boxes": 1})
    assert World(tasks={"keypoints": 1, "follow_same": 3}, turns=(2, 2)).conversation(0, np.random.default_rng(0)).messages


def test_the_leftmost_one_is_mostly_not_the_leftmost_of_all():
    """Who takes "the leftmost one" for the leftmost of all things must be wrong often enough to notice."""
    apart = alike = 0
    for scene, found, turn in _followed("follow_masks", "boxes", 900):
        edge = next((edge for edge in EDGES if f"the {edge} one" in turn.question), None)
        if edge is None or len(found) == len(scene.things):
            continue
        chosen = found_in(scene, turn)[0]
        apart += extreme(scene, edge, list(range(len(scene.things)))) not in (chosen, None)
        alike += extreme(scene, edge, list(range(len(scene.things)))) == chosen
    assert apart + alike > 20 and apart > 2 * alike
