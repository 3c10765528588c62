"""LLaVA conversations: a JSON list (or lines) of {"image": ..., "conversations": [{"from": ..., "value": ...}]}."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from superlens.data.augment import Augment
from superlens.data.sources.base import Problem, refuse
from superlens.data.sources.conversations import ConversationSource
from superlens.data.sources.files import read_json
from superlens.data.sources.jsonl import read_lines

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "system": "system",
}
PLACEHOLDER = "<image>"


class LlavaSource(ConversationSource):
    """A LLaVA file. Each `<image>` stands for the next picture of the record; pictures without one come first.

    The arguments are those of `ConversationSource`; `root` (LLaVA's image folder) is the file's folder unless given.
    Raises ValueError with one sentence naming the first broken record.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
    ) -> None:
        super().__init__(str(path), str(root or Path(path).parent), tasks, augment, cache_mb)
        records, problems = read_llava(path)
        refuse(str(path), problems)
        if not records:
            raise ValueError(f"{path} has no records; expected at least one conversation.")
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def record(self, index: int) -> dict:
        return to_messages(self._records[index][1])

    def place(self, index: int) -> str:
        return self._records[index][0]


def read_llava(path: str | os.PathLike) -> tuple[list[tuple[str, dict]], list[Problem]]:
    """The good records of a file as (name in sentences, record), and the problems of the others."""
    records: list[tuple[str, dict]] = []
    problems: list[Problem] = []
    for place, data in _all_records(path, problems):
        if isinstance(data, dict) and isinstance(data.get("id"), (str, int)):
            # Not a key: LLaVA's own files use one id for several conversations about a picture.
            place = f"{place} (id {data['id']})"
        try:
            to_messages(data)
            records.append((place, data))
        except ValueError as error:
            problems.append(Problem(place, str(error)))
    return records, problems


def _all_records(path: str | os.PathLike, problems: list[Problem]):
    with open(path, "rb") as file:
        listed = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if listed:
        for at, data in enumerate(read_json(path), 1):
            yield f"record {at}", data
        return
    for line, _, raw in read_lines(path):
        try:
            yield f"line {line}", json.loads(raw)
        except ValueError as error:
            problems.append(Problem(f"line {line}", f"It is not valid JSON: {error}."))


def to_messages(record: Any) -> dict:
    """A LLaVA record as {"messages": [...]}; ValueError with a sentence when it is none."""
    if isinstance(record, dict) and isinstance(record.get("messages"), list):
        return record
    if not isinstance(record, dict) or not isinstance(record.get("conversations"), list) or not record["conversations"]:
        raise ValueError('It has no list "conversations" with at least one turn.')
    if record.get("video"):
        raise ValueError("It speaks of a video; only pictures are read from LLaVA files.")
    pictures = record.get("image") or record.get("images") or []
    pictures = [pictures] if isinstance(pictures, str) else pictures
    if not isinstance(pictures, list) or not all(isinstance(name, str) and name for name in pictures):
        raise ValueError(f'Its "image" is {pictures!r}, expected the path of a picture or a list of paths.')
    turns = [_turn(at, turn) for at, turn in enumerate(record["conversations"], 1)]
    marks = sum(words.count(PLACEHOLDER) for _, words in turns)
    if marks > len(pictures):
        raise ValueError(f"It says {PLACEHOLDER} {marks} times but has {len(pictures)} pictures.")
    left = [{"type": "image", "image": name} for name in pictures]
    unmarked, left = left[: len(left) - marks], left[len(left) - marks :]
    messages = []
    for role, words in turns:
        content: list = []
        if role == "user" and unmarked:
            content, unmarked = unmarked, []
        for at, piece in enumerate(re.split(re.escape(PLACEHOLDER), words)):
            if at:
                content = [*content, left.pop(0)]
            if piece.strip():
                content = [*content, {"type": "text", "text": piece.strip()}]
        messages.append({"role": role, "content": content})
    return {"messages": messages, **({"id": record["id"]} if "id" in record else {})}


def _turn(at: int, turn: Any) -> tuple[str, str]:
    if not isinstance(turn, dict) or turn.get("from") not in ROLES:
        said = turn.get("from") if isinstance(turn, dict) else turn
        raise ValueError(f'Turn {at} is from {said!r}, expected "human" or "gpt".')
    if not isinstance(turn.get("value"), str):
        raise ValueError(f'Turn {at} has no text in its "value".')
    return ROLES[turn["from"]], turn["value"]
