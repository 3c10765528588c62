"""Questions about a scene that are answered in words: list, caption, count, colour, existence, relation, place, side."""

from __future__ import annotations

from collections import Counter

import numpy as np

from superlens.data.templates import listing
from superlens.data.world.expressions import expressions, unique_kinds
from superlens.data.world.kinds import Kind, absent_kind, article, kind_of, noun, pick
from superlens.data.world.relations import DIRECTIONS, OPPOSITE, bigger, holds
from superlens.data.world.scene import SIZES, Scene, Thing
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS
from superlens.data.world.turns import Setting, Turn, mentioned, say

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_GAP = 2.0
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")
_UNSURE = 0.035  # of the picture's side: nearer to a line between two thirds of it nobody is asked which one


def _sized(thing: Thing) -> str:
    """A thing in a dense list: its size is named unless it is medium."""
    return thing.kind if thing.size == "medium" else f"{thing.size} {thing.kind}"


def capital(words: str) -> str:
    return words[0].upper() + words[1:]


def describe(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Every thing from left to right (by the middle of its box): "Red circle, small blue star and green ring."."""
    order = sorted(scene.things, key=lambda thing: thing.centre)
    across = np.array([thing.centre[0] for thing in order])
    if not scene.clear or (np.diff(across) < _GAP * scene.scale).any():
        return None
    return say("describe", capital(listing([_sized(thing) for thing in order])) + ".", rng, setting)


def counted(number: int, words: Kind) -> str:
    return article(words.words()) if number == 1 else f"{_NUMBERS[number]} {words.words(many=True)}"


def caption(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """One sentence with counts: by colour and shape when these are up to four kinds, else by shape."""
    if not scene.clear:
        return None
    order = sorted(scene.things, key=lambda thing: thing.centre)
    kinds = Counter(kind_of(thing) for thing in order)
    if len(kinds) > 4:
        kinds = Counter(Kind(thing.shape) for thing in order)
    verb = "is" if next(iter(kinds.values())) == 1 else "are"
    words = listing([counted(number, kind) for kind, number in kinds.items()])
    return say("caption", f"There {verb} {words}.", rng, setting)


def asked_count(scene: Scene, rng: np.random.Generator, setting: Setting) -> tuple[str, Kind, int] | None:
    """What to count: its name in words, its kind, and how many there are.

    The number is drawn first among those possible, so that no number is a safe guess.
    """
    if not scene.clear:
        return None
    kinds = [Kind(), *(Kind(shape) for shape in SHAPES), *(Kind(colour=colour) for colour in COLOURS),
             *(Kind(size=size) for size in SIZES), *dict.fromkeys(kind_of(thing) for thing in scene.things)]
    absent = absent_kind(scene, rng, setting.pairs)
    if absent is not None:
        kinds.append(absent)
    by_number: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_number.setdefault(len(kind.find(scene)), []).append(kind)
    number = pick(rng, sorted(by_number))
    kind = pick(rng, by_number[number])
    return kind.words(many=True, anything="thing" if rng.random() < 0.5 else "object"), kind, number


def count(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """How many of a kind: "3."."""
    asked = asked_count(scene, rng, setting)
    if asked is None:
        return None
    words, kind, number = asked
    return say("count", f"{number}.", rng, setting, about=mentioned(scene, {words: kind.find(scene)}), things=words)


def exists(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Is there such a thing: yes and no equally often, the absent ones near misses of what is there."""
    if not scene.clear:
        return None
    if rng.random() < 0.5:
        thing = pick(rng, scene.things)
        draw = rng.random()
        kind = kind_of(thing) if draw < 0.6 else Kind(thing.shape) if draw < 0.8 else Kind(colour=thing.colour)
        words = article(kind.words())
        return say("exists", "Yes.", rng, setting, about=mentioned(scene, {words: kind.find(scene)}), thing=words)
    if not setting.held_out and rng.random() < 0.15:
        name = noun(rng)
    else:
        kind = _missing(scene, rng, setting)
        name = kind and kind.words()
    if name is None:
        return None
    words = article(name)
    return say("exists", "No.", rng, setting, about=mentioned(scene, {words: []}), thing=words)


def _missing(scene: Scene, rng: np.random.Generator, setting: Setting) -> Kind | None:
    """An absent kind, in the same proportions of forms as `exists` asks for present ones."""
    shapes, colours = {thing.shape for thing in scene.things}, {thing.colour for thing in scene.things}
    draw = rng.random()
    if draw < 0.6:
        there = {(thing.shape, thing.colour) for thing in scene.things}
        mixed = sorted((shape, colour) for shape in shapes for colour in colours
                       if (shape, colour) in setting.pairs and (shape, colour) not in there)
        near = sorted(pair for pair in setting.pairs - there if pair[0] in shapes or pair[1] in colours)
        pool = mixed if mixed and rng.random() < 0.6 else near
        return Kind(*pick(rng, pool)) if pool else None
    if draw < 0.8:
        pool = [shape for shape in SHAPES if shape not in shapes]
        return Kind(pick(rng, pool)) if pool else None
    pool = [colour for colour in COLOURS if colour not in colours]
    return Kind(colour=pick(rng, pool)) if pool else None


def colour(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """What colour is the one thing that an expression without its colour picks out."""
    if not scene.clear:
        return None
    found = expressions(scene, rng, name_colour=False)
    if not found:
        return None
    answer = capital(scene.things[found.index].colour) + "."
    return say("colour", answer, rng, setting, about=found.about(scene), thing=found.words)


def relation(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Is one thing left of, above, bigger than another: the statement or its opposite, by the toss of a coin."""
    if not scene.clear:
        return None
    named = unique_kinds(scene)
    if len(named) < 2:
        return None
    true_first = rng.random() < 0.5
    for _ in range(8):
        first, second = pick(rng, sorted(named)), pick(rng, sorted(named))
        if first == second:
            continue
        one, two = scene.things[first], scene.things[second]
        if rng.random() < 0.3:
            words = "bigger than" if bigger(one, two) else "smaller than" if bigger(two, one) else None
        else:
            options = [words for words in DIRECTIONS if holds(scene, words, first, second)]
            words = pick(rng, options) if options else None
        if words is None:
            continue
        said = words if true_first else OPPOSITE[words]
        names = ["the " + pick(rng, named[index]) for index in (first, second)]
        about = mentioned(scene, {names[0]: [first], names[1]: [second]})
        return say("relation", "Yes." if true_first else "No.", rng, setting, about=about, first=names[0], relation=said,
                   second=names[1])
    return None


def place(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """In which part of the picture is a thing, by thirds of its width and height: "At the top left.", "In the middle."."""
    named = unique_kinds(scene)
    if not scene.clear or not named:
        return None
    index = pick(rng, sorted(named))
    thirds = 3 * np.array(scene.things[index].centre) / scene.picture.shape[0]
    if (abs(thirds - np.round(thirds))[np.isin(np.round(thirds), (1, 2))] < 3 * _UNSURE).any():
        return None
    column, row = np.clip(thirds, 0, 2.99).astype(int)
    words = " ".join(word for word in (_ROWS[row], _COLUMNS[column]) if word)
    thing = "the " + pick(rng, named[index])
    answer = f"At the {words}." if words else "In the middle."
    return say("place", answer, rng, setting, about=mentioned(scene, {thing: [index]}), thing=thing)


def side(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """On which side of one thing is another: "It is left of it." ...; asked where one direction is clearly the right one."""
    named = unique_kinds(scene)
    if not scene.clear or len(named) < 2:
        return None
    for _ in range(8):
        first, second = pick(rng, sorted(named)), pick(rng, sorted(named))
        options = [words for words in DIRECTIONS if first != second and holds(scene, words, first, second)]
        if len(options) == 1:
            names = ["the " + pick(rng, named[index]) for index in (first, second)]
            about = mentioned(scene, {names[0]: [first], names[1]: [second]})
            return say("side", f"It is {options[0]} it.", rng, setting, about=about, first=names[0], second=names[1])
    return None
