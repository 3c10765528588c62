"""Referring expressions: words that pick out exactly one thing of a scene, by a margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.kinds import Kind, loosen, pick
from superlens.data.world.relations import DIRECTIONS, RATIO, holds, surely_not
from superlens.data.world.scene import Scene
from superlens.data.world.turns import About, Setting, Turn, joined, mentioned, part_of


class Expression(NamedTuple):
    """words: that pick out one thing. index: which. names: phrases in them that name things by themselves, and which: what has to be
    known before this one."""

    words: str
    index: int
    names: Mapping[str, Sequence[int]] = {}

    def about(self, scene: Scene) -> About:
        """For `Turn.about`."""
        return (*mentioned(scene, {self.words: [self.index]}), *mentioned(scene, self.names, within=self.words))


_EDGES = {"leftmost": (0, 1), "rightmost": (2, -1), "highest": (1, 1), "lowest": (3, -1)}
_SIDES = {"leftmost": "furthest to the left", "rightmost": "furthest to the right", "highest": "nearest to the top",
          "lowest": "nearest to the bottom"}
_EDGE_GAP = 4.0
_FAR_GAP = 8.0
_ORDER_GAP = 5.0


def unique_kinds(scene: Scene) -> dict[int, list[str]]:
    """For each thing that a plain name picks out alone, such names (shape; colour and shape): {index: names}."""
    found: dict[int, list[str]] = {}
    for index, thing in enumerate(scene.things):
        kinds = (Kind(thing.shape), Kind(thing.shape, thing.colour))
        names = [kind.words() for kind in kinds if kind.find(scene) == [index]]
        if names:
            found[index] = names
    return found


def first_by(values: dict[int, float], gap: float) -> int | None:
    """Whose value is least, if by at least `gap`; None when it is a close call or there are fewer than two."""
    if len(values) < 2:
        return None
    order = sorted(values, key=values.__getitem__)
    return order[0] if values[order[1]] - values[order[0]] >= gap else None


def extreme(scene: Scene, word: str, among: list[int]) -> int | None:
    """The leftmost, rightmost, highest or lowest of some things: by the edge of its box and by its middle alike."""
    side, sign = _EDGES[word]
    gap = _EDGE_GAP * scene.scale
    edges = {index: sign * scene.things[index].box[side] for index in among}
    middles = {index: sign * scene.things[index].centre[side % 2] for index in among}
    winner = first_by(edges, gap)
    return winner if winner is not None and winner == first_by(middles, gap) else None


def biggest(scene: Scene, among: list[int], smallest: bool = False) -> int | None:
    """The biggest (or smallest) of some things, by a clear ratio, as drawn and as seen."""
    sign = 1 if smallest else -1
    drawn = {index: sign * float(np.log(scene.things[index].diameter)) for index in among}
    seen = {index: sign * float(np.log(scene.things[index].area)) for index in among}
    gap = float(np.log(RATIO))
    winner = first_by(drawn, gap)
    return winner if winner is not None and winner == first_by(seen, gap) else None


def distance(scene: Scene, first: int, second: int) -> float:
    """Between the middles of two things, in pixels."""
    one, two = scene.things[first].centre, scene.things[second].centre
    return float(np.hypot(one[0] - two[0], one[1] - two[1]))


def clearance(scene: Scene, first: int, second: int) -> float:
    """Between the boxes of two things, in pixels; 0 where they meet."""
    one, two = scene.things[first].box, scene.things[second].box
    across = max(one[0] - two[2], two[0] - one[2], 0.0)
    down = max(one[1] - two[3], two[1] - one[3], 0.0)
    return float(np.hypot(across, down))


def nearest(scene: Scene, among: list[int], anchor: int) -> int | None:
    """Which of some things is nearest to another: by their middles with a margin, and no other one's box is closer."""
    winner = first_by({index: distance(scene, index, anchor) for index in among}, _FAR_GAP * scene.scale)
    if winner is None:
        return None
    closest = min(clearance(scene, index, anchor) for index in among)
    return winner if clearance(scene, winner, anchor) <= closest else None


def _group(scene: Scene, rng: np.random.Generator, name_colour: bool) -> tuple[str, list[int]]:
    """Some things alike, in words, and which they are: "star", "red thing", "object"."""
    kind = loosen(pick(rng, scene.things), rng)
    kind = Kind(kind.shape, kind.colour if name_colour else None)
    return kind.words(anything="thing" if rng.random() < 0.5 else "object"), kind.find(scene)


def _by_kind(scene: Scene, rng: np.random.Generator, name_colour: bool) -> Expression | None:
    kind = loosen(pick(rng, scene.things), rng)
    if not name_colour:
        kind = Kind(kind.shape, None, kind.size)
    found = kind.find(scene)
    words = kind.words(anything="thing" if rng.random() < 0.5 else "object")
    return Expression(f"the {words}", found[0]) if len(found) == 1 and kind != Kind() else None


def _by_extreme(scene: Scene, rng: np.random.Generator, name_colour: bool) -> Expression | None:
    words, among = _group(scene, rng, name_colour)
    draw = int(rng.integers(6))
    if draw < 4:
        side = tuple(_EDGES)[draw]
        winner = extreme(scene, side, among)
        said = f"the {side} {words}" if rng.random() < 0.6 else f"the {words} {_SIDES[side]}"
    else:
        winner = biggest(scene, among, smallest=draw == 5)
        said = f"the {'smallest' if draw == 5 else pick(rng, ('biggest', 'largest'))} {words}"
    return None if winner is None else Expression(said, winner)


def _anchor(scene: Scene, rng: np.random.Generator) -> tuple[str, int] | None:
    named = unique_kinds(scene)
    if not named:
        return None
    index = pick(rng, sorted(named))
    return "the " + pick(rng, named[index]), index


def _by_relation(scene: Scene, rng: np.random.Generator, name_colour: bool) -> Expression | None:
    anchor = _anchor(scene, rng)
    words, among = _group(scene, rng, name_colour)
    among = [] if anchor is None else [index for index in among if index != anchor[1]]
    if not among:
        return None
    if rng.random() < 0.25:
        winner = nearest(scene, among, anchor[1])
        said = f"the {words} nearest to {anchor[0]}"
        return None if winner is None else Expression(said, winner, {words: among, anchor[0]: [anchor[1]]})
    direction = pick(rng, DIRECTIONS)
    sure = [index for index in among if holds(scene, direction, index, anchor[1])]
    if len(sure) != 1 or not all(surely_not(scene, direction, index, anchor[1]) for index in among if index != sure[0]):
        return None
    return Expression(f"the {words} {direction} {anchor[0]}", sure[0], {words: among, anchor[0]: [anchor[1]]})


def _by_order(scene: Scene, rng: np.random.Generator, name_colour: bool) -> Expression | None:
    """"the second star from the left"."""
    words, among = _group(scene, rng, name_colour)
    if not 3 <= len(among) <= 6:
        return None
    from_left = rng.random() < 0.5
    order = sorted(among, key=lambda index: scene.things[index].centre[0], reverse=not from_left)
    across = np.array([scene.things[index].centre[0] for index in order])
    if (np.abs(np.diff(across)) < _ORDER_GAP * scene.scale).any():
        return None
    place = int(rng.integers(1, min(3, len(order) - 1)))
    side = "left" if from_left else "right"
    return Expression(f"the {('first', 'second', 'third')[place]} {words} from the {side}", order[place], {words: among})


_WAYS = ((_by_kind, 0.35), (_by_extreme, 0.65), (_by_relation, 0.92), (_by_order, 1.0))


def expressions(scene: Scene, rng: np.random.Generator, name_colour: bool = True) -> Expression | None:
    """An expression that fits exactly one thing of a clear scene: "the star left of the moon".

    `name_colour=False` keeps the colour of the thing itself out of it. None when a few tries found none that is sure.
    """
    draw = rng.random()
    way = next(way for way, edge in _WAYS if draw < edge)
    for _ in range(6):
        found = way(scene, rng, name_colour)
        if found is not None:
            return found
    return None


def refer_turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """The box or mask of the one thing an expression picks out; the label is the expression."""
    found = expressions(scene, rng) if scene.clear else None
    if found is None:
        return None
    question = ask(task, rng, setting.held_out, thing=found.words)
    answer = joined([part_of(scene, found.words, [found.index], task == "refer_masks")])
    return Turn(task, question, answer, about=found.about(scene))
