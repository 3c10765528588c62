"""Answers whose phrases carry boxes or masks: captions, counts that show what they counted, and every pixel under some name."""

from __future__ import annotations

from collections import Counter

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.kinds import Kind, kind_of, present_kinds
from superlens.data.world.questions import asked_count, capital, counted
from superlens.data.world.scene import Scene
from superlens.data.world.turns import Setting, Turn, joined, part_of
from superlens.message import Masks, Message, Part, Text

MOST_PHRASES = 5
STUFF = "background"


def caption_turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """"Two red circles, a star and three moons.": every kind with its number, from left to right, and where it is."""
    if not scene.clear:
        return None
    order = sorted(scene.things, key=lambda thing: thing.centre)
    kinds = Counter(kind_of(thing) for thing in order)
    if len(kinds) > MOST_PHRASES:
        kinds = Counter(Kind(thing.shape) for thing in order)
    if len(kinds) > MOST_PHRASES:
        return None
    content: list[Part] = []
    for at, (kind, number) in enumerate(kinds.items()):
        if at:
            content.append(Text(" and " if at == len(kinds) - 1 else ", "))
        words = counted(number, kind) if at else capital(counted(number, kind))
        content.append(part_of(scene, words, kind.find(scene), task == "caption_masks"))
    return Turn(task, ask(task, rng, setting.held_out), Message("assistant", (*content, Text("."))))


def count_boxes_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """"3: red circles.": the number, then what was counted; the number is drawn as in `count`."""
    asked = asked_count(scene, rng, setting)
    if asked is None:
        return None
    things, kind, number = asked
    question = ask("count_boxes", rng, setting.held_out, things=things)
    part = part_of(scene, things, kind.find(scene), masks=False)
    return Turn("count_boxes", question, Message("assistant", (Text(f"{number}: "), part, Text("."))))


def panoptic_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Every kind of thing, each thing with its mask, and the stuff behind them: together they are the whole picture."""
    kinds = present_kinds(scene)
    if not scene.clear or len(kinds) > MOST_PHRASES:
        return None
    parts = [part_of(scene, kind.words(), kind.find(scene), masks=True) for kind in kinds]
    behind = Masks(STUFF, (scene.owner_HW < 0)[None])
    return Turn("panoptic_masks", ask("panoptic_masks", rng, setting.held_out), joined([*parts, behind]))
