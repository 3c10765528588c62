"""Points as text: keypoints of Pix2Seq v2 (arXiv 2206.07669), and quads around written words of Qwen-VL (2308.12966).

Shapes: N instances, K named points. Pixels of the original picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from superlens.links.codes.base import Code, Spelled, in_line, sides
from superlens.message import Keypoints, Polygons
from superlens.vision.canvas import Canvas

COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow", "right elbow",
    "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip


class Pix2SeqKeypoints(Code):
    """`[<bin_12><bin_3><gone>... person]`: for each of the `names`, in their order, a bin for y and one for x, or `<gone>` for what is
    not labelled; words last, each instance in brackets. No instance: nothing is written.

    In the paper the box of the instance is given in the prompt; here every instance stands in the answer. A point that is hidden but
    known comes back as seen: the bins do not say.
    """

    part = "keypoints"
    reserved = r"[<>\[\]\n]"
    gone = "<gone>"

    def __init__(self, names: Sequence[str] = COCO, bins: int = 1000):
        if bins < 2 or not names:
            raise ValueError(f"keypoints are told by at least 2 bins and 1 name, got {bins} and {len(names)}.")
        self.names, self.bins = tuple(names), bins
        point = r"(?:<bin_\d{1,9}>\s*<bin_\d{1,9}>|<gone>)\s*"
        instance = rf"\[\s*(?:{point})+[^<\[\]\n]*\]?"
        self.pattern = re.compile(rf"{instance}(?:\s*{instance})*")
        self.instance = re.compile(rf"\[\s*(?P<points>(?:{point})+)(?P<label>[^<\[\]\n]*)(?P<end>\]?)")
        self.point = re.compile(r"<bin_(\d{1,9})>\s*<bin_(\d{1,9})>|<gone>")

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*(f"<bin_{index}>" for index in range(self.bins)), self.gone)

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        return in_line(self.tokens[: self.bins])

    def spell(self, part: Keypoints, canvas: Canvas) -> str:
        kept = part if part.ignore is None else part.select(~part.ignore)
        unknown = [name for name in kept.names if name not in self.names]
        if unknown:
            raise ValueError(f"this code has no place for the point '{unknown[0]}'; it has {', '.join(self.names)}.")
        where = {name: index for index, name in enumerate(kept.names)}
        said = []
        for xyv_K3 in kept.xyv:
            points = [self._bins(xyv_K3[where[name]], canvas) if name in where else self.gone for name in self.names]
            said.append(f"[{''.join(points)} {self.words(part.label)}".rstrip() + "]")
        return "".join(said)

    def _bins(self, xyv_3: np.ndarray, canvas: Canvas) -> str:
        if not xyv_3[2]:
            return self.gone
        x, y = np.rint(np.clip(xyv_3[:2] / sides(canvas)[:2], 0, 1) * (self.bins - 1)).astype(int).tolist()
        return f"<bin_{y}><bin_{x}>"

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        by_label: dict[str, tuple[list, list, list]] = {}
        for instance in self.instance.finditer(match[0]):
            label = instance["label"].strip()
            points, spans, notes = by_label.setdefault(label, ([], [], []))
            found = list(self.point.finditer(instance["points"]))
            points.append(self._points(found[: len(self.names)], canvas))
            spans.append((match.start() + instance.start(), match.start() + instance.end()))
            if len(found) != len(self.names):
                notes.append(f"{len(found)} points of '{label}' were written, not {len(self.names)}; the rest is not labelled")
            if not instance["end"]:
                notes.append("the points were not finished")
        return [
            Spelled(Keypoints(label, self.names, np.stack(points), image=image), spans, notes)
            for label, (points, spans, notes) in by_label.items()
        ]

    def _points(self, found: Sequence[re.Match[str]], canvas: Canvas) -> np.ndarray:
        """(K, 3) x, y, v of one instance, in original pixels."""
        xyv_K3 = np.zeros((len(self.names), 3), np.float32)
        for row, point in enumerate(found):
            if point[1] is not None:
                xy_2 = np.clip([int(point[2]), int(point[1])], 0, self.bins - 1) / (self.bins - 1)
                xyv_K3[row] = [*(xy_2 * sides(canvas)[:2]), 2]
        return xyv_K3


class QwenQuads(Code):
    """`<ref>EXIT</ref><quad>(x1,y1),(x2,y2),(x3,y3),(x4,y4)</quad>`, one for every piece of text, whole numbers 0..999 as words.

    What is written there stands in `<ref>`; the label of the part ("the text") is not written. No quad: nothing is.
    """

    part = "polygons"
    reserved = "</?(?:ref|quad)>"
    pair = r"\(\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*\)"

    def __init__(self, most: int = 999):
        self.most = most
        text = r"(?:(?!<ref>|</ref>|<quad>).)*"
        one = rf"<ref>{text}</ref>\s*<quad>[\s\d(),-]*(?:</quad>)?"
        self.pattern = re.compile(rf"{one}(?:\s*{one})*", re.DOTALL)
        self.quad = re.compile(rf"<ref>(?P<text>{text})</ref>\s*<quad>(?P<numbers>[\s\d(),-]*)(?P<end></quad>)?", re.DOTALL)

    @property
    def tokens(self) -> tuple[str, ...]:
        return ("<ref>", "</ref>", "<quad>", "</quad>")

    @property
    def opening(self) -> str:
        return "<ref>"

    def spell(self, part: Polygons, canvas: Canvas) -> str:
        kept = part if part.ignore is None else part.select(~part.ignore)
        said = []
        for number, points_P2 in enumerate(kept.points):
            if len(points_P2) != 4:
                raise ValueError(f"a quad has 4 corners, an outline of '{part.label}' has {len(points_P2)}.")
            corners = np.rint(np.clip(points_P2 / sides(canvas)[:2], 0, 1) * self.most).astype(int)
            text = self.words(kept.texts[number]) if kept.texts is not None else ""
            said.append(f"<ref> {text}</ref><quad>{','.join('({},{})'.format(*corner) for corner in corners.tolist())}</quad>")
        return "".join(said)

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        points, texts, spans, notes = [], [], [], []
        for quad in self.quad.finditer(match[0]):
            corners, text = [[int(number) for number in pair] for pair in re.findall(self.pair, quad["numbers"])], quad["text"].strip()
            if len(corners) != 4:
                notes.append(f"'{text}' had {len(corners)} corners, not 4; it was left out")
                continue
            if not quad["end"]:
                notes.append("the numbers were not finished")
            points_42 = np.clip(np.array(corners, np.float64), 0, self.most) / self.most * sides(canvas)[:2]
            points.append(points_42.astype(np.float32))
            texts.append(text)
            spans.append((match.start() + quad.start(), match.start() + quad.end()))
        return [Spelled(Polygons("", tuple(points), texts=tuple(texts), image=image), spans, notes)]
