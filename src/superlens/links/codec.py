"""CodecLink: a part is written as text, and parsed from the text. No decoder.

Here: boxes as integer numbers, `<p>label</p><box>(x1,y1,x2,y2)(...)</box>`, each coordinate on a grid of `bins` steps over the
picture's own width or height (the way of Qwen-VL, arXiv 2308.12966, and Shikra, arXiv 2306.15195). Shapes: N boxes, xyxy.
"""

from __future__ import annotations

import re

import numpy as np

from superlens.links.base import Link, LinkFormat, Piece, Token, Words
from superlens.message import Boxes, Part
from superlens.vision.canvas import Canvas

NUMBERS = re.compile(r"\(\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*\)")


class CodecFormat(LinkFormat):
    """Boxes as numbers between `begin` and `end` tokens. bins: grid steps per side (a coordinate is 0..bins)."""

    def __init__(
        self,
        name: str,
        part: str,
        decoder: str | None = None,
        phrase: tuple[str, str] | None = ("<p>", "</p>"),
        wrap: tuple[str, str] = ("<box>", "</box>"),
        bins: int = 999,
    ):
        super().__init__(name, part, decoder, phrase)
        if part != "boxes":
            raise ValueError(f"links.{name}: this codec writes boxes, got part '{part}'.")
        self.begin, self.end = wrap
        self.bins = bins

    def roles(self) -> dict[str, str]:
        return super().roles() | {self.begin: "begin", self.end: "end"}

    def start(self, label: str) -> list[Piece]:
        return [*self.write_label(label), Token(self.begin)]

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        height, width = canvas.original
        grid_N4 = np.rint(part.xyxy / np.array([width, height, width, height]) * self.bins).astype(int)
        keep_N = np.ones(len(grid_N4), bool) if part.ignore is None else ~part.ignore
        # Left to right, then top to bottom: one order, so that the next box is predictable.
        order = sorted(grid_N4[keep_N].tolist(), key=lambda box: (box[0], box[1]))
        text = "".join("({},{},{},{})".format(*box) for box in order)
        return [*self.start(part.label), *([Words(text)] if text else []), Token(self.end)]

    def parse(self, text: str, label: str, canvas: Canvas, image: int) -> tuple[Boxes, list[str], list[tuple[int, int]]]:
        """Text between begin and end -> boxes in original pixels, notes on what could not be read, character spans of the boxes."""
        height, width = canvas.original
        found = list(NUMBERS.finditer(text))
        boxes_N4 = np.array([[int(g) for g in m.groups()] for m in found], np.float32).reshape(-1, 4)
        boxes_N4 = np.clip(boxes_N4, 0, self.bins) / self.bins * np.array([width, height, width, height], np.float32)
        boxes_N4 = np.concatenate(
            [np.minimum(boxes_N4[:, :2], boxes_N4[:, 2:]), np.maximum(boxes_N4[:, :2], boxes_N4[:, 2:])], 1
        )
        rest = NUMBERS.sub("", text).strip()
        notes = [f"could not read '{rest[:60]}' as boxes of '{label}'"] if rest else []
        return Boxes(label, boxes_N4, image=image), notes, [match.span() for match in found]


class CodecLink(Link):
    """The rows of the codec's own tokens; everything else is words."""

    format_class = CodecFormat
