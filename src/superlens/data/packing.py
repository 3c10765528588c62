"""Packing samples of different lengths into rows of one length."""

from __future__ import annotations

from collections.abc import Sequence


def best_fit(lengths: Sequence[int], row_tokens: int) -> list[list[int]]:
    """Rows of indices into `lengths`, each row at most `row_tokens` long: best-fit decreasing, deterministic.

    lengths: tokens per sample (each >= 1). row_tokens: tokens a row can hold (>= 1).
    Returns rows in the order of their smallest index, the indices in a row ascending; every index is in exactly one.
    Raises ValueError when a sample is longer than a row: callers drop and count those first.

    Rows with the same room are kept in one list per room, and an integer has bit r set where a row with room r is
    open, so that the tightest fitting row is found by a shift instead of a search.
    """
    row_tokens = int(row_tokens)
    if row_tokens < 1:
        raise ValueError(f"row_tokens is {row_tokens}, expected at least 1: set it to about twice the longest sample.")
    sizes = [int(length) for length in lengths]
    for index, size in enumerate(sizes):
        if size > row_tokens:
            raise ValueError(
                f"Sample {index} is {size} tokens long, a row holds {row_tokens}: drop it or raise row_tokens."
            )
        if size < 1:
            raise ValueError(f"Sample {index} is {size} tokens long, expected at least 1.")
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(row_tokens + 1)]
    open_rooms = 0
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        size = sizes[index]
        fitting = open_rooms >> size
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            row = with_room[room].pop()
            if not with_room[room]:
                open_rooms &= ~(1 << room)
            rows[row].append(index)
        else:
            room, row = row_tokens, len(rows)
            rows.append([index])
        left = room - size
        if left:
            with_room[left].append(row)
            open_rooms |= 1 << left
    return sorted(sorted(row) for row in rows)
