"""Examples in context: a picture with things that are marked, then a new picture: find the same kind of thing there.

Nobody names the kind; it is the colour and shape that the marked things share.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.kinds import Kind, kind_of, pick
from superlens.data.world.pointing import LEAST, point_at
from superlens.data.world.scene import Scene, draw_scene
from superlens.data.world.turns import POINTED, Setting, Turn, joined, part_of
from superlens.message import Conversation, Image, Message

TASKS = ("context_boxes", "context_masks")
MOST = 3  # examples
ABSENT = 0.15
_TRIES = 40


def context_talk(task: str, rng: np.random.Generator, size: int, setting: Setting) -> tuple[Conversation, Turn]:
    """The question, both pictures in it, and the turn with its answer, which speaks of picture 1."""
    wanted = rng.random() >= ABSENT
    for _ in range(_TRIES):
        shown, asked = (draw_scene(rng, size, setting.pairs) for _ in range(2))
        kinds = sorted({kind_of(thing) for thing in shown.things if thing.clear and thing.area >= LEAST}, key=Kind.words)
        kinds = [kind for kind in kinds if bool(kind.find(asked)) == wanted]
        if kinds:
            break
    else:
        raise AssertionError(f"no pair of scenes for {task} in {_TRIES} draws")
    kind = pick(rng, kinds)
    turn = _turn(task, shown, asked, kind, rng, setting)
    examples, _, words = turn.question.rpartition(POINTED)
    before = replace(turn, question=examples + POINTED).asked
    after = Turn(task, words.lstrip(), turn.answer).asked
    user = Message("user", (Image(shown.picture), *before, Image(asked.picture), *after))
    return Conversation((user,)), turn


def _turn(task: str, shown: Scene, asked: Scene, kind: Kind, rng: np.random.Generator, setting: Setting) -> Turn:
    alike = [index for index in kind.find(shown) if shown.things[index].clear and shown.things[index].area >= LEAST]
    count = 1 + int(rng.integers(min(MOST, len(alike))))
    form = pick(rng, setting.regions)
    regions = tuple(point_at(shown.mask(index), rng, form) for index in rng.permutation(alike)[:count])
    question = ask(task, rng, setting.held_out, examples=POINTED * count)
    part = replace(part_of(asked, kind.words(), kind.find(asked), task == "context_masks"), image=1)
    return Turn(task, question, joined([part]), regions)
