from collections import Counter

import numpy as np
import pytest

from superlens.data.mixture import Mixture, parse_weighted
from superlens.data.sources.base import Source
from superlens.message import Conversation, Message


class Fixed(Source):
    def __init__(self, name, length=10):
        self.name, self.length = name, length

    def __len__(self):
        return self.length

    def conversation(self, index, rng):
        self._check_index(index)
        words = f"{self.name} {index} {rng.integers(1000)}"
        return Conversation((Message("user", words), Message("assistant", "Yes.")))


def words(mixture):
    return [mixture[row].messages[0].text for row in range(len(mixture))]


def test_rows_depend_on_seed_and_row_only():
    sources = [(Fixed("a"), 1), (Fixed("b", 3), 3)]
    first, second = Mixture(sources, seed=5, length=50), Mixture(sources, seed=5, length=500)
    assert words(first) == words(second)[:50] and list(reversed([second[row] for row in range(49, -1, -1)])) == [
        first[row] for row in range(50)
    ]
    assert words(first) != words(Mixture(sources, seed=6, length=50))


def test_weights_are_kept():
    mixture = Mixture([(Fixed("a"), 1), (Fixed("b", 3), 3)], seed=0, length=2000)
    drawn = Counter(mixture.place(row)[0] for row in range(2000))
    assert drawn[1] / 2000 == pytest.approx(0.75, abs=0.03)
    assert {mixture.place(row)[1] for row in range(2000) if mixture.place(row)[0] == 1} == {0, 1, 2}


def test_odd_mixtures_are_refused():
    for sources, length, said in [([], 5, "no data set"), ([(Fixed("a"), 0)], 5, "positive"),
                                  ([(Fixed("a"), 1)], 0, "at least 1"), ([(Fixed("a", 0), 1)], 5, "no records"),
                                  ([(Fixed("a"), float("nan"))], 5, "positive")]:
        with pytest.raises(ValueError, match=said):
            Mixture(sources, 0, length)
    with pytest.raises(IndexError):
        Mixture([(Fixed("a"), 1)], 0, 5)[5]


def test_parse_weighted(tmp_path):
    assert parse_weighted("world") == ("world", 1.0)
    assert parse_weighted("a/b.json:2.5") == ("a/b.json", 2.5)
    assert parse_weighted("C:\\data\\a.json") == ("C:\\data\\a.json", 1.0)
    assert parse_weighted("C:\\data\\a.json:3") == ("C:\\data\\a.json", 3.0)
    odd = tmp_path / "a:3"
    odd.write_text("")
    assert parse_weighted(str(odd)) == (str(odd), 1.0)
    odd_texts = {"a:0": "positive", "a:-1": "positive", "a:nan": "positive", ":2": "without a file", "": "empty"}
    for text, said in odd_texts.items():
        with pytest.raises(ValueError, match=said):
            parse_weighted(text)


def test_rows_are_the_same_for_numpy_rows():
    mixture = Mixture([(Fixed("a"), 1)], 0, 5)
    assert mixture[np.int64(3)] == mixture[3]
