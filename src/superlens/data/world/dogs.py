"""Dogs of the drawn world: four legs, a snout, two ears and a tail. Keypoints that no person has.

Lengths are about shares of the trunk's, angles degrees. See `bodies.py` for the axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superlens.data.world.bodies import Body, Sculptor, rotation, swing, view
from superlens.data.world.persons import SIDES
from superlens.data.world.textures import between, paint

DOG_POINTS = ("nose", "left ear", "right ear", "neck", "tail base", "tail tip", "left front paw", "right front paw",
              "left back paw", "right back paw")
_FURS = np.array([(0.5, 0.33, 0.18), (0.76, 0.58, 0.36), (0.13, 0.12, 0.12), (0.9, 0.88, 0.83), (0.5, 0.5, 0.5),
                  (0.66, 0.36, 0.16)])
# Of each pose: how the trunk is raised in front; thigh and knee of front legs and of back legs; drawn this often up to.
_POSES = (
    ("standing", (-3, 4), ((-6, 6), (-4, 8)), ((-4, 14), (2, 22)), 0.4),
    ("walking", (-4, 6), ((-38, 40), (0, 40)), ((-30, 42), (5, 45)), 0.75),
    ("sitting", (36, 52), ((24, 44), (0, 12)), ((108, 124), (60, 90)), 0.9),
    ("lying", (2, 8), ((62, 78), (-20, -5)), ((70, 92), (70, 110)), 1.0),
)


@dataclass(frozen=True)
class _Build:
    leg: float
    thick: float
    head: float
    tail: float
    width: float
    pointed: bool


def _leg(body: Sculptor, name: str, front: bool, angles: tuple[float, float], build: _Build, trunk_33: np.ndarray) -> None:
    side = SIDES[name.split()[0]]
    thick = 0.085 * build.thick * (1.0 if front else 1.2)
    thigh, knee = angles
    top = body.joint(f"{name} top", trunk_33 @ (side * build.width, -0.06, 0.42 if front else -0.42))
    middle = body.joint(f"{name} knee", top + swing(side, 3, thigh, build.leg * 0.52))
    ankle = body.joint(f"{name} ankle", middle + swing(side, 0, thigh - knee, build.leg * 0.5))
    body.joint(f"{name} paw", ankle + (0, -0.01, 0.05))
    body.joint(f"{name} toe", ankle + (0, -0.02, 0.1))
    body.stroke(f"{name} paw", "paw", (f"{name} ankle", f"{name} toe"), (0.05 * build.thick, 0.052 * build.thick), 0.012)
    body.stroke(f"{name} shin", "fur", (f"{name} knee", f"{name} ankle"), (thick * 0.7, thick * 0.5), 0.01)
    body.stroke(f"{name} thigh", "fur", (f"{name} top", f"{name} knee"), (thick * 1.3, thick * 0.75), 0.01)
    body.keypoint(f"{name} paw", f"{name} paw", {f"{name} paw", f"{name} shin"})


def _trunk(body: Sculptor, build: _Build, trunk_33: np.ndarray) -> None:
    radius = 0.17 * build.thick
    for name, place in {"chest": (0, 0.02, 0.4), "waist": (0, 0.03, -0.05), "rump": (0, 0.0, -0.42), "centre": (0, 0, 0),
                        "belly": (0, -0.3, 0.0)}.items():
        body.joint(name, trunk_33 @ place)
    body.stroke("trunk", "fur", ("chest", "waist", "rump"), (radius, radius * 0.85, radius * 0.9))


def _tail(body: Sculptor, rng: np.random.Generator, build: _Build, trunk_33: np.ndarray) -> None:
    base = body.joint("tail base", trunk_33 @ (0, 0.09, -0.54))
    lift, wag = between(rng, -35, 70), between(rng, -45, 45)
    first = rotation(wag, 0) @ rotation(0, lift) @ np.array([0, 0, -build.tail * 0.5])
    second = rotation(wag * 1.5, 0) @ rotation(0, lift + between(rng, -10, 45)) @ np.array([0, 0, -build.tail * 0.5])
    middle = body.joint("tail", base + first)
    body.joint("tail tip", middle + second)
    body.stroke("tail", "fur", ("tail base", "tail", "tail tip"), (0.06 * build.thick, 0.05, 0.036), 0.005)
    body.keypoint("tail base", "tail base", {"tail"}, {"trunk"}, ("chest", "tail base", -0.55))
    body.keypoint("tail tip", "tail tip", {"tail"})


def _head(body: Sculptor, rng: np.random.Generator, build: _Build, trunk_33: np.ndarray) -> None:
    size = build.head
    base = body.joint("neck base", trunk_33 @ (0, 0.1, 0.42))
    head_33 = rotation(between(rng, -35, 35), between(rng, -12, 30), between(rng, -10, 10))
    head = body.joint("head", base + rotation(0, between(rng, 10, 60)) @ np.array([0, 0.24 + 0.9 * size, 0]))
    body.joint("neck", base * 0.5 + head * 0.5)
    tip = (0.75, 0.9, -0.1) if build.pointed else (0.98, -0.75, 0.05)
    places = {"snout": (0, -0.3, 1.1), "nose": (0, -0.2, 1.62), "top": (0, 0.3, -0.1)}
    for name, side in SIDES.items():
        places |= {f"{name} ear root": (side * 0.6, 0.55, -0.1), f"{name} ear tip": (side * tip[0], tip[1] + 0.45, tip[2]),
                   f"{name} ear": (side * (0.3 + tip[0] / 2), 0.5 + tip[1] / 2, -0.05), f"{name} eye": (side * 0.42, 0.28, 0.85)}
    for name, place in places.items():
        body.joint(name, head + size * (head_33 @ place))
    thick = 0.13 * build.thick
    body.stroke("neck", "fur", ("neck base", "head"), (thick, thick * 0.8), 0.002)
    body.stroke("collar", "collar", ("neck",), (thick * 0.72,), 0.003)
    body.stroke("head", "fur", ("head",), (size,), 0.05)
    body.stroke("snout", "muzzle", ("head", "snout", "nose"), (size * 0.7, size * 0.52, size * 0.36), 0.04)
    for name in SIDES:
        ear, eye = f"{name} ear", f"{name} eye"
        body.stroke(ear, "ear", (f"{ear} root", f"{ear} tip"), (size * 0.36, size * (0.1 if build.pointed else 0.3)), 0.055)
        body.stroke("face", "eye", (eye,), (size * 0.16,), 0.07, seen_from=("head", eye))
        body.keypoint(ear, ear, {ear})
    body.stroke("nose", "eye", ("nose",), (size * 0.3,), 0.06)
    body.keypoint("nose", "nose", {"nose", "snout"})
    body.keypoint("neck", "neck", {"neck", "collar"})


def dog(rng: np.random.Generator, facing_us: float = 0.0) -> Body:
    """A dog as one random draw: proportions, fur, pose, and how it is looked at; a pure function of `rng`. facing_us: as in `view`."""
    draw = rng.random()
    word, lift, front, back, _ = next(pose for pose in _POSES if draw < pose[-1])
    build = _Build(between(rng, 0.42, 0.66), between(rng, 0.85, 1.2), between(rng, 0.16, 0.21), between(rng, 0.35, 0.6),
                   between(rng, 0.09, 0.12), rng.random() < 0.5)
    trunk_33 = rotation(0, -between(rng, *lift))
    body = Sculptor()
    _trunk(body, build, trunk_33)
    for name in DOG_POINTS[6:]:
        angles = front if "front" in name else back
        leg = name.removesuffix(" paw")
        _leg(body, leg, "front" in name, (between(rng, *angles[0]), between(rng, *angles[1])), build, trunk_33)
    _tail(body, rng, build, trunk_33)
    _head(body, rng, build, trunk_33)
    view_33, facing = view(rng, between(rng, -7, 7), facing_us)
    fur = _FURS[int(rng.integers(len(_FURS)))] * between(rng, 0.85, 1.1)
    spots = _FURS[int(rng.integers(len(_FURS)))] if rng.random() < 0.4 else fur * 0.7
    paints = {"fur": fur, "ear": spots, "muzzle": fur * 0.8 + 0.2 if rng.random() < 0.5 else fur * 0.94,
              "paw": fur * 0.7 + 0.3 * spots, "eye": np.full(3, 0.05),
              "collar": paint("red" if rng.random() < 0.5 else "blue", rng)}
    return body.finish("dog", word, facing, view_33, paints, rng.random() < 0.4, DOG_POINTS)
