"""Questions about scenes with figures: the keypoints of a kind, and boxes or masks of figures and things together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from superlens.data.sources.points import ask_for, only
from superlens.data.templates import ask, listing
from superlens.data.world.figures import POINTS, FigureScene
from superlens.data.world.kinds import absent_kind, kind_of, pick
from superlens.data.world.scene import Scene
from superlens.data.world.turns import Setting, Turn, joined, part_of
from superlens.message import Keypoints

# One and many of each kind of figure.
WORDS: Mapping[str, tuple[str, str]] = {"person": ("person", "people"), "dog": ("dog", "dogs")}
# Never drawn, with points that the drawn ones do not have: asked for, they are not there.
STRANGERS: Mapping[str, tuple[str, ...]] = {
    "bird": ("beak", "crown", "left wing", "right wing", "tail", "left foot", "right foot"),
    "fish": ("mouth", "left eye", "right eye", "dorsal fin", "tail fin"),
    "car": ("left headlight", "right headlight", "left mirror", "right mirror", "front left wheel", "front right wheel",
            "back left wheel", "back right wheel"),
    "bicycle": ("front wheel", "back wheel", "left pedal", "right pedal", "saddle", "handlebar"),
    "chair": ("left front leg", "right front leg", "left back leg", "right back leg", "seat", "top of the back"),
    "butterfly": ("head", "left forewing", "right forewing", "left hindwing", "right hindwing"),
}
ABSENT_KIND, ABSENT_NAME = 0.12, 0.25
_MOST_NAMES = 4


def keypoints_of(scene: FigureScene, kind: str, label: str) -> Keypoints:
    """All points of every figure of a kind, left to right; `ignore` marks those seen too little.

    xyv (N, K, 3), boxes of what is seen (N, 4) and its area (N,), in pixels; N = 0 when there is none.
    """
    figures = [scene.objects[index] for index in scene.find(kind)]
    xyv_NK3 = np.array([figure.xyv_K3 for figure in figures], np.float32).reshape(-1, len(POINTS[kind]), 3)
    xyxy_N4 = np.array([figure.box for figure in figures], np.float32).reshape(-1, 4)
    area_N = np.array([figure.area for figure in figures], np.float32)
    ignore_N = np.array([not figure.clear for figure in figures], bool)
    return Keypoints(label, POINTS[kind], xyv_NK3, xyxy_N4, area_N, ignore=ignore_N if ignore_N.any() else None)


def _nobody(rng: np.random.Generator, setting: Setting, kinds: list[str]) -> Turn:
    """Points of a kind that is not there: a stranger, or one of `kinds`."""
    kind = pick(rng, kinds) if kinds and rng.random() < 0.5 else pick(rng, tuple(STRANGERS))
    names = POINTS[kind] if kind in POINTS else STRANGERS[kind]
    # Which points "keypoints" means is known only of kinds that are drawn.
    said, names = ask_for(names, rng) if kind in POINTS else (listing(names), names)
    label = pick(rng, WORDS.get(kind, (kind,)))
    part = Keypoints(label, names, np.zeros((0, len(names), 3)), np.zeros((0, 4)), np.zeros(0))
    return Turn("keypoints", ask("keypoints", rng, setting.held_out, things=label, names=said), joined([part]))


def keypoints_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Points of one kind of figure: all of them, by name or by one word, or some in any order.

    In held-out questions: all points of persons, by name. In training now and then a kind that is not there; of a scene
    without figures that is all there is to ask, and seldom done.
    """
    if not isinstance(scene, FigureScene):
        return _nobody(rng, setting, list(POINTS)) if rng.random() < ABSENT_KIND else None
    if not setting.held_out and rng.random() < ABSENT_KIND:
        return _nobody(rng, setting, [kind for kind in POINTS if not scene.find(kind)])
    kinds = ("person",) if setting.held_out else POINTS
    present = [kind for kind in kinds if any(scene.objects[index].clear for index in scene.find(kind))]
    if not present:
        return None
    kind = pick(rng, present)
    label = pick(rng, WORDS[kind])
    said, names = (listing(POINTS[kind]), POINTS[kind]) if setting.held_out else ask_for(POINTS[kind], rng)
    question = ask("keypoints", rng, setting.held_out, things=label, names=said)
    return Turn("keypoints", question, joined([only(keypoints_of(scene, kind, label), names)]))


def _names(scene: FigureScene, rng: np.random.Generator, setting: Setting) -> list[tuple[str, list[int]]]:
    """1-4 names of figures and things with the indices they fit, about a quarter of them absent, none twice."""
    chosen: dict[object, tuple[str, list[int]]] = {}
    for _ in range(int(rng.integers(1, _MOST_NAMES + 1))):
        draw = rng.random()
        if draw < 0.7 or not scene.things:
            kind = pick(rng, (*WORDS, pick(rng, tuple(STRANGERS)))) if draw < ABSENT_NAME else _cast(scene, rng)
            chosen.setdefault(kind, (pick(rng, WORDS.get(kind, (kind,))), scene.find(kind)))
            continue
        kind = absent_kind(scene, rng, setting.pairs) if rng.random() < ABSENT_NAME else kind_of(pick(rng, scene.things))
        if kind is not None:
            chosen.setdefault(kind, (kind.words(many=rng.random() < 0.5), kind.find(scene)))
    return list(chosen.values())


def _cast(scene: FigureScene, rng: np.random.Generator) -> str:
    return pick(rng, scene.figures).kind


def figure_list_turn(task: str, scene: FigureScene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Boxes or masks of persons, dogs and coloured things, and of some that are not there."""
    names = _names(scene, rng, setting)
    if not names:
        return None
    question = ask(task, rng, setting.held_out, things=listing([words for words, _ in names]))
    return Turn(task, question, joined([part_of(scene, words, indices, task == "masks") for words, indices in names]))
