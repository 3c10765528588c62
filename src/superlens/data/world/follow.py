"""Questions that go on from an answer with boxes or masks: "segment the second one", "now only the red ones", "what colour is it?".

"The second" counts the things as the answer lists them, part by part; so they are shuffled before such a question is asked, or place
and order would be one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.expressions import biggest, extreme
from superlens.data.world.kinds import ANY, Kind, pick, plural
from superlens.data.world.scene import Scene
from superlens.data.world.turns import Setting, Turn, joined, mentioned, part_of, say
from superlens.message import Boxes, Masks, Message

ORDINALS = ("first", "second", "third", "fourth")
EDGES = ("leftmost", "rightmost", "highest", "lowest")
SIZES = ("smallest", "biggest", "largest")
SUPERLATIVES = (*EDGES, *SIZES)
TELLING = 0.7
MOST = 8  # things in the answer that is gone on from
TASKS = ("follow_boxes", "follow_masks", "follow_same", "follow_colour")


def shuffled(turn: Turn, rng: np.random.Generator) -> Turn:
    """The same answer, the things of each part in another order."""
    content = [part.select(rng.permutation(part.count)) if isinstance(part, (Boxes, Masks)) else part for part in turn.answer.content]
    return replace(turn, answer=Message("assistant", tuple(content)))


def found_in(scene: Scene, turn: Turn) -> list[int]:
    """The scene's things that an answer shows, in its order; ignored ones are left out, as when they enter the conversation again."""
    found = []
    for part in turn.answer.outputs:
        for row in range(part.count):
            if part.ignore is not None and part.ignore[row]:
                continue
            if isinstance(part, Masks):
                found.append(int(scene.owner_HW[part.masks[row]][0]))
            else:
                boxes_N4 = np.array([thing.box for thing in scene.things])
                found.append(int(np.abs(boxes_N4 - part.xyxy[row]).sum(1).argmin()))
    return found


def follow_turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting, before: Turn) -> Turn | None:
    """A question of `task` about some things of the answer before, and its answer; None when nothing can be singled out for sure.

    "follow_same" answers with the kind of part that the answer had.
    """
    found = found_in(scene, before)
    if not 1 <= len(set(found)) == len(found) <= MOST:
        return None
    single = task == "follow_colour"
    chosen = _one(scene, rng, found) if single or rng.random() < 0.6 else _some(scene, rng, found)
    if chosen is None:
        return None
    which, indices = chosen
    about = mentioned(scene, {which: indices})
    if single:
        colour = scene.things[indices[0]].colour
        return say(task, colour[0].upper() + colour[1:] + ".", rng, setting, about=about, which=which)
    masks = task == "follow_masks" or (task == "follow_same" and bool(before.answer.masks))
    resolved = _resolved(scene, which, found, before)
    if resolved is not None:
        parts = [part_of(scene, resolved, indices, masks)]
    else:
        kinds = dict.fromkeys(scene.things[index].kind for index in indices)
        parts = [part_of(scene, kind, [index for index in indices if scene.things[index].kind == kind], masks) for kind in kinds]
    return Turn(task, ask(task, rng, setting.held_out, which=which), joined(parts), about=about)


def _resolved(scene: Scene, which: str, found: list[int], before: Turn) -> str | None:
    """"the leftmost one" of an answer with all red stars: "the leftmost red star"; None when no name means just what was found, or for
    other words.

    The answer says first what is meant, so that it can be found as any such expression is.
    """
    superlative = which.removeprefix("the ").removesuffix(" one")
    if superlative not in SUPERLATIVES:
        return None
    things = [scene.things[index] for index in found]
    values = {name: {getattr(thing, name) for thing in things} for name in ("shape", "colour", "size")}
    alike = {name: seen.pop() for name, seen in values.items() if len(seen) == 1}
    kinds = [Kind(**dict(some)) for count in range(len(alike) + 1) for some in combinations(alike.items(), count)]
    kinds = [kind for kind in kinds if set(kind.find(scene)) == set(found)]
    if not kinds:
        return None
    said = {part.label for part in before.answer.outputs}
    echoed = [kind for kind in kinds if said & {kind.words(many, anything) for many in (False, True) for anything in ANY}]
    return f"the {superlative} {(echoed or kinds)[0].words()}"


def _one(scene: Scene, rng: np.random.Generator, found: list[int]) -> tuple[str, list[int]] | None:
    """A single thing, in words that need the answer before: "it", "the second one", "the leftmost one"."""
    if len(found) == 1:
        return pick(rng, ("it", "it", "this one", "that one")), found
    draw = rng.random()
    if draw < 0.4 and len(found) <= len(ORDINALS) + 1:
        place = int(rng.integers(len(found)))
        last = place == len(found) - 1 and (place >= len(ORDINALS) or rng.random() < 0.5)
        return (f"the {'last' if last else ORDINALS[place]} one", [found[place]]) if last or place < len(ORDINALS) else None
    if draw < 0.8:
        edge, winner = _outermost(scene, rng, found)
        words = f"the {edge} one"
    else:
        word = pick(rng, ("smallest", *SIZES))
        winner, words = biggest(scene, found, smallest=word == "smallest"), f"the {word} one"
    return None if winner is None else (words, [winner])


def _outermost(scene: Scene, rng: np.random.Generator, found: list[int]) -> tuple[str, int | None]:
    """An edge and the thing nearest to it of those found.

    Mostly one that is not the nearest of all things, where there is one: who takes "the leftmost one" for the leftmost of all would
    otherwise be right too often to learn better.
    """
    winners = {edge: extreme(scene, edge, found) for edge in EDGES}
    everything = list(range(len(scene.things)))
    telling = [edge for edge, winner in winners.items() if winner is not None and extreme(scene, edge, everything) != winner]
    edge = pick(rng, telling) if telling and rng.random() < TELLING else pick(rng, EDGES)
    return edge, winners[edge]


def _some(scene: Scene, rng: np.random.Generator, found: list[int]) -> tuple[str, list[int]] | None:
    """Those of one colour, shape or size, which are some of them but not all: "the red ones", "the stars", "the small ones"."""
    splitting = [name for name in ("colour", "colour", "shape", "size") if len({getattr(scene.things[i], name) for i in found}) > 1]
    if not splitting:
        return None
    name = pick(rng, splitting)
    values = dict.fromkeys(getattr(scene.things[index], name) for index in found)
    value = pick(rng, list(values))
    indices = [index for index in found if getattr(scene.things[index], name) == value]
    return ("the " + (plural(value) if name == "shape" else f"{value} ones"), indices)
