"""Moments of a video: LITA's relative time tokens (arXiv 2403.19046), TimeChat's seconds (2312.02051), Momentor's anchors (2402.11435).

Shapes: N moments, two ends each. Seconds are those of the original video. A video is given by its `Clip`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from superlens.links.codes.base import Code, Span, Spelled, in_line
from superlens.message import Moments
from superlens.vision.clip import Clip


class MomentCode(Code):
    """Base of codes for moments, which are spelled in the order of their starts."""

    part = "moments"

    def ordered(self, part: Moments, clip: Clip) -> list[tuple[float, float]]:
        """The ends of the moments that count, in seconds; what rounding puts behind the end of the video is its end."""
        kept_N2 = part.seconds if part.ignore is None else part.seconds[~part.ignore]
        return sorted(map(tuple, np.minimum(kept_N2, clip.seconds).tolist()))

    def found(self, label: str, ends: Sequence[tuple[float, float]], spans: list[Span], clip: Clip, video: int) -> Spelled:
        """What was read, each moment the right way round and inside the video; what was not is noted."""
        raw_N2 = np.array(ends, np.float64).reshape(-1, 2)
        seconds_N2 = np.sort(np.clip(raw_N2, 0, clip.seconds), axis=1).astype(np.float32)
        notes = []
        if (raw_N2[:, 0] > raw_N2[:, 1]).any():
            notes.append("a moment ended before it began; its ends were exchanged")
        if (raw_N2 > clip.seconds + 0.05).any():
            notes.append(f"a moment lay beyond the video's {clip.seconds:.1f} seconds; it was cut")
        return Spelled(Moments(label, seconds_N2, video=video), spans, notes)


class LITA(MomentCode):
    """`<t3> <t17>`: `times` tokens, the first and the last the ends of the video; token k is second k / (times - 1) of its length.

    More moments stand behind a comma. No label is written.
    """

    def __init__(self, times: int = 100):
        if times < 2:
            raise ValueError(f"times, the number of time tokens, must be at least 2; got {times}.")
        self.times = times

    pattern = re.compile(r"<t\d{1,6}>(?:\s*(?:,|to|-)?\s*<t\d{1,6}>)*")

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(f"<t{index}>" for index in range(self.times))

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        return in_line(self.tokens)

    def spell(self, part: Moments, canvas: Clip) -> str:
        numbers = [[round((self.times - 1) * second / canvas.seconds) for second in ends] for ends in self.ordered(part, canvas)]
        return ", ".join(f"<t{start}> <t{end}>" for start, end in numbers)

    def read(self, match: re.Match[str], canvas: Clip, image: int) -> list[Spelled]:
        tokens = [(int(found[1]), found.span()) for found in re.finditer(r"<t(\d+)>", match[0])]
        ends, spans = [], []
        for (start, first), (end, last) in zip(tokens[::2], tokens[1::2]):
            ends.append(tuple(number / (self.times - 1) * canvas.seconds for number in (start, end)))
            spans.append((match.start() + first[0], match.start() + last[1]))
        read = self.found("", ends, spans, canvas, image)
        if len(tokens) % 2:
            read.notes.append(f"a start without an end, <t{tokens[-1][0]}>, was left out")
        return [read]


class TimeChat(MomentCode):
    """`2.0 - 4.5 seconds, the dog jumps`: plain words, one decimal. More moments stand behind a semicolon."""

    reserved = r"[;.,\n]"
    number = r"(?<![\d.])\d{1,6}(?:\.\d{1,6})?(?![\d.]*\d)"
    any_moment = rf"{number}\s*-\s*{number}\s*seconds?(?:\s*,\s*[^;.,\n]*)?"
    moment = re.compile(rf"({number})\s*-\s*({number})\s*seconds?(?:\s*,\s*(?P<label>[^;.,\n]*))?")
    pattern = re.compile(rf"{any_moment}(?:\s*;\s*{any_moment})*")

    def spell(self, part: Moments, canvas: Clip) -> str:
        label = f", {self.words(part.label)}" if part.label else ""
        return "; ".join(f"{start:.1f} - {end:.1f} seconds{label}" for start, end in self.ordered(part, canvas))

    def read(self, match: re.Match[str], canvas: Clip, image: int) -> list[Spelled]:
        by_label: dict[str, tuple[list, list]] = {}
        for found in self.moment.finditer(match[0]):
            ends, spans = by_label.setdefault((found["label"] or "").strip(), ([], []))
            ends.append((float(found[1]), float(found[2])))
            spans.append((match.start() + found.start(), match.start() + found.end(2)))
        return [self.found(label, ends, spans, canvas, image) for label, (ends, spans) in by_label.items()]


class Momentor(MomentCode):
    """`<time 3.25> to <time 17.50>`: places between `anchors` anchors at equal distances, the first and the last the ends of the video.

    For a `SequenceLink`, which writes and reads places between anchors: the tokens are `<time 0>`, `<time 1>` ... More moments stand
    behind a comma. No label is written.
    """

    value = re.compile(r"<time (\d{1,6}(?:\.\d{1,6})?)>")
    pattern = re.compile(rf"{value.pattern}(?:\s*(?:,|to)?\s*{value.pattern})*")

    def __init__(self, anchors: int = 300):
        if anchors < 2:
            raise ValueError(f"anchors must be at least 2, got {anchors}.")
        self.anchors = anchors

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(f"<time {index}>" for index in range(self.anchors))

    @property
    def places(self) -> dict[str, tuple[float, ...]]:
        return in_line(self.tokens)

    def name(self, place: float) -> str:
        """What stands for a place, 0 to anchors - 1."""
        return f"<time {place:.4f}>"

    def spell(self, part: Moments, canvas: Clip) -> str:
        places = [[second / canvas.seconds * (self.anchors - 1) for second in ends] for ends in self.ordered(part, canvas)]
        return ", ".join(f"{self.name(start)} to {self.name(end)}" for start, end in places)

    def read(self, match: re.Match[str], canvas: Clip, image: int) -> list[Spelled]:
        ends, spans, alone = [], [], 0
        for piece in re.finditer(r"[^,]+", match[0]):
            places = list(self.value.finditer(piece[0]))
            for start, end in zip(places[::2], places[1::2]):
                ends.append(tuple(float(place[1]) / (self.anchors - 1) * canvas.seconds for place in (start, end)))
                spans.append((match.start() + piece.start() + start.start(), match.start() + piece.start() + end.end()))
            alone += len(places) % 2
        read = self.found("", ends, spans, canvas, image)
        if alone:
            read.notes.append(f"{alone} moments had no two ends and were left out")
        return [read]
