"""Long work says how far it is; whoever wants to show that listens. Nobody listening, nothing is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
_SHOWN: ContextVar[Callable[[Sequence, str], Iterable] | None] = ContextVar("shown", default=None)


def watched(work: Sequence[Item], what: str) -> Iterable[Item]:
    """The pieces of work, one after another. what: in a word, for those who watch. A single piece is not worth showing."""
    show = _SHOWN.get()
    return work if show is None or len(work) < 2 else show(work, what)


@contextmanager
def watching(show: Callable[[Sequence, str], Iterable]) -> Iterator[None]:
    """While this is open, `show(pieces, what)` hands on the pieces of all long work, and may draw a bar as it does."""
    token = _SHOWN.set(show)
    try:
        yield
    finally:
        _SHOWN.reset(token)
