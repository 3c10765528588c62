"""Edited pictures: one change to a scene, all else untouched to the last bit. "Make the star red", "take away the moon".

A picture and its edit differ in what is changed, its shadow, and what the blur spreads of them, and nowhere else: the scene is
drawn in layers, and drawn again with one thing (or all of a kind) changed.

Legend: H W rows and columns, N changed things. Pixels, y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superlens.data.grammar import spell
from superlens.data.templates import ask
from superlens.data.wordings_pictures import CHANGES
from superlens.data.world.expressions import expressions
from superlens.data.world.kinds import Kind, Pairs, article, kind_of, loosen, pick
from superlens.data.world.layers import Layer, Layers
from superlens.data.world.scene import SIZES, Scene, fill
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS
from superlens.data.world.turns import About, Setting, Turn, mentioned
from superlens.message import Conversation, Image, Message

TASK = "edit_image"
MOST = 6  # things in a scene that is edited
LEAST = 60  # visible pixels of each changed thing, on a picture of 128
CONTRAST = 0.6  # of a changed thing to the background behind it, before and after, summed over the channels
TOUCHING = 3  # pixels on a picture of 128: what is nearer to a changed thing has another colour, before and after
SLACK = 3  # pixels around what differs where an answer may differ too, on a picture of 128
FORMS = ("recolour", "recolour", "recolour_all", "remove", "remove", "reshape", "reshape")  # as often as they stand here
_TRIES, _TRIES_EACH = 2000, 5  # in all, and for each scene


@dataclass(frozen=True, eq=False)
class Change:
    """What an edit has to have changed.

    form: "recolour", "recolour_all", "remove" or "reshape". was, now: shape and colour of each changed thing before and after, None
    for what has to be gone. places_NHW: bool, the pixels of each: after the change, or before it where it has to be gone.
    allowed_HW: bool, where pixels may change. of: the picture of the conversation that is changed.
    """

    form: str
    was: tuple[Kind, ...]
    now: tuple[Kind | None, ...]
    places_NHW: np.ndarray
    allowed_HW: np.ndarray
    of: int = 0


class _Plan(NamedTuple):
    """A change before it is drawn: the things changed (None: taken away), the words of it, and what they mention."""

    form: str
    layers: Mapping[int, Layer | None]
    slots: Mapping[str, str]
    about: About


def edit_talk(task: str, rng: np.random.Generator, size: int, setting: Setting) -> tuple[Conversation, Turn]:
    """The question with its picture, and the turn with the changed one (`of` 0); `Turn.facts` is a `Change`."""
    form = pick(rng, FORMS)
    for attempt in range(_TRIES):
        if attempt % _TRIES_EACH == 0:
            canvas = fill(Layers(rng, size), setting.pairs, MOST)
            scene = canvas.scene()
        plan = _WAYS[form](scene, canvas, rng, setting.pairs) if scene.clear else None
        edited = None if plan is None else _edited(scene, canvas, plan)
        if edited is not None:
            break
    else:
        raise AssertionError(f"no scene to {form} a thing of in {_TRIES} attempts")
    question = ask(task, rng, setting.held_out, change=in_words(plan.form, rng, setting.held_out, plan.slots))
    turn = Turn(task, question, Message("assistant", (Image(edited[0], of=0),)), about=plan.about, facts=edited[1])
    asked = turn.asked if setting.held_out else turn.taught
    return Conversation((Message("user", (Image(scene.picture), *asked)),)), turn


def in_words(form: str, rng: np.random.Generator, held_out: bool, slots: Mapping[str, str]) -> str:
    """What to do, in words with a small letter first: "make the star red"."""
    words = spell(pick(rng, CHANGES[form][held_out].split("\n")[1:-1]), rng)
    return (words[0].lower() + words[1:]).format(**slots)


def _edited(scene: Scene, canvas: Layers, plan: _Plan) -> tuple[np.ndarray, Change] | None:
    """The changed picture and its facts; None when the change would be hard to see, or would hide another thing."""
    before = canvas.layers
    if not all(_stands_out(scene, canvas.bare, index, before[index].tone_3) for index in plan.layers):
        return None
    layers = {index: plan.layers.get(index, layer) for index, layer in enumerate(before)}
    left = [index for index, layer in layers.items() if layer is not None]
    after = canvas.with_layers([layers[index] for index in left])
    if after is None:
        return None
    was, now, places = [], [], []
    for index, layer in plan.layers.items():
        was.append(kind_of(scene.things[index]))
        now.append(None if layer is None else Kind(layer.shape, layer.colour))
        places.append(scene.mask(index) if layer is None else after.mask(left.index(index)))
        if layer is not None and not _stands_out(after, canvas.bare, left.index(index), layer.tone_3):
            return None
    allowed_HW = grown((scene.picture != after.picture).any(-1), SLACK * scene.scale)
    return after.picture, Change(plan.form, tuple(was), tuple(now), np.stack(places), allowed_HW)


def _stands_out(scene: Scene, bare_HW3: np.ndarray, index: int, tone_3: np.ndarray) -> bool:
    """Whether a thing is large enough, unlike the background behind it, and apart from things of its own colour."""
    place_HW = scene.mask(index)
    around_HW = grown(place_HW, TOUCHING * scene.scale)
    beside = set(np.unique(scene.owner_HW[around_HW]).tolist()) - {-1, index}
    return (
        place_HW.sum() >= LEAST * scene.scale**2
        and np.abs(bare_HW3[around_HW].mean(axis=0) - tone_3).sum() >= CONTRAST
        and all(scene.things[other].colour != scene.things[index].colour for other in beside)
    )


def grown(mask_HW: np.ndarray, by: float) -> np.ndarray:
    """The pixels at most `by` pixels (rounded) from a mask, along rows and columns."""
    wide_HW = mask_HW.copy()
    for step in range(1, round(by) + 1):
        wide_HW[step:] |= mask_HW[:-step]
        wide_HW[:-step] |= mask_HW[step:]
    both_HW = wide_HW.copy()
    for step in range(1, round(by) + 1):
        both_HW[:, step:] |= wide_HW[:, :-step]
        both_HW[:, :-step] |= wide_HW[:, step:]
    return both_HW


def _recolour(scene: Scene, canvas: Layers, rng: np.random.Generator, pairs: Pairs) -> _Plan | None:
    found = expressions(scene, rng)
    if found is None:
        return None
    colour = pick(rng, COLOURS)
    layers = _repainted(scene, canvas, [found.index], colour, rng, pairs)
    return layers and _Plan("recolour", layers, {"thing": found.words, "colour": colour}, found.about(scene))


def _recolour_all(scene: Scene, canvas: Layers, rng: np.random.Generator, pairs: Pairs) -> _Plan | None:
    kind = loosen(pick(rng, scene.things), rng)
    found, colour = kind.find(scene), pick(rng, COLOURS)
    if len(found) < 2:
        return None
    words = kind.words(many=True)
    layers = _repainted(scene, canvas, [index for index in found if scene.things[index].colour != colour], colour, rng, pairs)
    return layers and _Plan("recolour_all", layers, {"things": words, "colour": colour}, mentioned(scene, {words: found}))


def _repainted(scene: Scene, canvas: Layers, which: Sequence[int], colour: str, rng: np.random.Generator,
               pairs: Pairs) -> dict[int, Layer] | None:
    """Things in another colour; None when one has it already, or shape and colour are no pair to be drawn."""
    things = [scene.things[index] for index in which]
    if not things or any(thing.colour == colour or (thing.shape, colour) not in pairs for thing in things):
        return None
    return {index: canvas.layers[index].recoloured(colour, rng) for index in which}


def _remove(scene: Scene, canvas: Layers, rng: np.random.Generator, pairs: Pairs) -> _Plan | None:
    found = expressions(scene, rng)
    return found and _Plan("remove", {found.index: None}, {"thing": found.words}, found.about(scene))


def _reshape(scene: Scene, canvas: Layers, rng: np.random.Generator, pairs: Pairs) -> _Plan | None:
    """Only of a thing that is seen whole, and not small: what a small one is would be hard to tell."""
    found = expressions(scene, rng)
    if found is None or scene.things[found.index].visible < 1 or canvas.layers[found.index].size == next(iter(SIZES)):
        return None
    layer, shape = canvas.layers[found.index], pick(rng, SHAPES)
    if shape == layer.shape or (shape, layer.colour) not in pairs:
        return None
    layers = {found.index: layer.reshaped(shape, rng, scene.scale)}
    return _Plan("reshape", layers, {"thing": found.words, "shape": article(shape)}, found.about(scene))


_WAYS = {"recolour": _recolour, "recolour_all": _recolour_all, "remove": _remove, "reshape": _reshape}
