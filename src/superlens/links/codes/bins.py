"""Coordinates as tokens of their own, one a coordinate: PaliGemma, UniTAB, Pix2Seq v2, VisionLLM v1.

They differ in which coordinate comes first, how many bins there are, and where the words stand.
"""

from __future__ import annotations

import re

from superlens.links.codes.base import ScaledBoxCode, Spelled, in_line
from superlens.message import Boxes
from superlens.vision.canvas import Canvas

Y_FIRST, X_FIRST = (1, 0, 3, 2), (0, 1, 2, 3)


class BinCode(ScaledBoxCode):
    """Base: four tokens a box. bins: how many there are; bin i is the place i / (bins - 1) of a side.

    order: which of x1, y1, x2, y2 is written first, second ...
    """

    order: tuple[int, ...] = X_FIRST
    bin_name: str

    def __init__(self, bins: int):
        if bins < 2:
            raise ValueError(f"places are told apart by at least 2 bins, got {bins}.")
        super().__init__(bins - 1)
        self.bins = bins
        one = re.escape(self.bin_name).replace(re.escape("{}"), r"(-?\d{1,9})")
        self.one = re.compile(one)
        self.four = rf"(?:{one.replace('(', '(?:')}\s*){{4}}"

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(self.bin(index) for index in range(self.bins))

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        return in_line([self.bin(index) for index in range(self.bins)])

    def bin(self, index: int) -> str:
        return self.bin_name.format(index)

    def spelled_box(self, box: list[int]) -> str:
        return "".join(self.bin(box[which]) for which in self.order)

    def numbers(self, text: str) -> list[int]:
        """x1, y1, x2, y2 of four bins."""
        said = [int(number) for number in self.one.findall(text)]
        return [said[self.order.index(which)] for which in range(4)]


class LabelLast(BinCode):
    """Base of codes that write the box before its words: every instance with its own, `box words; box words`."""

    ending: str  # characters that end the words
    stop = r"\.(?:\s|$)"  # pattern of what also ends them
    prefix, between, suffix = "", "", ""  # patterns around all boxes, and between two

    def __init__(self, bins: int):
        super().__init__(bins)
        self.reserved = rf"[<>{re.escape(self.ending)}\n]|{self.stop}"
        words = rf"(?:(?!{self.stop})[^<{re.escape(self.ending)}\n])*"
        more = self.four + words
        self.pattern = re.compile(rf"{self.prefix}{more}(?:\s*{self.between}\s*{more})*{self.suffix}")
        self.item = re.compile(f"{self.four}(?P<label>{words})")

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        items = []
        for item in self.item.finditer(match[0]):
            label = re.sub(r"(?:\s*,|\s+and)\s*$", "", item["label"]).strip()  # of what stands between two parts of a sentence
            items.append((label, self.numbers(item[0]), (match.start() + item.start(), match.start() + item.end())))
        return self.by_label(items, canvas, image)


class PaliGemma(LabelLast):
    """`<loc0256><loc0128><loc0800><loc0640> dog ; ...`: y first, 1024 bins, words last (arXiv 2407.07726). No box: nothing."""

    order, bin_name, ending, between = Y_FIRST, "<loc{}>", ";", ";"

    def __init__(self, bins: int = 1024):
        super().__init__(bins)

    def bin(self, index: int) -> str:
        return f"<loc{index:04d}>"

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        return " ; ".join(f"{self.spelled_box(box)} {self.words(part.label)}".rstrip() for box in self.ordered(part, canvas))


class Pix2Seq(LabelLast):
    """`[<bin_12><bin_3><bin_90><bin_44> dog]`: y first, 1000 bins, words last, each instance in brackets (v2, arXiv 2206.07669).

    The paper gives the order; the tokens' names are ours. No box: nothing is written.
    """

    order, bin_name, ending, stop = Y_FIRST, "<bin_{}>", "[]", r"\.(?:\s|$)(?![^\[\]\n]*\])"
    prefix, between, suffix = r"\[", r"\]\s*\[", r"(?:\]|$)?"

    def __init__(self, bins: int = 1000):
        super().__init__(bins)
        self.reserved = r"[<>\[\]\n]"  # a full stop ends no words that a bracket ends

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        return "".join(f"[{self.spelled_box(box)} {self.words(part.label)}".rstrip() + "]" for box in self.ordered(part, canvas))


class LabelFirst(BinCode):
    """Base of codes that write the words, then the boxes, between two tokens. No box: the words alone between them."""

    wrap: tuple[str, str]

    def __init__(self, bins: int):
        super().__init__(bins)
        begin, end = map(re.escape, self.wrap)
        # What is not ended is read as far as its bins go; words that follow are words again.
        self.pattern = re.compile(rf"{begin}(?P<body>[^<]*(?:(?:\s*{self.one.pattern.replace('(', '(?:')})+|(?={end})))(?P<end>{end})?")
        self.box = re.compile(self.four)

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.wrap, *super().tokens)

    @property
    def opening(self) -> str:
        return self.wrap[0]

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        boxes = "".join(self.spelled_box(box) for box in self.ordered(part, canvas))
        label = f" {self.words(part.label)}" if part.label else ""
        return f"{self.wrap[0]}{label}{boxes}{self.wrap[1]}"

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        body = match["body"]
        first = self.one.search(body)
        label, numbers = (body, "") if first is None else (body[: first.start()], body[first.start() :])
        start = match.start("body") + len(label)
        found = list(self.box.finditer(numbers))
        grids, spans = [self.numbers(box[0]) for box in found], [(start + box.start(), start + box.end()) for box in found]
        answer = self.found(label.strip(), grids, spans, canvas, image, self.box.sub("", numbers))
        if not match["end"]:
            answer.notes.append("the bins were not finished")
        return [answer]


class UniTAB(LabelFirst):
    """`<obj> a dog<12><3><90><44></obj>`: x first, 200 bins, inside `<obj>` (arXiv 2111.12085)."""

    bin_name, wrap = "<{}>", ("<obj>", "</obj>")

    def __init__(self, bins: int = 200):
        super().__init__(bins)


class VisionLLMv1(LabelFirst):
    """`<c> a dog<p-410><p-508><p128><p0></c>`: x first, 1025 bins, places as offsets from the picture's middle (arXiv 2305.11175).

    There an offset is taken from the place of an image token, and a class is a token that the prompt declares (`<c0>` for "dog"); here,
    where any words may be asked for, they stand themselves.
    """

    bin_name, wrap = "<p{}>", ("<c>", "</c>")

    def __init__(self, bins: int = 1025):
        super().__init__(bins)

    def bin(self, index: int) -> str:
        return offset_bin(index, self.bins)

    def numbers(self, text: str) -> list[int]:
        return [number + self.bins // 2 for number in super().numbers(text)]


def offset_bin(index: int, bins: int) -> str:
    """VisionLLM v1's name of bin `index`: counted from the middle one."""
    return f"<p{index - bins // 2}>"
