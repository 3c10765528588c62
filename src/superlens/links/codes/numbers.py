"""Boxes as numbers in plain words: Shikra (arXiv 2306.15195) and MiniGPT-v2 (2310.09478)."""

from __future__ import annotations

import re

from superlens.links.codes.base import ScaledBoxCode, Spelled, read_all
from superlens.message import Boxes
from superlens.vision.canvas import Canvas


class Shikra(ScaledBoxCode):
    """`a dog[0.123,0.456,0.789,0.900]`, more boxes after a semicolon; three decimals of the picture's sides. No box: `[]`.

    Nothing stands around the words, so the label is what was said since the last box or punctuation mark, less a leading "and".
    """

    reserved = r"[\[\]\n.,;:?!<>]"

    def __init__(self):
        super().__init__(1000)
        words = rf"(?P<label>[^{self.reserved[1:]}*)"
        # One of the first two has decimals, or it is no box; an empty pair of brackets is an answer only right behind its words.
        numbers = r"(?:[01]\.\d|\d*\.\d+\s*,|[01]\s*,\s*[01]?\.\d)[\d.,;\s-]*"
        self.pattern = re.compile(rf"{words}\[(?P<body>\s*{numbers}|(?<=[\w)\"']\[)(?=\]))(?P<end>\]|$|(?=[^\d.,;\s-]))")

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        boxes = [",".join(f"{number / 1000:.3f}" for number in box) for box in self.ordered(part, canvas)]
        return f"{self.words(part.label)}[{';'.join(boxes)}]"

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        grids, spans, rest = [], [], match["body"]
        for found in re.finditer(r"[^;]+", match["body"]):
            numbers = [number.strip() for number in found[0].split(",")]
            if len(numbers) == 4 and all(re.fullmatch(r"[01](?:\.\d{1,9})?|\.\d{1,9}", number) for number in numbers):
                grids.append([round(float(number) * 1000) for number in numbers])
                spans.append((match.start("body") + found.start(), match.start("body") + found.end()))
                rest = rest.replace(found[0], "", 1)
        label = re.sub(r"^\s*and\s+", "", match["label"]).strip()
        answer = self.found(label, grids, spans, canvas, image, rest.strip("; "))
        if match["end"] != "]":
            answer.notes.append("the numbers were not finished")
        return [answer]


class MiniGPTv2(ScaledBoxCode):
    """`<p>a dog</p>{<x1><y1><x2><y2>}`, more boxes in their own braces behind `<delim>`; numbers 0..100 as words. No box: `{}`."""

    box = re.compile(r"\{\s*<\s*(-?\d{1,9})\s*>\s*<\s*(-?\d{1,9})\s*>\s*<\s*(-?\d{1,9})\s*>\s*<\s*(-?\d{1,9})\s*>\s*\}?")
    reserved = "[<>{}]"
    any_box = r"\{\s*<\s*-?\d[\s\d<>-]*\}?"
    pattern = re.compile(
        rf"(?:<p>(?P<label>(?:(?!<p>|</p>|\{{).)*)</p>\s*(?={any_box}|\{{\s*\}})|(?={any_box}))"
        rf"(?P<body>\{{\s*\}}|{any_box}(?:\s*<delim>\s*{any_box})*)",
        re.DOTALL,
    )

    def __init__(self, most: int = 100):
        super().__init__(most)

    @property
    def tokens(self) -> tuple[str, ...]:
        return ("<p>", "</p>", "<delim>")

    @property
    def opening(self) -> str:
        return "<p>"

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        label = f"<p> {self.words(part.label)}</p>" if part.label else ""
        return label + ("<delim>".join("{{<{}><{}><{}><{}>}}".format(*box) for box in self.ordered(part, canvas)) or "{}")

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        grids, spans, rest = read_all(self.box, match["body"], match.start("body"))
        found = self.found((match["label"] or "").strip(), grids, spans, canvas, image, rest.replace("<delim>", "").replace("{}", ""))
        if not match["body"].endswith("}"):
            found.notes.append("the numbers were not finished")
        return [found]
