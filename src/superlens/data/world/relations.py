"""Where things lie to one another, with margins: what is close is neither true nor false, and not asked."""

from __future__ import annotations

from superlens.data.world.scene import Scene, Thing

DIRECTIONS = ("left of", "right of", "above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above",
            "bigger than": "smaller than", "smaller than": "bigger than"}
MARGIN = 6.0
RATIO = 1.3


def offset(scene: Scene, direction: str, first: int, second: int) -> float:
    """How far the middle of the first lies from the second in a direction, in pixels of a picture of 128."""
    one, two = scene.things[first].centre, scene.things[second].centre
    axis = 0 if direction in ("left of", "right of") else 1
    along = (one[axis] - two[axis]) / scene.scale
    return along if direction in ("right of", "below") else -along


def holds(scene: Scene, direction: str, first: int, second: int) -> bool:
    """Whether the first surely lies in this direction of the second: a margin, and no less than half sideways."""
    other = "above" if direction in ("left of", "right of") else "left of"
    aside = abs(offset(scene, other, first, second))
    return offset(scene, direction, first, second) >= max(MARGIN, 0.5 * aside)


def surely_not(scene: Scene, direction: str, first: int, second: int) -> bool:
    """Whether nobody would say so: the first lies the other way, or level."""
    return offset(scene, direction, first, second) <= 0


def bigger(first: Thing, second: Thing) -> bool:
    """Whether the first is bigger by a margin, as drawn and as seen."""
    return first.diameter >= RATIO * second.diameter and first.area >= RATIO * second.area
