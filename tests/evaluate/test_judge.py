"""The judge of drawn pictures, measured: it says yes to what is right, and no to what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from superlens.data.wordings_pictures import PICTURE_TASKS
from superlens.data.world import World
from superlens.data.world.kinds import Kind
from superlens.data.world.pictures import Wanted, draw_picture
from superlens.data.world.relations import OPPOSITE
from superlens.data.world.scene import ALL_PAIRS
from superlens.data.world.shapes import SHAPES, cover
from superlens.evaluate.judge import look, made, outline, shows

PICTURES, EDITS = 24, 60


@pytest.fixture(scope="module")
def pictures():
    """Of each task: (pixels, what was asked for)."""
    return {task: [(example.answer.images[0].pixels, example.facts)
                   for example in World().examples("image", seed=7, limit=PICTURES, task=task)] for task in PICTURE_TASKS}


@pytest.fixture(scope="module")
def edits():
    """(pixels before, pixels after, the change)."""
    return [(example.question.images[0].pixels, example.answer.images[0].pixels, example.facts)
            for example in World().examples("image", seed=7, limit=EDITS, task="edit_image")]


def _share(verdicts):
    return sum(verdicts) / len(verdicts)


@pytest.mark.parametrize("task", PICTURE_TASKS)
def test_right_pictures_pass_and_those_of_other_prompts_do_not(pictures, task):
    mine = pictures[task]
    right = _share([shows(pixels, wanted) for pixels, wanted in mine])
    wrong = _share([shows(pixels, other) for place, (pixels, wanted) in enumerate(mine)
                    for _, other in (mine[place - 1], mine[place - 2]) if set(other.kinds) != set(wanted.kinds)])
    assert right >= 0.95 and wrong <= 0.1, (right, wrong)


def test_near_misses_do_not_pass(pictures):
    swapped = [(pixels, Wanted(tuple(replace(kind, colour=other.colour) for kind, other in zip(wanted.kinds, wanted.kinds[::-1]))))
               for pixels, wanted in pictures["bind_image"]]
    turned = [(pixels, replace(wanted, relation=OPPOSITE[wanted.relation])) for pixels, wanted in pictures["relation_image"]]
    miscounted = [(pixels, replace(wanted, count=wanted.count + step))
                  for pixels, wanted in pictures["count_image"] for step in (-1, 1)]
    for misses in (swapped, turned, miscounted):
        assert _share([shows(pixels, wanted) for pixels, wanted in misses]) <= 0.05


def test_true_edits_pass_and_the_unchanged_picture_does_not(edits):
    right = _share([made(after, change) for _, after, change in edits])
    wrong = _share([made(before, change) for before, _, change in edits])
    assert right >= 0.9 and wrong <= 0.1, (right, wrong)
    _, after, change = edits[0]
    assert not made(after[:-1], change), "another size"


def test_an_edit_elsewhere_does_not_pass(edits):
    others = [(edits[place - 1][1], change) for place, (_, _, change) in enumerate(edits) if change.form != "remove"]
    assert _share([made(after, change) for after, change in others]) <= 0.1


def test_what_is_seen():
    scene = draw_picture(np.random.default_rng(3), 128, [("star", "red"), ("moon", "blue")])
    seen = look(scene.picture)
    assert sorted((thing.colour, thing.shape) for thing in seen.things) == [("blue", "moon"), ("red", "star")]
    for thing in scene.things:
        (index,) = seen.of(Kind(thing.shape, thing.colour))
        assert np.abs(np.subtract(seen.things[index].box, thing.box)).max() <= 3
        assert seen.things[index].area == pytest.approx(thing.area, rel=0.25)
    assert seen.scale == 1 and seen.of(Kind("star", "blue")) == []
    assert look(np.full((64, 64, 3), 128, np.uint8)).things == ()


def test_more_than_was_asked_for_is_right_but_for_a_number():
    scene = draw_picture(np.random.default_rng(4), 128, [("ring", "green"), ("ring", "white"), ("heart", "red")])
    assert shows(scene.picture, Wanted((Kind("ring"),))) and shows(scene.picture, Wanted((Kind("ring", "white"), Kind("heart"))))
    assert shows(scene.picture, Wanted((Kind("ring"),), count=2)) and not shows(scene.picture, Wanted((Kind("ring"),), count=1))
    assert not shows(scene.picture, Wanted((Kind("ring", "red"),)))


@pytest.mark.parametrize("size", [96, 256])
def test_pictures_of_other_sizes_are_judged(size):
    rng, right = np.random.default_rng(5), []
    options = sorted(ALL_PAIRS)
    for _ in range(12):
        shape, colour = options[int(rng.integers(len(options)))]
        right.append(shows(draw_picture(rng, size, [(shape, colour)]).picture, Wanted((Kind(shape, colour),))))
    assert _share(right) >= 0.9


def test_outlines_are_told_apart():
    for shape in SHAPES:
        name, fit = outline(cover(shape, 30.0, 0.1, 1.05, (0.3, 0.6)) > 0.5)
        assert name == shape and fit > 0.8
    noise = np.random.default_rng(0).random((40, 40)) > 0.6
    assert outline(noise)[1] < 0.7
