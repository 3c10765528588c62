"""What a code is: how a published system spells one kind of part as text, with or without tokens of its own, and reads it back.

A spelled part is a string in which added tokens stand by their names. Whoever writes it splits it at those names; whoever reads an
answer spells out its tokens, and looks for the code's pattern. So a code knows nothing of tokenizers.

Shapes: N instances, xyxy in pixels of the original picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from superlens.message import Boxes, OutputPart
from superlens.vision.canvas import Canvas

Span = tuple[int, int]


@dataclass
class Spelled:
    """What a code read: a part, the characters that each of its instances was read from (in the whole text), and notes."""

    part: OutputPart
    spans: list[Span]
    notes: list[str] = field(default_factory=list)


class Code:
    """Base of all codes.

    part: the kind of part it spells. pattern: finds a spelled part, whole or broken, in an answer. reserved: pattern of what would be
    read as notation if it stood in a label.
    """

    part: ClassVar[str]
    pattern: ClassVar[re.Pattern[str]]
    reserved: ClassVar[str] = "[<>]"

    @property
    def tokens(self) -> tuple[str, ...]:
        """Names of the tokens it adds to the language model, in order."""
        return ()

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        """Those of its tokens that stand for a place -> where, 0..1 on each axis: rows of neighbours begin alike (see `CodecLink`)."""
        return {}

    @property
    def roles(self) -> dict[str, str]:
        """Its tokens -> "begin" and "end" around numbers in words, which a user need not see as they come; "code" for all others."""
        return dict.fromkeys(self.tokens, "code")

    @property
    def opening(self) -> str:
        """The token that an answer of this kind begins with; "" for a code of plain words."""
        return ""

    def words(self, label: str) -> str:
        """A label as it can be written and read back: a space in place of what is reserved."""
        return re.sub(rf"\s*(?:{self.reserved})(?:\s|{self.reserved})*", " ", label).strip()

    def spell(self, part: OutputPart, canvas: Canvas) -> str:
        """A part in original pixels -> text; ignored instances are left out. A part without a label is spelled without one.

        Codes for moments are given the `Clip` of their video in place of a canvas, here and in `read`, and the number of the video.
        """
        raise NotImplementedError

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        """What a match of the pattern says, in original pixels of picture `image`: usually one part. Never raises for bad text."""
        raise NotImplementedError


def in_line(names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Tokens at equal distances, the first at 0 and the last at 1."""
    return {name: (index / max(len(names) - 1, 1),) for index, name in enumerate(names)}


class BoxCode(Code):
    """Base of codes for boxes. Instances are spelled from left to right, then from top to bottom, so that the next is predictable."""

    part = "boxes"

    def grid(self, xyxy_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        """Boxes in original pixels -> whole numbers (N, 4), in the order x1, y1, x2, y2."""
        raise NotImplementedError

    def pixels(self, grid_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        """The reverse of `grid`, of boxes whose corners are in order. Where both corners fell on the same number there is an area
        all the same, of half a step."""
        raise NotImplementedError

    def ends(self, canvas: Canvas) -> np.ndarray:
        """(4,) the largest number of each coordinate."""
        raise NotImplementedError

    def ordered(self, part: Boxes, canvas: Canvas) -> list[list[int]]:
        """The numbers of the instances that count, in the order they are spelled."""
        kept_N4 = part.xyxy if part.ignore is None else part.xyxy[~part.ignore]
        return sorted(self.grid(kept_N4, canvas).tolist(), key=lambda box: (box[0], box[1]))

    def by_label(self, items: Sequence[tuple[str, Sequence[int], Span]], canvas: Canvas, image: int) -> list[Spelled]:
        """(label, numbers, span) of single boxes -> one part for each label, in order of appearance."""
        boxes: dict[str, tuple[list, list]] = {}
        for label, numbers, span in items:
            grids, spans = boxes.setdefault(label, ([], []))
            grids.append(numbers)
            spans.append(span)
        return [self.found(label, grids, spans, canvas, image, "") for label, (grids, spans) in boxes.items()]

    def found(self, label: str, grids: Sequence[Sequence[int]], spans: list[Span], canvas: Canvas, image: int, rest: str) -> Spelled:
        """The boxes that were read, each the right way round and inside the picture; what was not is noted. `rest`: what could not
        be read."""
        grid_N4 = np.array(grids, np.float64).reshape(-1, 4)
        ordered_N4 = np.concatenate([np.minimum(grid_N4[:, :2], grid_N4[:, 2:]), np.maximum(grid_N4[:, :2], grid_N4[:, 2:])], 1)
        notes = [f"could not read '{rest.strip()[:60]}' as boxes of '{label}'"] if rest.strip() else []
        if (ordered_N4 != grid_N4).any():
            notes.append(f"a box of '{label}' ended before it began; its corners were exchanged")
        if (ordered_N4 < 0).any() or (ordered_N4 > self.ends(canvas)).any():
            notes.append(f"a box of '{label}' lay beyond the picture; it was cut")
        return Spelled(Boxes(label, self.pixels(ordered_N4, canvas).astype(np.float32), image=image), spans, notes)


class ScaledBoxCode(BoxCode):
    """Coordinates as whole numbers 0..`most` of the picture's own width and height."""

    def __init__(self, most: int = 999):
        if most < 1:
            raise ValueError(f"most, the largest number a coordinate may have, must be at least 1; got {most}.")
        self.most = most

    def grid(self, xyxy_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        return np.rint(np.clip(xyxy_N4 / sides(canvas), 0, 1) * self.most).astype(int)

    def pixels(self, grid_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        return widened(grid_N4, self.ends(canvas)) / self.most * sides(canvas)

    def ends(self, canvas: Canvas) -> np.ndarray:
        return np.full(4, self.most)


def widened(grid_N4: np.ndarray, ends_4: np.ndarray) -> np.ndarray:
    """Boxes cut to 0..ends; where both numbers of an axis are the same, a quarter of a step to either side."""
    cut_N4 = np.clip(grid_N4, 0, ends_4)
    same_N4 = np.tile(cut_N4[:, :2] == cut_N4[:, 2:], 2)
    return np.where(same_N4, np.clip(cut_N4 + [-0.25, -0.25, 0.25, 0.25], 0, ends_4), cut_N4)


def sides(canvas: Canvas) -> np.ndarray:
    """(width, height, width, height) of the original picture."""
    height, width = canvas.original
    return np.array([width, height, width, height], np.float64)


def read_all(number: re.Pattern[str], text: str, start: int) -> tuple[list[list[int]], list[Span], str]:
    """Every match of `number` (groups: its numbers) in `text`, which begins at `start`: numbers, spans, and what is left over."""
    found = list(number.finditer(text))
    grids = [[int(group) for group in match.groups()] for match in found]
    return grids, [(start + match.start(), start + match.end()) for match in found], number.sub("", text)
