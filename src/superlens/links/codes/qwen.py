"""The spellings of the Qwen family. Qwen-VL: arXiv 2308.12966; Qwen2-VL: 2409.12191; Qwen2.5-VL: 2502.13923; Qwen3-VL: 2511.21631."""

from __future__ import annotations

import json
import re

import numpy as np

from superlens.links.codes.base import ScaledBoxCode, Spelled, read_all, widened
from superlens.message import Boxes
from superlens.vision.canvas import Canvas

PAIR = r"\(\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*\)"
BOX = re.compile(PAIR + r"\s*,\s*" + PAIR)


class QwenVL(ScaledBoxCode):
    """`<ref>a dog</ref><box>(x1,y1),(x2,y2)</box>`, one `<box>` an instance; whole numbers 0..999 as words. No box: an empty pair."""

    reference, box = ("<ref>", "</ref>"), ("<box>", "</box>")
    reserved = "</?(?:ref|box)>"

    def __init__(self, most: int = 999):
        super().__init__(most)
        ref, end_ref, box, end_box = (re.escape(token) for token in self.tokens)
        label = rf"(?:{ref}(?P<label>(?:(?!{ref}|{end_ref}|{box}).)*){end_ref}\s*)?"
        body = rf"{box}[\s\d(),-]*(?:{end_box})?"  # without an end, the words that follow are words again
        self.pattern = re.compile(rf"{label}(?P<body>(?:{body})+)", re.DOTALL)

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.reference, *self.box)

    @property
    def roles(self) -> dict[str, str]:
        return super().roles | dict(zip(self.box, ("begin", "end")))

    @property
    def opening(self) -> str:
        return self.reference[0]

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        label = f"{self.reference[0]} {self.words(part.label)}{self.reference[1]}" if part.label else ""
        boxes = ["({},{}),({},{})".format(*box) for box in self.ordered(part, canvas)] or [""]
        return label + "".join(f"{self.box[0]}{box}{self.box[1]}" for box in boxes)

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        label, body = (match["label"] or "").strip(), match["body"]
        grids, spans, rest = read_all(BOX, body, match.start("body"))
        for token in self.box:
            rest = rest.replace(token, "")
        found = self.found(label, grids, spans, canvas, image, rest)
        if not body.endswith(self.box[1]):
            found.notes.append("the numbers were not finished")
        return [found]


class Qwen2VL(QwenVL):
    """The same with tokens of their own around words and numbers: `<|object_ref_start|>`, `<|box_start|>` and their ends; 0..1000."""

    reference, box = ("<|object_ref_start|>", "<|object_ref_end|>"), ("<|box_start|>", "<|box_end|>")
    reserved = r"<\|(?:object_ref|box)_(?:start|end)\|>"

    def __init__(self, most: int = 1000):
        super().__init__(most)


class Qwen3VL(ScaledBoxCode):
    """JSON in plain words, `[{"bbox_2d": [x1, y1, x2, y2], "label": "a dog"}]`; whole numbers 0..1000. No box: an empty list."""

    entry = re.compile(r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}')
    pattern = re.compile(
        rf'(?:```json\s*)?\[\s*(?=\{{[^{{}}]*"bbox_2d")(?:{entry.pattern}[\s,]*)*(?:\](?:\s*```)?|\{{[^{{}}]*)?'
        rf'|(?:```json\s*)?(?=\{{[^{{}}]*"bbox_2d"){entry.pattern}(?:\s*```)?'
        r"|```json\s*(?P<none>\[\s*\])\s*```"
    )

    def __init__(self, most: int = 1000):
        super().__init__(most)

    def spell(self, part: Boxes, canvas: Canvas) -> str:
        named = {"label": part.label} if part.label else {}
        entries = [json.dumps({"bbox_2d": box} | named, ensure_ascii=False) for box in self.ordered(part, canvas)]
        return "```json\n[" + ", ".join(entries) + "]\n```"

    def read(self, match: re.Match[str], canvas: Canvas, image: int) -> list[Spelled]:
        start = match.start()
        said = [(read_entry(entry[0]), (start + entry.start(), start + entry.end())) for entry in self.entry.finditer(match[0])]
        found = self.by_label([(*one, span) for one, span in said if one is not None], canvas, image)
        unread = sum(one is None for one, _ in said) + bool(re.search(r"\{[^{}]*$", self.entry.sub("", match[0])))
        if not found:
            found = [self.found("", [], [], canvas, image, "")]
        if unread:
            found[-1].notes.append(f"could not read {unread} of the entries of '{match[0][:60]}' as boxes")
        return found


class Qwen25VL(Qwen3VL):
    """The same, the numbers being pixels of the picture as it was shown to the model (the canvas, less its padding)."""

    def __init__(self):
        super().__init__()

    def grid(self, xyxy_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        return np.rint(xyxy_N4 * np.tile(canvas.scale_xy, 2)).astype(int)

    def pixels(self, grid_N4: np.ndarray, canvas: Canvas) -> np.ndarray:
        return widened(grid_N4, self.ends(canvas)) / np.tile(canvas.scale_xy, 2)

    def ends(self, canvas: Canvas) -> np.ndarray:
        height, width = canvas.scaled
        return np.array([width, height, width, height])


def read_entry(text: str) -> tuple[str, list[int]] | None:
    """(label, four numbers) of one JSON object; None when it is none."""
    try:
        entry = json.loads(text)
        numbers = [float(number) for number in entry["bbox_2d"]]
        label = entry.get("label", "")
        label.encode()  # half a pair of surrogates is no letter
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    good = len(numbers) == 4 and all(np.isfinite(numbers)) and all(abs(number) < 1e9 for number in numbers) and isinstance(label, str)
    return (label.strip(), [round(number) for number in numbers]) if good else None


