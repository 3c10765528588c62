"""Words that carry boxes or masks: every phrase counts right and shows what it counts."""

from collections import Counter

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world.grounded import MOST_PHRASES, STUFF
from superlens.data.world.shapes import SHAPES
from superlens.message import Text

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def _asked(task, count=60):
    world = World(tasks={task: 1.0}, turns=(1, 1))
    for index in range(count):
        user, answer = world.conversation(index, np.random.default_rng([5, index])).messages
        yield user, answer


@pytest.mark.parametrize("task", ["caption_boxes", "caption_masks"])
def test_captions_name_and_show_everything(task):
    lengths = Counter()
    for _, answer in _asked(task):
        parts = answer.masks if task == "caption_masks" else answer.boxes
        assert 1 <= len(parts) == len(answer.outputs) <= MOST_PHRASES and answer.text.endswith(".") and answer.text[0].isupper()
        lengths[len(parts)] += 1
        for part in parts:
            first, *rest = part.label.lower().split()
            number = 1 if first in ("a", "an") else NUMBERS.index(first)
            assert part.count == number
            assert any(rest[-1].startswith(shape) for shape in SHAPES)
            if task == "caption_masks":
                assert all(mask.any() for mask in part.masks)
    assert len(lengths) >= 3


def test_counts_show_what_they_count():
    numbers = Counter()
    for user, answer in _asked("count_boxes", 120):
        (part,) = answer.boxes
        said = answer.content[0]
        assert isinstance(said, Text) and int(said.text.rstrip(": ")) == part.count
        assert part.label in user.text
        numbers[part.count] += 1
    assert numbers[0] > 5 and len(numbers) >= 5


def test_panoptic_answers_give_every_pixel_one_name():
    for user, answer in _asked("panoptic_masks"):
        masks = np.concatenate([part.masks for part in answer.masks])
        assert (masks.sum(0) == 1).all()
        labels = [part.label for part in answer.masks]
        assert labels[-1] == STUFF and len(set(labels)) == len(labels) and not any(label in user.text for label in labels[:-1])


def test_they_are_not_asked_unless_wanted():
    assert not {"caption_boxes", "caption_masks", "count_boxes", "panoptic_masks"} & set(World().tasks)
