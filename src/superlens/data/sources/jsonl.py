"""Our JSONL: one `{"messages": [...]}` a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from superlens.data.augment import Augment
from superlens.data.sources.base import Problem, refuse
from superlens.data.sources.conversations import ConversationSource
from superlens.data.sources.files import existing


class JsonlSource(ConversationSource):
    """A file of conversations, one JSON object a line; blank lines are passed over.

    Lines are read when they are asked for, only their places are kept. The arguments are those of
    `ConversationSource`; `root` is the file's folder unless given. ValueError names the first line that is broken.
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
        self._places: list[tuple[int, int]] = []
        problems = []
        for line, offset, raw in read_lines(path):
            wrong = wrong_line(raw)
            if wrong:
                problems.append(Problem(f"line {line}", wrong))
            self._places.append((line, offset))
        refuse(str(path), problems)
        if not self._places:
            raise ValueError(f"{path} has no lines; expected one conversation a line.")

    def __len__(self) -> int:
        return len(self._places)

    def record(self, index: int) -> dict:
        with open(self.name, "rb") as file:
            file.seek(self._places[index][1])
            return json.loads(file.readline())

    def place(self, index: int) -> str:
        return f"line {self._places[index][0]}"


def read_lines(path: str | os.PathLike) -> Iterator[tuple[int, int, bytes]]:
    """(line number from 1, byte where it starts, its bytes) of every line that is not blank."""
    offset = 0
    with open(existing(path), "rb") as file:
        for line, raw in enumerate(file, 1):
            start = 3 if line == 1 and raw.startswith(b"\xef\xbb\xbf") else 0
            if raw[start:].strip():
                yield line, offset + start, raw[start:]
            offset += len(raw)


def wrong_line(raw: bytes) -> str | None:
    """Why a line is not one of ours, seen from its JSON alone, or None."""
    try:
        data = json.loads(raw)
    except UnicodeDecodeError:
        return "It is not text in UTF-8."
    except json.JSONDecodeError as error:
        return f"It is not valid JSON: {error.msg} at column {error.colno}."
    if not isinstance(data, dict) or not isinstance(data.get("messages"), list):
        return 'It is no object with a list "messages".'
    wrong = [at for at, message in enumerate(data["messages"]) if not isinstance(message, dict)]
    return f"Message {wrong[0]} is no object." if wrong else None
