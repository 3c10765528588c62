"""Persons of the drawn world: 17 keypoints, limbs that bend as far as limbs do, clothes, hair and a face.

Lengths are shares of the height of a standing person, angles degrees. See `bodies.py` for the axes.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from superlens.data.world.bodies import Body, Sculptor, rotation, swing, towards, view
from superlens.data.world.textures import between

# The keypoints of COCO, in COCO's order.
PERSON_POINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)
SIDES = {"left": 1, "right": -1}
_SKINS = np.array([(0.98, 0.85, 0.74), (0.93, 0.76, 0.62), (0.84, 0.64, 0.48), (0.7, 0.5, 0.35), (0.53, 0.36, 0.25),
                   (0.36, 0.24, 0.17)])
_HAIRS = np.array([(0.08, 0.07, 0.07), (0.23, 0.14, 0.08), (0.42, 0.26, 0.13), (0.8, 0.64, 0.32), (0.62, 0.25, 0.1),
                   (0.72, 0.72, 0.72)])
_FACE = {"head", "nose", "mouth", "left eye", "right eye"}


@dataclass(frozen=True)
class Leg:
    """Of the thigh: out to the side, forward; of the knee: how far it is bent."""

    out: float
    forward: float
    knee: float


@dataclass(frozen=True)
class Arm:
    """Of the upper arm: out to the side, forward; of the elbow: how far it is bent, and inwards, up, forward of that."""

    out: float
    forward: float
    elbow: float
    hint: tuple[float, float, float] = (0.3, 0.2, 1.0)


@dataclass(frozen=True)
class Pose:
    """A word, the limbs (left, right), how the back leans forward and to the right, and the roll in the picture."""

    word: str
    legs: tuple[Leg, Leg]
    arms: tuple[Arm, Arm]
    lean: float = 0.0
    sway: float = 0.0
    roll: float = 0.0


def _hanging(rng: np.random.Generator) -> Arm:
    return Arm(between(rng, 4, 28), between(rng, -20, 25), between(rng, 0, 55))


def _busy(rng: np.random.Generator) -> Arm:
    """An arm that does something: hangs, akimbo, points, waves, is held out."""
    draw = rng.random()
    if draw < 0.3:
        return _hanging(rng)
    if draw < 0.45:
        return Arm(between(rng, 40, 60), between(rng, -30, -5), between(rng, 75, 105), (1.0, -0.3, 0.3))
    if draw < 0.7:
        return Arm(between(rng, 0, 40), between(rng, 40, 110), between(rng, 0, 100), (0.3, 1.0, 0.2))
    if draw < 0.85:
        return Arm(between(rng, 60, 110), between(rng, -10, 20), between(rng, 0, 100), (0.0, 1.0, 0.2))
    return Arm(between(rng, 5, 35), between(rng, 5, 30), between(rng, 50, 120))


def _stand(rng: np.random.Generator) -> Pose:
    legs = tuple(Leg(between(rng, 1, 13), between(rng, -8, 10), between(rng, 0, 12)) for _ in range(2))
    return Pose("standing", legs, (_busy(rng), _busy(rng)), between(rng, -3, 8), between(rng, -6, 6), between(rng, -6, 6))


def _walk(rng: np.random.Generator) -> Pose:
    """From a stroll to a run: arms swing against the legs."""
    pace = between(rng, 0.4, 1.0)
    ahead = Leg(between(rng, 0, 5), 45 * pace, between(rng, 5, 60) * pace)
    behind = Leg(between(rng, 0, 5), -28 * pace, between(rng, 15, 95) * pace)
    with_ahead = Arm(between(rng, 4, 18), -45 * pace, between(rng, 10, 95) * pace)
    with_behind = Arm(between(rng, 4, 18), 45 * pace, between(rng, 15, 100) * pace)
    legs, arms = (ahead, behind), (with_ahead, with_behind)
    if rng.random() < 0.5:
        legs, arms = legs[::-1], arms[::-1]
    return Pose("walking", legs, arms, 14 * pace, between(rng, -3, 3), between(rng, -5, 5))


def _sit(rng: np.random.Generator) -> Pose:
    legs = tuple(Leg(between(rng, 2, 24), between(rng, 72, 98), between(rng, 60, 110)) for _ in range(2))
    return Pose("sitting", legs, (_busy(rng), _busy(rng)), between(rng, -8, 18), between(rng, -6, 6), between(rng, -5, 5))


def _raise(rng: np.random.Generator) -> Pose:
    arms = [Arm(between(rng, 115, 172), between(rng, -12, 20), between(rng, 0, 70), (0.5, 0.6, 0.3)) for _ in range(2)]
    if rng.random() < 0.3:
        arms[int(rng.integers(2))] = _busy(rng)
    standing = _stand(rng)
    return Pose("arms up", standing.legs, (arms[0], arms[1]), standing.lean, standing.sway, standing.roll)


def _lie(rng: np.random.Generator) -> Pose:
    legs = tuple(Leg(between(rng, 1, 25), between(rng, -10, 40), between(rng, 0, 70)) for _ in range(2))
    roll = between(rng, 68, 112) * (1 if rng.random() < 0.5 else -1)
    return Pose("lying", legs, (_busy(rng), _busy(rng)), between(rng, -5, 15), between(rng, -12, 12), roll)


def _jump(rng: np.random.Generator) -> Pose:
    if rng.random() < 0.5:
        legs = tuple(Leg(between(rng, 18, 48), between(rng, -10, 15), between(rng, 0, 40)) for _ in range(2))
    else:
        legs = tuple(Leg(between(rng, 4, 25), between(rng, 10, 80), between(rng, 40, 125)) for _ in range(2))
    arms = tuple(Arm(between(rng, 50, 160), between(rng, -10, 30), between(rng, 0, 60), (0.0, 1.0, 0.4))
                 for _ in range(2))
    return Pose("jumping", legs, arms, between(rng, -8, 15), between(rng, -10, 10), between(rng, -14, 14))


def _any(rng: np.random.Generator) -> Pose:
    """Every joint anywhere within its limits."""
    legs = tuple(Leg(between(rng, 0, 45), between(rng, -25, 110), between(rng, 0, 130)) for _ in range(2))
    arms = tuple(Arm(between(rng, 0, 160), between(rng, -40, 110), between(rng, 0, 135),
                     (between(rng, -0.2, 1), between(rng, -0.2, 1), 0.6)) for _ in range(2))
    return Pose("moving", legs, arms, between(rng, -10, 40), between(rng, -20, 20), between(rng, -25, 25))


_POSES = ((_stand, 0.24), (_walk, 0.46), (_sit, 0.62), (_raise, 0.74), (_lie, 0.82), (_jump, 0.92), (_any, 1.0))


@dataclass(frozen=True)
class _Build:
    """Proportions: lengths, half widths of shoulders and hips, radius of the head; and what is bare."""

    head: float
    shoulder: float
    hip: float
    trunk: float
    thick: float
    bare_arms: bool
    bare_legs: bool
    long_hair: bool
    bald: bool


def _build(rng: np.random.Generator) -> _Build:
    return _Build(between(rng, 0.072, 0.105), between(rng, 0.095, 0.13), between(rng, 0.06, 0.08), between(rng, 0.26, 0.31),
                  between(rng, 0.8, 1.3), rng.random() < 0.5, rng.random() < 0.35, rng.random() < 0.35, rng.random() < 0.1)


def _cloth(rng: np.random.Generator) -> np.ndarray:
    """A colour of clothes: bright, muted, dark or pale."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), between(rng, 0.0, 0.95), between(rng, 0.12, 0.98)))


def _paints(rng: np.random.Generator, build: _Build) -> dict[str, np.ndarray]:
    place = rng.random() * (len(_SKINS) - 1.001)
    skin = _SKINS[int(place)] + (_SKINS[int(place) + 1] - _SKINS[int(place)]) * (place % 1)
    skin = skin * between(rng, 0.94, 1.05)
    hair = _HAIRS[int(rng.integers(len(_HAIRS)))] * between(rng, 0.8, 1.15)
    shirt, trousers, mark = _cloth(rng), _cloth(rng), _cloth(rng)
    if np.abs(mark - shirt).sum() < 0.6:
        mark = np.full(3, 0.95 if shirt.sum() < 1.5 else 0.1)
    return {"skin": skin, "nose": skin * np.array([0.82, 0.68, 0.62]), "hair": skin * 0.97 if build.bald else hair,
            "eye": np.full(3, 0.06), "white": np.full(3, 0.96), "mouth": np.array([0.62, 0.16, 0.18]), "shirt": shirt,
            "trousers": trousers, "mark": mark, "shoe": _cloth(rng) * 0.7,
            "sleeve": skin if build.bare_arms else shirt * 0.94, "shin": skin if build.bare_legs else trousers}


def _leg(body: Sculptor, name: str, leg: Leg, build: _Build) -> None:
    side, thick = SIDES[name], build.thick
    hip = body.joint(f"{name} hip", (side * build.hip, 0, 0))
    knee = body.joint(f"{name} knee", hip + swing(side, leg.out, leg.forward, 0.245))
    shin = leg.forward - leg.knee
    ankle = body.joint(f"{name} ankle", knee + swing(side, leg.out * 0.8, shin, 0.23))
    body.joint(f"{name} toe", ankle + swing(side, 12, shin + 72, 0.075))
    body.stroke(f"{name} foot", "shoe", (f"{name} ankle", f"{name} toe"), (0.027 * thick, 0.022 * thick))
    body.stroke(f"{name} shin", "shin", (f"{name} knee", f"{name} ankle"), (0.041 * thick, 0.027 * thick), 0.004)
    body.stroke(f"{name} thigh", "trousers", (f"{name} hip", f"{name} knee"), (0.056 * thick, 0.043 * thick), 0.008)
    body.keypoint(f"{name} hip", f"{name} hip", {f"{name} thigh"}, {"trunk", "pelvis", "mark"},
                  ("pelvis", f"{name} hip", -0.85 * build.hip))
    body.keypoint(f"{name} knee", f"{name} knee", {f"{name} thigh", f"{name} shin"})
    body.keypoint(f"{name} ankle", f"{name} ankle", {f"{name} shin", f"{name} foot"})


def _arm(body: Sculptor, name: str, arm: Arm, build: _Build, chest_33: np.ndarray) -> None:
    side, thick = SIDES[name], build.thick
    shoulder = body.joint(f"{name} shoulder", chest_33 @ (side * build.shoulder, build.trunk - 0.02, 0))
    upper = swing(side, arm.out, arm.forward, 0.165)
    inwards, up, forward = arm.hint
    lower = towards(upper, np.array([-side * inwards, up, forward]), arm.elbow, 0.145)
    elbow = body.joint(f"{name} elbow", shoulder + chest_33 @ upper)
    wrist = body.joint(f"{name} wrist", elbow + chest_33 @ lower)
    body.joint(f"{name} hand", wrist + chest_33 @ (lower * 0.24))
    body.stroke(f"{name} upper arm", "shirt", (f"{name} shoulder", f"{name} elbow"), (0.04 * thick, 0.031 * thick), 0.022)
    body.stroke(f"{name} hand", "skin", (f"{name} wrist", f"{name} hand"), (0.022 * thick, 0.027 * thick), 0.022)
    body.stroke(f"{name} forearm", "sleeve", (f"{name} elbow", f"{name} wrist"), (0.031 * thick, 0.023 * thick), 0.024)
    body.keypoint(f"{name} shoulder", f"{name} shoulder", {f"{name} upper arm"}, {"trunk", "neck"},
                  ("chest", f"{name} shoulder", -0.8 * build.shoulder))
    body.keypoint(f"{name} elbow", f"{name} elbow", {f"{name} upper arm", f"{name} forearm"})
    body.keypoint(f"{name} wrist", f"{name} wrist", {f"{name} forearm", f"{name} hand"})


def _trunk(body: Sculptor, build: _Build, chest_33: np.ndarray) -> None:
    """Shirt and hips, and on the chest a mark that the back does not have."""
    thick = build.thick
    body.joint("pelvis", (0, 0, 0))
    chest = body.joint("chest", chest_33 @ (0, build.trunk - 0.02, 0))
    body.joint("neck", chest * 1.12)
    radius = 0.038 * thick
    body.joint("front", chest_33 @ (0, build.trunk * 0.6, 0.05))
    for name, side in SIDES.items():
        body.joint(f"{name} waist", chest_33 @ (side * build.hip * 1.02, 0.045, 0))
        body.joint(f"{name} collar", chest_33 @ (side * build.shoulder * 0.55, build.trunk - 0.045, 0.05))
    body.joint("belly", chest_33 @ (0, build.trunk * 0.35, 0.055))
    body.joint("middle", chest_33 @ (0, build.trunk * 0.6, 0))
    body.stroke("pelvis", "trousers", ("left hip", "right hip"), (0.054 * thick, 0.054 * thick), 0.006)
    body.stroke("trunk", "shirt", ("left shoulder", "right shoulder", "right waist", "left waist"),
                (radius, radius, radius * 1.35, radius * 1.35), 0.012, closed=True)
    body.stroke("mark", "mark", ("left collar", "belly", "right collar"), (0.012, 0.012, 0.012), 0.014, at="middle",
                seen_from=("middle", "front"))


def _head(body: Sculptor, rng: np.random.Generator, build: _Build, chest_33: np.ndarray) -> None:
    """Head, hair, ears and a face, each in its place in space: what is turned away is hidden."""
    radius = build.head
    head_33 = chest_33 @ rotation(between(rng, -30, 30), between(rng, -12, 18), between(rng, -10, 10))
    neck = chest_33 @ (0, build.trunk, 0)
    centre = body.joint("head", neck + head_33 @ (0, radius + 0.025, 0.01))
    places = {"hair": (0, 0.3, -0.34), "nape": (0, -0.95, -0.45), "nose": (0, -0.12, 1.08), "left eye": (0.38, 0.14, 0.9),
              "right eye": (-0.38, 0.14, 0.9), "left ear": (1.0, -0.02, -0.02), "right ear": (-1.0, -0.02, -0.02),
              "left lip": (0.28, -0.52, 0.82), "right lip": (-0.28, -0.52, 0.82)}
    for name, place in places.items():
        body.joint(name, centre + radius * (head_33 @ place))
    body.stroke("neck", "skin", ("neck", "head"), (0.032 * build.thick, 0.034 * build.thick), -0.002, at="neck")
    body.stroke("head", "skin", ("head",), (radius,), 0.03)
    if not build.bald:
        spine = ("hair", "nape") if build.long_hair else ("hair",)
        body.stroke("hair", "hair", spine, (radius * 0.98, radius * 0.6)[:len(spine)], 0.031, at="hair")
    for name in SIDES:
        ear, eye = f"{name} ear", f"{name} eye"
        body.stroke(ear, "nose", (ear,), (radius * 0.24,), 0.033)
        body.stroke(eye, "white", (eye,), (radius * 0.22,), 0.034, seen_from=("head", eye))
        body.stroke(eye, "eye", (eye,), (radius * 0.14,), 0.035, seen_from=("head", eye))
        body.keypoint(eye, eye, set(), _FACE, ("head", eye, 0.15 * radius))
        body.keypoint(ear, ear, {ear}, {"head", "hair"}, ("head", ear, -0.35 * radius))
    body.stroke("mouth", "mouth", ("left lip", "right lip"), (radius * 0.09,) * 2, 0.034, seen_from=("head", "nose"))
    body.stroke("nose", "nose", ("nose",), (radius * 0.19,), 0.036, seen_from=("head", "nose"))
    body.keypoint("nose", "nose", set(), _FACE, ("head", "nose", 0.1 * radius))


def person(rng: np.random.Generator, facing_us: float = 0.0) -> Body:
    """A person as one random draw: proportions, clothes, pose, and how it is looked at; a pure function of `rng`.

    facing_us: as in `view`.
    """
    draw = rng.random()
    pose = next(make for make, edge in _POSES if draw < edge)(rng)
    build = _build(rng)
    chest_33 = rotation(between(rng, -12, 12), pose.lean, pose.sway)
    body = Sculptor()
    _trunk(body, build, chest_33)
    for name, leg, arm in zip(SIDES, pose.legs, pose.arms):
        _leg(body, name, leg, build)
        _arm(body, name, arm, build, chest_33)
    _head(body, rng, build, chest_33)
    view_33, facing = view(rng, pose.roll, facing_us)
    return body.finish("person", pose.word, facing, view_33, _paints(rng, build), rng.random() < 0.4, PERSON_POINTS)
