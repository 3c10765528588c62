"""How a task is asked for: wordings to train with, and others kept apart to test with (`wordings.py` holds them).

Those to train with are written with choices (`grammar.py`): few lines, thousands of sentences, so that a model learns to tell
what is asked for from how it is asked.

`{things}` is a list in words ("red circles, platelets and road"), `{thing}` one expression ("the star left of the
moon"; "a red circle" for `exists`), `{question}` a whole question whose answer is a thing ("what would roll off the
table first"), `{first} {relation} {second}` a statement ("the star", "left of", "the moon"), `{names}` the points asked for
("nose and tail base"; "keypoints" for all there are), `{region}` and `{examples}` the places of what is pointed at, `{which}`
some things of the answer before ("the second one"), `{scene}` what a new picture shall show ("a red star left of a blue moon"),
`{change}` what to do to a picture ("make the star red"), `{event}` what happens in a video ("the red ring moves up").
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import numpy as np

from superlens.data.grammar import expand, spell
from superlens.data.wordings import SHORT, WORDINGS


def _lines(text: str) -> tuple[str, ...]:
    return tuple(expand(line, SHORT) for line in text.splitlines() if line)


TRAINING: Mapping[str, tuple[str, ...]] = {task: _lines(texts[0]) for task, texts in WORDINGS.items()}
HELD_OUT: Mapping[str, tuple[str, ...]] = {task: _lines(texts[1]) for task, texts in WORDINGS.items()}
TASKS = tuple(WORDINGS)


def _fields(wording: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(wording) if field}


def part_of(task: str) -> str:
    """The kind of part that answers a task: "boxes" for "boxes", "refer_boxes" ..., "text" for what is answered in words."""
    kind = task.rpartition("_")[2]
    return kind if kind in ("boxes", "masks", "keypoints", "image", "moments") else "text"


def link_of(task: str) -> str:
    """The kind of part as links tell them apart: that of `part_of`, but "edit" and "restore" for changed pictures."""
    return {"edit_image": "edit", "restore_image": "restore"}.get(task, part_of(task))


def slots_of(task: str) -> tuple[str, ...]:
    """The names of the slots that `ask` needs for a task, in alphabetical order; ValueError for an unknown task."""
    return tuple(sorted(_fields(_wordings(task, held_out=False)[0])))


def _wordings(task: str, held_out: bool) -> tuple[str, ...]:
    table = HELD_OUT if held_out else TRAINING
    if task not in table:
        raise ValueError(f"Got the task {task!r}; expected one of {', '.join(TASKS)}.")
    return table[task]


def listing(names: Sequence[str]) -> str:
    """Names as a list in words: "a", "a and b", "a, b and c"; ValueError when there are none."""
    names = list(names)
    if not names:
        raise ValueError("Got no names to list; expected at least one.")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def ask(task: str, rng: np.random.Generator, held_out: bool = False, **slots: str) -> str:
    """One way to ask for `task`, drawn evenly from its wordings, then from their choices, and filled with `slots`.

    `held_out=True` draws from wordings that training never uses. In training, one question in eight each is written
    carelessly: without its full stop or question mark, or with a small first letter. What fills a slot is never altered
    (so a label can repeat it), except that a sentence gets a capital where it starts with a slot that is no label
    (`{question}`, `{first}`, `{which}`).
    Raises ValueError when the task is unknown or the slots are not those it needs.
    """
    wordings = _wordings(task, held_out)
    wording = spell(wordings[int(rng.integers(len(wordings)))], rng)
    needed = _fields(wording)
    if needed != set(slots):
        got = ", ".join(sorted(slots)) or "none"
        raise ValueError(f"Got the slots {got} for the task {task!r}; expected {', '.join(sorted(needed)) or 'none'}.")
    question = wording.format(**slots)
    label_first = wording.startswith("{thing")
    if not label_first:
        question = question[0].upper() + question[1:]
    if held_out:
        return question
    if rng.random() < 0.125 and not wording.endswith("}"):
        question = question[:-1]
    if rng.random() < 0.125 and not label_first:
        question = question[0].lower() + question[1:]
    return question
