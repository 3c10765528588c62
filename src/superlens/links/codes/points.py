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
    gone = "<gone>"

    def __init__(self, names: Sequence[str] = COCO, bins: int = 1000):
        if bins < 2 or not names:
            raise ValueError(f"keypoints are told by at least 2 bins and 1 name, got {bins} and {len(names)}.")
        self.names, self.bins = tuple(names), bins
        point = r"(?:<bin_\d{1,9}>\s*<bin_\d{1,9}>|<gone>)\s*"
        self.pattern = re.compile(rf"\[\s*(?P<points>(?:{point})+)(?P<label>[^<\[\]\n]*)(?P<end>\]?)")
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
            said.append(f"[{''.join(points)} {part.label}".rstrip() + "]")
        return "".join(said)

    def _bins(self, xyv_3: np.ndarray, canvas: Canvas) -> str:
        if not xyv_3[2]:
            return self.gone
        x, y = np.rint(np.clip(xyv_3[:2] / sides(canvas)[:2], 0, 1) * (self.bins - 1)).astype(int).tolist()
        return f"<bin_{y}><bin_{x}>"

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        label, notes = match["label"].strip(), []
        found = list(self.point.finditer(match["points"]))
        if len(found) != len(self.names):
            notes.append(f"{len(found)} points of '{label}' were written, not {len(self.names)}; the rest is not labelled")
        xyv_1K3 = np.zeros((1, len(self.names), 3), np.float32)
        for row, point in enumerate(found[: len(self.names)]):
            if point[1] is not None:
                yx = np.clip([int(point[2]), int(point[1])], 0, self.bins - 1) / (self.bins - 1)
                xyv_1K3[0, row] = [*(yx * sides(canvas)[:2]), 2]
        if not match["end"]:
            notes.append("the points were not finished")
        return [Spelled(Keypoints(label, self.names, xyv_1K3, image=image), [match.span()], notes)]


class QwenQuads(Code):
    """`<ref>EXIT</ref><quad>(x1,y1),(x2,y2),(x3,y3),(x4,y4)</quad>`, one for every piece of text, whole numbers 0..999 as words.

    What is written there stands in `<ref>`; the label of the part ("the text") is not written. No quad: nothing is.
    """

    part = "polygons"
    pair = r"\(\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*\)"

    def __init__(self, most: int = 999):
        self.most = most
        quad = r"<quad>(?P<numbers>[\s\d(),-]*)(?P<end></quad>)?"
        self.pattern = re.compile(rf"<ref>(?P<text>(?:(?!<ref>|</ref>|<quad>).)*)</ref>\s*{quad}", re.DOTALL)

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
            text = kept.texts[number] if kept.texts is not None else ""
            said.append(f"<ref> {text}</ref><quad>{','.join('({},{})'.format(*corner) for corner in corners.tolist())}</quad>")
        return "".join(said)

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        corners = [[int(number) for number in pair] for pair in re.findall(self.pair, match["numbers"])]
        text, notes = match["text"].strip(), []
        if len(corners) != 4:
            notes.append(f"'{text}' had {len(corners)} corners, not 4; it was left out")
            return [Spelled(Polygons("", (), texts=(), image=image), [], notes)]
        if not match["end"]:
            notes.append("the numbers were not finished")
        points_42 = np.clip(np.array(corners, np.float64), 0, self.most) / self.most * sides(canvas)[:2]
        return [Spelled(Polygons("", (points_42.astype(np.float32),), texts=(text,), image=image), [match.span()], notes)]
