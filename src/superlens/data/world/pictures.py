"""New pictures, asked for in words alone: "a red star left of a blue moon". The tasks follow GenEval (arXiv 2310.11513).

    one_image       "a star": one thing by its shape
    two_image       "a star and a moon"
    count_image     "three circles", two to four
    colour_image    "a red star"
    relation_image  "a red star left of a blue moon", and right of, above, below
    bind_image      "a red star and a blue moon": each has its own colour

The pictures are simple on purpose, so that a small generator can learn them on a processor: things of the world's shapes and
colours, medium or large, whole and apart from one another, lit evenly from one side, on a background of one muted tone. What the
scenes of other tasks have besides (textures, shadows, noise, blur, cover) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.kinds import Kind, Pairs, article, kind_of, pick
from superlens.data.world.relations import DIRECTIONS, holds
from superlens.data.world.scene import BASE, Canvas, Scene, Thing
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS, calm
from superlens.data.world.turns import Setting, Turn
from superlens.media import Drafted
from superlens.message import Conversation, Message

COUNTS = {2: "two", 3: "three", 4: "four"}
APART = 5  # pixels on a picture of 128 between any two things, at least
LARGE = {1: 1.0, 2: 0.8, 3: 0.3, 4: 0.1}  # how often a thing is large, by how many there are: who asks for one wants to see it
_LIGHT = -2.36  # from the top left, radians
_SHADE = 0.1
_SAID = {"left of": ("left of", "to the left of", "on the left of"), "right of": ("right of", "to the right of", "on the right of"),
         "above": ("above",), "below": ("below",)}
_TRIES = 200


@dataclass(frozen=True)
class Wanted:
    """What a new picture has to show.

    kinds: each of them at least once. count: of the first kind exactly so many; None for any number. relation: where the first
    lies, seen from the second ("left of").
    """

    kinds: tuple[Kind, ...]
    count: int | None = None
    relation: str | None = None


class Easel(Canvas):
    """A canvas for simple pictures: see the head of the file."""

    cluster, spill_chance, least_inside = 0.0, 0.0, 1.0

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        super().__init__(rng, size)
        self.light, self.shadow = _LIGHT, 0.0

    def _ground(self) -> np.ndarray:
        return calm(self.rng, self.size)

    def _skin(self, tone: np.ndarray, height: int, width: int) -> np.ndarray:
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        return tone * (1 + _SHADE * (across * np.cos(self.light) + down * np.sin(self.light)))[..., None]

    def _place(self, alpha: np.ndarray, tone: np.ndarray, colour: str, contrast: float = 0.45) -> tuple | None:
        """As on any canvas, but never near another thing."""
        place = super()._place(alpha, tone, colour, contrast)
        if place is None:
            return None
        gap = round(APART * self.size / BASE)
        near = tuple(slice(max(side.start - gap, 0), side.stop + gap) for side in place[0])
        return None if (self.owner_HW[near] >= 0).any() else place

    def develop(self) -> np.ndarray:
        return (self.pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def draw_picture(rng: np.random.Generator, size: int, wanted: Sequence[tuple[str, str]]) -> Scene:
    """A simple picture of exactly these (shape, colour) things, (size, size, 3) uint8; a pure function of the state of `rng`."""
    return draw_in_turns(rng, size, wanted)[0]


def draw_in_turns(rng: np.random.Generator, size: int, wanted: Sequence[tuple[str, str]]) -> tuple[Scene, list[np.ndarray]]:
    """`draw_picture`, and the picture as it was after each of the things, (size, size, 3) uint8."""
    for _ in range(_TRIES):
        easel, large, drafts = Easel(rng, size), LARGE[len(wanted)], []
        for shape, colour in wanted:
            if not easel.add(shape, colour, "large" if rng.random() < large else "medium"):
                break
            drafts.append(easel.develop())
        else:
            return easel.scene(), drafts
    raise AssertionError(f"no room for {wanted} in {_TRIES} draws")


def picture_talk(task: str, rng: np.random.Generator, size: int, setting: Setting) -> tuple[Conversation, Turn]:
    """The question, words alone, and the turn with the picture that answers it; `Turn.facts` is a `Wanted`."""
    for _ in range(_TRIES):
        scene, drafts = draw_in_turns(rng, size, _things(task, rng, setting.pairs))
        found = _wanted(task, rng, scene.things, scene)
        if found is not None:
            break
    else:
        raise AssertionError(f"no picture for {task} in {_TRIES} draws")
    question = ask(task, rng, setting.held_out, scene=in_words(found, rng, vary=not setting.held_out))
    drafts = drafts[:1] if len(found.kinds) > 1 else []  # all of one kind are asked for at once
    turn = Turn(task, question, Message("assistant", (Drafted(scene.picture, drafts),)), facts=found)
    return Conversation((Message("user", turn.asked),)), turn


def in_words(wanted: Wanted, rng: np.random.Generator, vary: bool = False) -> str:
    """What a picture has to show: "three circles", "a red star left of a blue moon"; vary: relations in several wordings."""
    if wanted.count is not None:
        return f"{COUNTS[wanted.count]} {wanted.kinds[0].words(many=True)}"
    names = [article(kind.words()) for kind in wanted.kinds]
    if wanted.relation is None:
        return " and ".join(names)
    return f" {pick(rng, _SAID[wanted.relation]) if vary else wanted.relation} ".join(names)


def _things(task: str, rng: np.random.Generator, pairs: Pairs) -> list[tuple[str, str]]:
    """(shape, colour) of what to draw; shapes come equally often."""
    if task in ("one_image", "colour_image"):
        return [_painted(pick(rng, SHAPES), rng, pairs)]
    if task == "count_image":
        shape, count = pick(rng, SHAPES), pick(rng, tuple(COUNTS))
        if rng.random() < 0.5:
            return [_painted(shape, rng, pairs)] * count
        return [_painted(shape, rng, pairs) for _ in range(count)]
    first, second = (SHAPES[index] for index in rng.permutation(len(SHAPES))[:2])
    one = _painted(first, rng, pairs)
    # Of one colour, two things would not show whether each got its own.
    return [one, _painted(second, rng, pairs, but=one[1] if task == "bind_image" else None)]


def _painted(shape: str, rng: np.random.Generator, pairs: Pairs, but: str | None = None) -> tuple[str, str]:
    return shape, pick(rng, [colour for colour in COLOURS if (shape, colour) in pairs and colour != but])


def _wanted(task: str, rng: np.random.Generator, things: Sequence[Thing], scene: Scene) -> Wanted | None:
    """What a drawn picture shows, as its task asks for it; None when no relation is sure."""
    kinds = tuple(kind_of(thing) for thing in things)
    shapes = tuple(Kind(thing.shape) for thing in things)
    if task == "count_image":
        return Wanted(shapes[:1], count=len(things))
    if task != "relation_image":
        return Wanted(shapes if task in ("one_image", "two_image") else kinds)
    sure = [direction for direction in DIRECTIONS if holds(scene, direction, 0, 1)]
    return Wanted(kinds, relation=pick(rng, sure)) if sure else None
