"""Questions that do not name what they ask for: "what would roll off the table first?"."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.expressions import biggest, clearance, distance, extreme, first_by
from superlens.data.world.kinds import pick
from superlens.data.world.scene import Scene
from superlens.data.world.turns import Setting, Turn, joined, part_of

_CORNERS = {"top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1), "bottom right": (1, 1)}
_BY_SHAPE = {
    "ring": ("what could you put a finger through", "what could be worn on a finger", "what has a hole in the middle"),
    "triangle": ("what has exactly three corners", "what looks like a slice of pizza"),
    "star": ("what has five points", "what would you put on top of a Christmas tree"),
    "cross": ("what looks like the sign for adding numbers", "what would you see on a first-aid kit"),
    "heart": ("what stands for love", "what would you draw on a Valentine's card"),
    "moon": ("what has the form of a croissant", "what shines in the night sky and waxes and wanes"),
    "square": ("what has four equal sides", "what looks like a tile seen from above"),
    "circle": ("what looks like a ball", "what is round and has no hole"),
}
_BY_COLOUR = {
    "red": ("what has the colour of a ripe strawberry", "what is coloured like blood"),
    "orange": ("what has the colour of a carrot", "what is coloured like a pumpkin"),
    "yellow": ("what has the colour of a banana", "what is coloured like a lemon"),
    "green": ("what has the colour of grass", "what is coloured like a frog"),
    "blue": ("what has the colour of the sea", "what is coloured like a clear sky"),
    "purple": ("what has the colour of an aubergine", "what is coloured like lavender"),
    "white": ("what has the colour of snow", "what is coloured like milk"),
    "black": ("what has the colour of coal", "what is coloured like the night"),
}
_ROLLERS = ("circle", "ring")


def _only(scene: Scene, test: Callable) -> int | None:
    found = [index for index, thing in enumerate(scene.things) if test(thing)]
    return found[0] if len(found) == 1 else None


def _every(scene: Scene) -> list[int]:
    return list(range(len(scene.things)))


def _shape(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    shape = pick(rng, scene.things).shape
    return _only(scene, lambda thing: thing.shape == shape), pick(rng, _BY_SHAPE[shape])


def _colour(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    colour = pick(rng, scene.things).colour
    return _only(scene, lambda thing: thing.colour == colour), pick(rng, _BY_COLOUR[colour])


def _roll(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    """Round things roll. With one of them there is no question of order; with more, height decides."""
    rollers = [index for index, thing in enumerate(scene.things) if thing.shape in _ROLLERS]
    if len(rollers) == 1:
        words = ("what would roll off the table first", "what could roll away", "what would not stay on a slope")
        return rollers[0], pick(rng, words)
    words = ("which of the things that can roll is highest up", "what would roll down from the greatest height")
    return extreme(scene, "highest", rollers), pick(rng, words)


def _height(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    if rng.random() < 0.5:
        words = ("what would fall the longest way to the ground", "what would hit the ground last if all fell at once")
        return extreme(scene, "highest", _every(scene)), pick(rng, words)
    words = ("what would get wet first if water rose from below", "what would touch the ground first if all fell")
    return extreme(scene, "lowest", _every(scene)), pick(rng, words)


def _reading(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    if rng.random() < 0.5:
        words = ("what would someone walking in from the left meet first",
                 "what would a snail crawling in from the left edge reach first")
        return extreme(scene, "leftmost", _every(scene)), pick(rng, words)
    words = ("what would someone walking in from the right meet first",
             "what would a snail crawling in from the right edge reach first")
    return extreme(scene, "rightmost", _every(scene)), pick(rng, words)


def _weight(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    if rng.random() < 0.5:
        words = ("what would take the most paint to cover", "what takes up the most room")
        return biggest(scene, _every(scene)), pick(rng, words)
    words = ("what is easiest to overlook because of its size", "what would fit into the smallest pocket")
    return biggest(scene, _every(scene), smallest=True), pick(rng, words)


def _hidden(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    winner = first_by({index: -scene.things[index].hidden for index in _every(scene)}, 0.1)
    if winner is not None and scene.things[winner].hidden < 0.12:
        winner = None
    words = ("which one is most hidden", "what is covered the most by something else", "what is hiding behind another")
    return winner, pick(rng, words[:2] if sum(thing.hidden > 0 for thing in scene.things) > 1 else words)


def _cover(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    """What hides something: one front thing only, and what it hides is seen to be hidden."""
    fronts = {front for front, _ in scene.covers}
    sure = any(scene.things[back].hidden > 0.08 for _, back in scene.covers)
    words = ("what is lying on top of something else", "what is partly blocking the view of something")
    return (fronts.pop() if len(fronts) == 1 and sure else None), pick(rng, words)


def _odd(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    """Alone in shape or in colour where all others agree; never one in shape and another in colour."""
    found = set()
    if len(scene.things) >= 3:
        for name in ("shape", "colour"):
            counts = Counter(getattr(thing, name) for thing in scene.things)
            if len(counts) == 2 and min(counts.values()) == 1:
                rare = min(counts, key=counts.__getitem__)
                found.add(_only(scene, lambda thing, name=name, rare=rare: getattr(thing, name) == rare))
    words = ("which is the odd one out", "what does not fit with the others", "which one is unlike all the rest")
    return (found.pop() if len(found) == 1 else None), pick(rng, words)


def _corner(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    name = pick(rng, tuple(_CORNERS))
    side = scene.picture.shape[0]
    x, y = (side * part for part in _CORNERS[name])
    far = {index: math.dist(thing.centre, (x, y)) for index, thing in enumerate(scene.things)}
    near = {index: math.hypot(min(abs(thing.box[0] - x), abs(thing.box[2] - x)),
                              min(abs(thing.box[1] - y), abs(thing.box[3] - y)))
            for index, thing in enumerate(scene.things)}
    winner = first_by(far, 6 * scene.scale)
    words = (f"what is nearest to the {name} corner", f"which one sits closest to the corner {name}")
    return (winner if winner is not None and winner == first_by(near, 4 * scene.scale) else None), pick(rng, words)


def _alone(scene: Scene, rng: np.random.Generator) -> tuple[int | None, str]:
    words = ("which one keeps furthest away from its neighbours", "what stands most apart from the others")
    if len(scene.things) < 3:
        return None, words[0]
    winner = None
    for measure in (distance, clearance):
        nearest = {one: -min(measure(scene, one, two) for two in _every(scene) if two != one) for one in _every(scene)}
        found = first_by(nearest, 8 * scene.scale)
        if found is None or winner not in (None, found):
            return None, words[0]
        winner = found
    return winner, pick(rng, words)


_WAYS = (_shape, _colour, _roll, _height, _reading, _weight, _hidden, _cover, _odd, _corner, _alone)


def riddle(scene: Scene, rng: np.random.Generator) -> tuple[str, int] | None:
    """A question whose answer is one thing of a clear scene, and its index; None when no try was sure."""
    for _ in range(8):
        winner, words = pick(rng, _WAYS)(scene, rng)
        if winner is not None:
            return words, winner
    return None


def reason_turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """The box or mask of the one thing a riddle means; the label is its plain name ("red circle")."""
    found = riddle(scene, rng) if scene.clear and len(scene.things) > 1 else None
    if found is None:
        return None
    words, index = found
    question = ask(task, rng, setting.held_out, question=words)
    label = scene.things[index].kind
    return Turn(task, question, joined([part_of(scene, label, [index], task == "reason_masks")]))
