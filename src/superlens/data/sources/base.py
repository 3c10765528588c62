"""What every data source offers: training conversations and evaluation examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from superlens.message import Conversation, Message

PARTS = ("boxes", "masks", "keypoints", "text", "image")


@dataclass(frozen=True)
class Example:
    """One evaluation item.

    question: a conversation ending with the user's message (no answer in it).
    answer: the reference message; every asked label is in it, empty where nothing is there.
    picture: what to group by (the image id of the file, or the line number).
    task: the task's one name ("boxes", "masks", "caption", "count", ...).
    facts: what an answer is judged by where more than one is right: of a new picture, what it has to show (`Wanted` of the drawn
        world), of an edited one, what has to have changed (`Change`); None elsewhere.
    """

    question: Conversation
    answer: Message
    picture: int | str
    task: str
    facts: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Problem:
    """One broken record of a data set: which one ("image 12", "line 3", "file") and what is wrong, in a sentence."""

    record: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.record}: {self.sentence}"


def refuse(path: str, problems: Sequence[Problem]) -> None:
    """Raise ValueError with one sentence for the first of `problems`, if there is any."""
    if problems:
        more = f" ({len(problems) - 1} more broken records)" if len(problems) > 1 else ""
        first = str(problems[0]).rstrip(".")
        raise ValueError(f"{path} has broken records: {first}{more}; `superlens data check {path}` names each.")


def chosen_tasks(name: str, usual: Mapping[str, float], tasks: Mapping[str, float] | None) -> dict[str, float]:
    """The tasks a source teaches: `usual` ones, or those of `tasks` with a weight above 0.

    Raises ValueError with a sentence for a task that is not among the usual ones, a negative weight, or when nothing is left.
    """
    if tasks is None:
        return dict(usual)
    for task, weight in tasks.items():
        if task not in usual:
            raise ValueError(f'{name} can not teach the task "{task}"; it has labels for {", ".join(usual)}.')
        if not weight >= 0:
            raise ValueError(f'Got the weight {weight} for the task "{task}"; expected 0 or more.')
    chosen = {task: float(weight) for task, weight in tasks.items() if weight > 0}
    if not chosen:
        raise ValueError(f"No task of {name} has a weight above 0; give one to at least one of {list(usual)}.")
    return chosen


class Source:
    """A data set that can be asked for training conversations and evaluation examples.

    Subclasses set `name` and implement the three methods below.
    """

    name: str = "source"

    def __len__(self) -> int:
        """Number of records `conversation` can be asked for."""
        raise NotImplementedError

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """A training sample of record `index`, a pure function of (index, state of rng).

        Coordinates are pixels of the picture in the conversation (which may be an augmented crop), xyxy.
        Raises IndexError when index is not in [0, len(self)).
        """
        raise NotImplementedError

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """Evaluation items for one of `PARTS`: lazy, deterministic by seed, held-out wordings.

        Raises ValueError when this source has no such part.
        """
        raise NotImplementedError

    def _check_index(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {self.name} asked for, it has {len(self)}")
        return int(index)


class LazyExamples(Sequence):
    """A list whose items are made when they are asked for: `make(key)` for each of `keys`."""

    def __init__(self, keys: Sequence, make: Callable[..., Example], limit: int | None = None) -> None:
        self._keys = list(keys)[:limit]
        self._make = make

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return LazyExamples(self._keys[index], self._make)
        return self._make(self._keys[index])

    def __iter__(self) -> Iterator[Example]:
        return (self._make(key) for key in self._keys)
