"""Examples in context: what is marked in the first picture is of the kind that is answered in the second."""

from collections import Counter

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world.context import MOST, TASKS, context_talk
from superlens.data.world.scene import ALL_PAIRS
from superlens.data.world.turns import POINTED, Setting
from superlens.message import Image, Text


@pytest.mark.parametrize("task", TASKS)
def test_what_is_marked_is_of_the_kind_that_is_found(task):
    counts, absent = Counter(), 0
    for seed in range(60):
        question, turn = context_talk(task, np.random.default_rng([83, seed]), 128, Setting(False, ALL_PAIRS))
        (part,) = turn.answer.masks if task == "context_masks" else turn.answer.boxes
        assert part.image == 1 and len(question.images) == 2
        (message,) = question.messages
        kinds = [type(one).__name__ for one in message.content]
        second = len(kinds) - 1 - kinds[::-1].index("Image")
        assert kinds[0] == "Image" and "Region" not in kinds[second:] and kinds[second + 1 :] == ["Text"]
        assert 1 <= len(message.regions) <= MOST and all(region.image == 0 for region in message.regions)
        words = "".join(one.text for one in message.content if isinstance(one, Text))
        assert part.label not in words and POINTED not in words
        counts[len(message.regions)] += 1
        absent += part.count == 0
        if task == "context_masks" and part.count:
            colour = part.label.split()[0]
            assert colour not in words.lower().split()
    assert counts[1] > 20 and counts[2] > 3 and 1 <= absent <= 25


def test_it_is_trained_and_measured():
    world = World(tasks={"context_masks": 1, "boxes": 1}, turns=(1, 2))
    pictures = Counter(len(world.conversation(i, np.random.default_rng(i)).images) for i in range(30))
    assert pictures[1] > 5 and pictures[2] > 5
    examples = World().examples("masks", seed=3, limit=4, task="context_masks")
    again = World().examples("masks", seed=3, limit=4, task="context_masks")
    assert [one.answer for one in examples] == [one.answer for one in again]
    assert all(example.task == "context_masks" and example.question.messages[-1].regions for example in examples)
    assert isinstance(examples[0].question.messages[0].content[0], Image)
