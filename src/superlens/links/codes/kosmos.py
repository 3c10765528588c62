"""KOSMOS-2 (arXiv 2306.14824): a box is two tokens, the patches that hold its upper left and its lower right corner."""

from __future__ import annotations

import re

import numpy as np

from superlens.links.codes.base import BoxCode, Spelled, read_all, sides
from superlens.message import Boxes
from superlens.vision.canvas import Canvas


class Kosmos2(BoxCode):
    """`<phrase>a dog</phrase><object><patch_index_0044><patch_index_0863></object>`; more boxes after a delimiter. No box: empty.

    patches: along each side; patch i lies in row i // patches. A corner is read back as the middle of its patch, but a box within one
    row or one column of patches as the outer edges, or it would have no area.
    """

    phrase, thing, delimiter = ("<phrase>", "</phrase>"), ("<object>", "</object>"), "</delimiter_of_multi_objects/>"
    reserved = r"</?(?:phrase|object)>|<patch_index_\d+>|</delimiter_of_multi_objects/>"

    def __init__(self, patches: int = 32):
        if patches < 2:
            raise ValueError(f"patches along each side must be at least 2, got {patches}.")
        self.patches = patches
        phrase, end_phrase, thing, end_thing = map(re.escape, (*self.phrase, *self.thing))
        label = rf"(?:{phrase}(?P<label>(?:(?!{phrase}|{end_phrase}|{thing}).)*){end_phrase}\s*)?"
        inside = rf"(?:\s|<patch_index_\d{{1,9}}>|{re.escape(self.delimiter)})*"
        body = rf"(?P<body>{thing}{inside}(?:{end_thing})?)"
        self.pattern = re.compile(label + body, re.DOTALL)
        self.pair = re.compile(r"<patch_index_(\d{1,9})>\s*<patch_index_(\d{1,9})>")

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.phrase, *self.thing, self.delimiter, *(self.patch(index) for index in range(self.patches**2)))

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        last = max(self.patches - 1, 1)
        return {self.patch(index): (index // self.patches / last, index % self.patches / last) for index in range(self.patches**2)}

    @property
    def opening(self) -> str:
        return self.phrase[0]

    @staticmethod
    def patch(index: int) -> str:
        return f"<patch_index_{index:04d}>"

    def grid(self, xyxy_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        unit_N4 = np.clip(xyxy_N4 / sides(canvas), 0, 1) * self.patches
        low_N2 = np.minimum(np.floor(unit_N4[:, :2]), self.patches - 1)
        high_N2 = np.maximum(np.ceil(unit_N4[:, 2:] - 1), low_N2)
        return np.concatenate([low_N2, high_N2], 1).astype(int)

    def pixels(self, grid_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        low_N2, high_N2 = grid_N4[:, :2], grid_N4[:, 2:]
        thin_N1 = (low_N2 == high_N2).any(1, keepdims=True)
        inner_N4 = np.concatenate([low_N2 + 0.5, high_N2 + 0.5], 1)
        outer_N4 = np.concatenate([low_N2, high_N2 + 1], 1)
        return np.where(thin_N1, outer_N4, inner_N4) / self.patches * sides(canvas)

    def ends(self, canvas: Canvas) -> np.ndarray:
        return np.full(4, self.patches - 1)

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        label = f"{self.phrase[0]} {self.words(part.label)}{self.phrase[1]}" if part.label else ""
        pairs = [
            self.patch(y1 * self.patches + x1) + self.patch(y2 * self.patches + x2) for x1, y1, x2, y2 in self.ordered(part, canvas)
        ]
        return label + self.thing[0] + self.delimiter.join(pairs) + self.thing[1]

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        corners, spans, rest = read_all(self.pair, match["body"], match.start("body"))
        kept = [row for row, pair in enumerate(corners) if max(pair) < self.patches**2]
        # Row and column of both patches, as x1, y1, x2, y2.
        grids = [[number for index in corners[row] for number in divmod(index, self.patches)[::-1]] for row in kept]
        for token in (*self.thing, self.delimiter):
            rest = rest.replace(token, "")
        found = self.found((match["label"] or "").strip(), grids, [spans[row] for row in kept], canvas, image, rest)
        if len(kept) < len(corners):
            found.notes.append(f"{len(corners) - len(kept)} boxes named patches that there are not; they were left out")
        if not match["body"].endswith(self.thing[1]):
            found.notes.append("the patches were not finished")
        return [found]
