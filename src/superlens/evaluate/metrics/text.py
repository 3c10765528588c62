"""Answers in words: are they the same, small differences of writing aside?"""

from __future__ import annotations

import unicodedata
from typing import Any

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ratio
from superlens.message import Message

ARTICLES = frozenset(("a", "an", "the"))
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS = {
    **{word: str(number) for number, word in enumerate(_ONES)},
    **{word: str(10 * number) for number, word in enumerate(_TENS, 2)},
    **{f"{ten}-{one}": str(10 * tens + ones)
       for tens, ten in enumerate(_TENS, 2) for ones, one in enumerate(_ONES[:10]) if ones},
}


class Accuracy(Metric):
    """{"accuracy"}: share of answers that say what the reference says, as `normalised` writes them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._right = self._asked = 0

    def add(self, example: Example, answer: Message) -> None:
        self._asked += 1
        self._right += int(normalised(answer.text) == normalised(example.answer.text))

    def result(self) -> dict[str, float | None]:
        return {"accuracy": ratio(self._right, self._asked)}


def normalised(words: str) -> str:
    """Small letters, no full stop at the end, no article, numbers in digits: "The three red stars." -> "3 red stars"."""
    words = unicodedata.normalize("NFKC", words).lower().strip().strip("\"'“”‘’").rstrip(" .!?,;:")
    return " ".join(NUMBERS.get(word, word) for word in words.split() if word not in ARTICLES)
