"""Answers in words: are they the same, small differences of writing aside?"""

from __future__ import annotations

import unicodedata
from typing import Any

from superlens.data.sources.base import Example
from superlens.evaluate.metrics.base import Metric, ratio
from superlens.message import Message

QUOTES = "\"'“”‘’"
ARTICLES = frozenset(("a", "an", "the"))
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS = {
    **{word: str(number) for number, word in enumerate(_ONES)},
    **{word: str(10 * number) for number, word in enumerate(_TENS, 2)},
    **{f"{_TENS[ten]}-{_ONES[one]}": str(10 * (ten + 2) + one) for ten in range(8) for one in range(1, 10)},
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
    """Small letters, no full stop at the end, no article, numbers in digits: "The three red stars." -> "3 red stars".

    An answer that is nothing but an article ("A." of a multiple choice) keeps it.
    """
    words = unicodedata.normalize("NFKC", words).lower().lstrip(QUOTES + " ").rstrip(QUOTES + " .!?,;:")
    said = words.split()
    return " ".join(NUMBERS.get(word, word) for word in said if word not in ARTICLES) or " ".join(said)
