"""Routing: was each asked thing answered, once, in the kind that was asked for, and nothing else?"""

from __future__ import annotations

from collections import Counter
from typing import Any

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, plain, ratio
from superlens.message import Message, OutputPart, Part, Text


class Routing(Metric):
    """{"routing"}: share of answers whose parts are exactly those asked for.

    Each asked label stands in the answer once, in a part of the reference's type (empty or not), and no other part
    does. A label that is not in the words of the question (a thing to be reasoned out) can not be expected back word
    for word: there the type alone is compared. A question answered in words wants words, and no part but words.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._right = self._asked = 0

    def add(self, example: Example, answer: Message) -> None:
        self._asked += 1
        self._right += int(_routed(example, answer))

    def result(self) -> dict[str, float | None]:
        return {"routing": ratio(self._right, self._asked)}


def _routed(example: Example, answer: Message) -> bool:
    wanted = [part for part in example.answer.content if not isinstance(part, Text)]
    given = [part for part in answer.content if not isinstance(part, Text)]
    if not wanted:
        return not given and bool(answer.text.strip())
    question = plain(example.question.messages[-1].text)
    named = Counter(_name(part) for part in wanted if _name(part)[1] in question)
    free = Counter(type(part) for part in wanted if _name(part)[1] not in question)
    spare = Counter(_name(part) for part in given)
    if named - spare:
        return False
    left: Counter[type] = Counter()
    for (kind, _), count in (spare - named).items():
        left[kind] += count
    return left == free


def _name(part: Part) -> tuple[type, str]:
    return type(part), plain(part.label) if isinstance(part, OutputPart) else ""
