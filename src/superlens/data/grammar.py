"""Wordings with choices: `(a|b|)` stands for one of its alternatives, which may hold choices themselves.

"(Find|Locate) {things}( here|)." stands for four sentences. Parentheses and bars have no other use in a wording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

_INNERMOST = re.compile(r"\(([^()]*)\)")
_MARKS = re.compile(r"[()|]|\{\w+\}")


def expand(wording: str, short: Mapping[str, str]) -> str:
    """Write out the abbreviations that a wording uses."""
    for name, choice in short.items():
        wording = wording.replace(name, choice)
    return wording


def spell(wording: str, rng: np.random.Generator) -> str:
    """One sentence of a wording, every choice drawn evenly, with a capital at its start. A wording without choices draws nothing."""
    while choice := _INNERMOST.search(wording):
        options = choice[1].split("|")
        wording = wording[: choice.start()] + options[int(rng.integers(len(options)))] + wording[choice.end() :]
    return wording[:1].upper() + wording[1:]


def pattern(wording: str, slots: Mapping[str, str]) -> str:
    """The regular expression of all sentences of a wording, to be matched without regard to case.

    slots: the regular expression of what fills each slot.
    """
    end, pieces = 0, []
    for mark in _MARKS.finditer(wording):
        pieces.append(re.escape(wording[end : mark.start()]))
        pieces.append({"(": "(?:", ")": ")", "|": "|"}.get(mark[0]) or f"(?:{slots[mark[0][1:-1]]})")
        end = mark.end()
    return "".join(pieces) + re.escape(wording[end:])
