"""Bodies of the drawn world: joints in space, strokes from joint to joint, and where the keypoints are.

A body stands in its own frame: x to its left, y up, z forward. Seen by the viewer x goes to the right of the picture, y
up and z towards the viewer; so a body that faces the viewer has its left on the right of the picture. Lengths are in
units of the body. Legend: J joints, K keypoints, 3 axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from superlens.data.world.textures import between

FACINGS = {"front": 0.0, "right": 90.0, "back": 180.0, "left": 270.0}


@dataclass(frozen=True)
class Stroke:
    """A chain of joints drawn as thick tapered lines, in one paint: joint indices, a radius for each, its depth.

    `part` names the piece of the body it belongs to. `closed`: the chain is an outline, to be filled.
    """

    part: str
    paint: str
    spine: tuple[int, ...]
    radii: tuple[float, ...]
    depth: float
    closed: bool


@dataclass(frozen=True)
class Point:
    """A keypoint: its joint, and the parts of the body that show it where they are seen."""

    name: str
    joint: int
    parts: frozenset[str]


@dataclass(frozen=True, eq=False)
class Body:
    """A posed body as the viewer sees it: `joints_J3` in view axes, strokes from back to front.

    `facing` is "front", "back", "left" or "right" (of the picture, before the body is laid down); `paints` maps the
    names of paints to (3,) colours in 0..1; `outlined` tells whether strokes have dark edges.
    """

    kind: str
    pose: str
    facing: str
    joints_J3: np.ndarray
    strokes: tuple[Stroke, ...]
    points: tuple[Point, ...]
    paints: dict[str, np.ndarray]
    outlined: bool


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(3, 3) of angles in degrees: first about y (front to the left), then x (forward, a bow), then z (to the right)."""
    a, b, c = (math.radians(angle) for angle in (yaw, pitch, -roll))
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def swing(side: int, out: float, forward: float, length: float) -> np.ndarray:
    """(3,) of a limb that hangs down, swung forward and then out to its side (+1 left, -1 right); degrees."""
    out, forward = math.radians(out), math.radians(forward)
    down = math.cos(out) * length
    return np.array([side * math.sin(out) * length, -down * math.cos(forward), down * math.sin(forward)])


def towards(first_3: np.ndarray, hint_3: np.ndarray, angle: float, length: float) -> np.ndarray:
    """(3,) of a limb bent by `angle` degrees from the direction of the one before it, towards a hint."""
    along = first_3 / np.sqrt(first_3 @ first_3)
    aside = hint_3 - (hint_3 @ along) * along
    aside = aside / max(math.sqrt(float(aside @ aside)), 1e-6)
    angle = math.radians(angle)
    return (math.cos(angle) * along + math.sin(angle) * aside) * length


def view(rng: np.random.Generator, roll: float, facing_us: float = 0.0) -> tuple[np.ndarray, str]:
    """How a body is looked at: (3, 3) from its axes to the viewer's, and the facing in a word.

    Mostly near one of four facings, seen from the height of the eyes or a little above, then turned by `roll` degrees
    in the plane of the picture. A share `facing_us` is seen from the front whatever else is drawn.
    """
    if facing_us and rng.random() < facing_us:
        yaw = between(rng, -28, 28)
    elif rng.random() < 0.75:
        yaw = tuple(FACINGS.values())[int(rng.integers(4))] + between(rng, -28, 28)
    else:
        yaw = between(rng, 0, 360)
    facing = tuple(FACINGS)[round(yaw / 90) % 4]
    return rotation(yaw, between(rng, -4, 20), roll), facing


class Sculptor:
    """Collects joints, strokes and keypoints of a body in its own frame, and turns them to the viewer."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._joints: list[np.ndarray] = []
        self._strokes: list[tuple] = []
        self._points: list[tuple] = []

    def joint(self, name: str, place_3) -> np.ndarray:
        """Add a joint; returns its place."""
        self._index[name] = len(self._joints)
        self._joints.append(np.asarray(place_3, dtype=float))
        return self._joints[-1]

    def stroke(self, part: str, paint: str, spine: tuple[str, ...], radii: tuple[float, ...], bias: float = 0.0,
               at: str | None = None, seen_from: tuple[str, str] | None = None, closed: bool = False) -> None:
        """Add a chain of joints. Its depth is the mean of theirs (or that of joint `at`) plus `bias`.

        `seen_from` (a, b): it is drawn only when the viewer is on b's side of a.
        """
        self._strokes.append((part, paint, spine, radii, bias, at, seen_from, closed))

    def keypoint(self, name: str, joint: str, own: set[str], shared: set[str] = frozenset(),
                 axis: tuple[str, str, float] | None = None) -> None:
        """Add a keypoint, shown by its `own` parts; and by `shared` ones when it lies on the viewer's side of them.

        `axis` (a, b, least): so it does when b is nearer to the viewer than a by at least that much.
        """
        self._points.append((name, joint, own, shared, axis))

    def finish(self, kind: str, pose: str, facing: str, view_33: np.ndarray, paints: dict[str, np.ndarray],
               outlined: bool, names: tuple[str, ...]) -> Body:
        """The body as seen through `view_33`, its keypoints in the order of `names`."""
        joints_J3 = np.stack(self._joints) @ view_33.T
        depth = dict(zip(self._index, joints_J3[:, 2].tolist()))
        strokes = []
        for part, paint, spine, radii, bias, at, seen_from, closed in self._strokes:
            if seen_from is not None and depth[seen_from[1]] <= depth[seen_from[0]]:
                continue
            middle = sum(depth[name] for name in spine) / len(spine) if at is None else depth[at]
            indices = tuple(self._index[name] for name in spine)
            strokes.append(Stroke(part, paint, indices, radii, middle + bias, closed))
        points = {}
        for name, joint, own, shared, axis in self._points:
            near = axis is None or depth[axis[1]] - depth[axis[0]] >= axis[2]
            points[name] = Point(name, self._index[joint], frozenset(own | shared if near else own))
        strokes.sort(key=lambda stroke: stroke.depth)
        return Body(kind, pose, facing, joints_J3, tuple(strokes), tuple(points[name] for name in names), paints,
                    outlined)
