"""Questions about what is pointed at: what is it, segment it, find others like it.

Pixels of the picture, xy, y downwards. H W rows and columns.
"""

from __future__ import annotations

import numpy as np

from superlens.data.templates import ask
from superlens.data.world.kinds import kind_of, pick
from superlens.data.world.scene import Scene
from superlens.data.world.turns import POINTED, Setting, Turn, joined, part_of, say
from superlens.message import REGION_KINDS, Region

LEAST = 30  # visible pixels of what is pointed at
BOTH = 0.3  # share of questions to segment that mark two things; half of those take one back with a negative click


def point_at(mask_HW: np.ndarray, rng: np.random.Generator, kind: str, positive: bool = True) -> Region:
    """A region of some kind that marks a mask as a hand would: a point well inside it, a loose box or circle, a line through it."""
    rows, columns = np.nonzero(mask_HW)
    low, high = np.array([columns.min(), rows.min()], float), np.array([columns.max() + 1, rows.max() + 1], float)
    if kind == "mask":
        return Region.from_mask(mask_HW, positive=positive)
    if kind in ("point", "scribble"):
        inner = np.argwhere(_eroded(mask_HW))[:, ::-1] + 0.5
        if kind == "point":
            return Region.point(*inner[int(rng.integers(len(inner)))], positive=positive)
        points = inner[rng.integers(len(inner), size=int(rng.integers(2, 5)))]
        return Region.scribble(points[np.argsort(points @ rng.normal(size=2))], positive=positive)
    side, size = mask_HW.shape[0], high - low
    if kind == "box":
        low, high = low + rng.normal(0, 0.06, 2) * size, high + rng.normal(0, 0.06, 2) * size
        return Region.box(*np.clip(low, 0, side - 1), *np.clip(high, 1, side), positive=positive)
    middle = np.clip((low + high) / 2 + rng.normal(0, 0.05, 2) * size, 0, side)
    return Region.circle(*middle, float(max(size)) * (0.5 + 0.15 * rng.random()), positive=positive)


def _eroded(mask_HW: np.ndarray) -> np.ndarray:
    """A mask less its border of one pixel, while something is left of it."""
    padded = np.pad(mask_HW, 1)
    inner = mask_HW & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inner if inner.any() else mask_HW


def _candidates(scene: Scene) -> list[int]:
    return [index for index, thing in enumerate(scene.things) if thing.clear and thing.area >= LEAST]


def _region(scene: Scene, index: int, rng: np.random.Generator, setting: Setting) -> Region:
    return point_at(scene.mask(index), rng, pick(rng, setting.regions))


def region_text_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """What is it: "Red circle.", "Small blue star."; the size is named unless it is medium."""
    options = _candidates(scene)
    if not options:
        return None
    index = pick(rng, options)
    thing = scene.things[index]
    words = thing.kind if thing.size == "medium" else f"{thing.size} {thing.kind}"
    region = _region(scene, index, rng, setting)
    return say("region_text", words[0].upper() + words[1:] + ".", rng, setting, regions=(region,), region=POINTED)


def region_masks_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """The mask of what is marked: one thing, or two under one region, or of these only one, when a click takes back the other (where
    things may be pointed at in every way)."""
    options = _candidates(scene)
    if not options:
        return None
    index = pick(rng, options)
    wanted, regions = [index], (_region(scene, index, rng, setting),)
    if len(options) > 1 and setting.regions == REGION_KINDS and rng.random() < BOTH:
        other = min((one for one in options if one != index), key=lambda one: _apart(scene, index, one))
        regions = (_over_both(scene, index, other, rng),)
        wanted = sorted((index, other))
        if rng.random() < 0.5:
            wanted, regions = [index], (*regions, point_at(scene.mask(other), rng, "point", positive=False))
    kinds = dict.fromkeys(scene.things[one].kind for one in wanted)
    parts = [part_of(scene, kind, [one for one in wanted if scene.things[one].kind == kind], masks=True) for kind in kinds]
    question = ask("region_masks", rng, setting.held_out, region=POINTED * len(regions))
    return Turn("region_masks", question, joined(parts), regions)


def _apart(scene: Scene, first: int, second: int) -> float:
    return float(np.linalg.norm(np.subtract(scene.things[first].centre, scene.things[second].centre)))


def _over_both(scene: Scene, first: int, second: int, rng: np.random.Generator) -> Region:
    """The mask of two things, or a line from inside one to inside the other."""
    if rng.random() < 0.5:
        return Region.from_mask(scene.mask(first) | scene.mask(second))
    ends = [point_at(scene.mask(index), rng, "point").points[0] for index in (first, second)]
    return Region.scribble(ends)


def like_boxes_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Boxes of the other things of the same colour and shape; none, now and then."""
    options = _candidates(scene)
    kinds = [kind_of(scene.things[index]) for index in options]
    repeated = [index for index, kind in zip(options, kinds) if len(kind.find(scene)) > 1]
    pool = repeated if repeated and rng.random() < 0.85 else options
    if not pool:
        return None
    index = pick(rng, pool)
    kind = kind_of(scene.things[index])
    others = [other for other in kind.find(scene) if other != index]
    region = _region(scene, index, rng, setting)
    question = ask("like_boxes", rng, setting.held_out, region=POINTED)
    return Turn("like_boxes", question, joined([part_of(scene, kind.words(), others, masks=False)]), (region,))
