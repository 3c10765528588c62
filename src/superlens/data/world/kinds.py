"""Names for things of the drawn world: "red circle", "stars", "small things", "objects"; which are there, which not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from superlens.data.world.nouns import NOUNS
from superlens.data.world.scene import ALL_PAIRS, SIZES, Scene, Thing
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS

ANY = ("thing", "object")
Pairs = frozenset[tuple[str, str]]


def pick(rng: np.random.Generator, options):
    """One of a sequence, evenly."""
    return options[int(rng.integers(len(options)))]


def plural(noun: str) -> str:
    """More than one of a shape or thing: "crosses", "stars"."""
    return noun + ("es" if noun.endswith("s") else "s")


def article(words: str) -> str:
    """With the indefinite article: "an orange star"."""
    return ("an " if words[0] in "aeiou" else "a ") + words


@dataclass(frozen=True)
class Kind:
    """What a name asks for: any of shape, colour, size; None leaves it open. `Kind()` is everything."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None

    def matches(self, thing: Thing) -> bool:
        """Whether the thing is of this kind."""
        return (self.shape in (None, thing.shape) and self.colour in (None, thing.colour)
                and self.size in (None, thing.size))

    def find(self, scene: Scene) -> list[int]:
        """Indices of the matching things, left to right, clear or not."""
        found = [index for index, thing in enumerate(scene.things) if self.matches(thing)]
        return sorted(found, key=lambda index: scene.things[index].centre)

    def words(self, many: bool = False, anything: str = "thing") -> str:
        """In words: "small red circle", "stars", "red things" (`anything` stands where no shape is named)."""
        noun = self.shape or anything
        return " ".join(word for word in (self.size, self.colour, plural(noun) if many else noun) if word)


def kind_of(thing: Thing) -> Kind:
    """Colour and shape of a thing."""
    return Kind(thing.shape, thing.colour)


def loosen(thing: Thing, rng: np.random.Generator) -> Kind:
    """A kind that a thing belongs to, from exact to general."""
    draw = rng.random()
    if draw < 0.42:
        return Kind(thing.shape, thing.colour)
    if draw < 0.64:
        return Kind(thing.shape)
    if draw < 0.73:
        return Kind(colour=thing.colour)
    if draw < 0.82:
        return Kind(thing.shape, thing.colour, thing.size)
    if draw < 0.88:
        return Kind(thing.shape, size=thing.size)
    if draw < 0.94:
        return Kind(size=thing.size)
    return Kind()


def possible(kind: Kind, pairs: Pairs) -> bool:
    """Whether a kind may be spoken of: its shape and colour are among `pairs` (when both are named)."""
    return kind.shape is None or kind.colour is None or (kind.shape, kind.colour) in pairs


def absent_kind(scene: Scene, rng: np.random.Generator, pairs: Pairs = ALL_PAIRS) -> Kind | None:
    """A kind of the world that nothing in the scene belongs to, mostly a near miss; None when no try was good."""
    for _ in range(12):
        kind = loosen(pick(rng, scene.things), rng)
        if kind == Kind():
            continue
        named = [name for name in ("shape", "colour", "size") if getattr(kind, name)]
        name = pick(rng, named)
        words = {"shape": SHAPES, "colour": COLOURS, "size": tuple(SIZES)}[name]
        kind = replace(kind, **{name: pick(rng, words)})
        if possible(kind, pairs) and not any(kind.matches(thing) for thing in scene.things):
            return kind
    return None


def noun(rng: np.random.Generator) -> str:
    """A real-world thing that is never in the drawn world, sometimes with a colour or size."""
    words = pick(rng, NOUNS)
    draw = rng.random()
    if draw < 0.1:
        words = f"{pick(rng, COLOURS)} {words}"
    elif draw < 0.15:
        words = f"{pick(rng, tuple(SIZES))} {words}"
    return words


def present_kinds(scene: Scene) -> list[Kind]:
    """Colour-and-shape kinds of the clear things, in order of their leftmost member."""
    order = sorted((thing for thing in scene.things if thing.clear), key=lambda thing: thing.centre)
    return list(dict.fromkeys(kind_of(thing) for thing in order))
