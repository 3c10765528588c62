import time

import numpy as np
import pytest

from superlens.data.packing import best_fit


def test_every_sample_is_in_one_row_that_fits():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        lengths = rng.integers(1, 101, rng.integers(1, 200)).tolist()
        rows = best_fit(lengths, 100)
        assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
        assert all(sum(lengths[index] for index in row) <= 100 for row in rows)
        assert rows == best_fit(np.array(lengths), 100)
        # Best-fit decreasing needs at most 11/9 of the best and one row; the best is no less than the sum.
        assert len(rows) <= 11 / 9 * len(lengths) and rows == sorted(rows)


def test_it_chooses_the_tightest_row():
    assert best_fit([7, 6, 3, 4], 10) == [[0, 2], [1, 3]]
    assert best_fit([5, 5, 5], 10) == [[0, 1], [2]]
    assert best_fit([10], 10) == [[0]] and best_fit([], 10) == []


def test_what_does_not_fit_is_refused():
    for lengths, room, said in [([3, 11], 10, "Sample 1 is 11"), ([0], 10, "at least 1"), ([1], 0, "row_tokens")]:
        with pytest.raises(ValueError, match=said):
            best_fit(lengths, room)


def test_it_is_fast_and_dense():
    lengths = np.random.default_rng(0).integers(20, 300, 20000).tolist()
    start = time.perf_counter()
    rows = best_fit(lengths, 600)
    assert time.perf_counter() - start < 2
    assert sum(lengths) / (600 * len(rows)) > 0.98
