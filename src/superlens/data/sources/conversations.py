"""What sources of finished conversations (our JSONL, LLaVA's JSON) have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from superlens.data.augment import Augment
from superlens.data.sources.base import PARTS, Example, LazyExamples, Source
from superlens.data.sources.cache import ByteCache
from superlens.message import Conversation, Image

OUTPUT_TYPES = ("boxes", "masks", "keypoints", "polygons", "moments", "map")


class ConversationSource(Source):
    """Conversations as they are written in a file; subclasses give `record(index)`.

    root: folder that pictures are looked for in. augment: applied to conversations about boxes, masks or keypoints of one
    picture.
    tasks: must be None, since the file says what is asked. cache_mb: memory for decoded pictures, megabytes.
    """

    def __init__(
        self,
        name: str,
        root: str,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
    ) -> None:
        if tasks:
            raise ValueError(f"{name} holds finished conversations, so tasks can not be chosen; leave them out.")
        self.name, self.root, self.augment = name, root, augment
        self._cache = ByteCache(cache_mb)

    def record(self, index: int) -> dict:
        """Record `index` as {"messages": [...]}, as JSON has it."""
        raise NotImplementedError

    def place(self, index: int) -> str:
        """How record `index` is called in sentences: "line 3"."""
        raise NotImplementedError

    def whole(self, index: int) -> Conversation:
        """Record `index` as it stands in the file, pictures by path; ValueError names the record."""
        try:
            return Conversation.from_json(self.record(index), root=self.root)
        except ValueError as error:
            raise ValueError(f"{self.name}, {self.place(index)}: {error}") from error

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """Record `index`, its pictures decoded; see `Source`. A random view of it where there is an `augment`."""
        conversation = self.whole(self._check_index(index))
        messages = tuple(
            replace(message, content=tuple(self._opened(part) for part in message.content))
            for message in conversation.messages
        )
        conversation = Conversation(messages)
        return conversation if self.augment is None else self.augment(conversation, rng)

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """Boxes, masks, keypoints and pictures: the last answer with such a part, after its history. Text: every answer of words alone.

        See `Source`; `seed` plays no role, since the wordings are those of the file.
        """
        if part not in PARTS:
            raise ValueError(f'{self.name} has no part "{part}" to evaluate; expected one of {", ".join(PARTS)}.')
        keys = [key for index in range(len(self)) for key in self._answers(part, index)]
        if not keys:
            raise ValueError(f"No answer in {self.name} has {part}, so there is nothing to evaluate.")
        return LazyExamples(keys, partial(self._example_at, part), limit)

    def _answers(self, part: str, index: int) -> list[tuple[int, int]]:
        """(record, message) of the answers that `examples` asks for."""
        record = self.record(index)
        found = []
        for at, message in enumerate(record["messages"]):
            before = record["messages"][at - 1] if at else {}
            if message.get("role") == "assistant" and before.get("role") == "user":
                content = message["content"]
                kinds = set() if isinstance(content, str) else {
                    item.get("type") for item in content if isinstance(item, dict)
                }
                wanted = not kinds & {*OUTPUT_TYPES, "image"} if part == "text" else part in kinds
                found += [(index, at)] if wanted else []
        return found if part == "text" else found[-1:]

    def _example_at(self, part: str, key: tuple[int, int]) -> Example:
        index, at = key
        messages = self.whole(index).messages
        task = self.record(index).get("task")
        return Example(Conversation(messages[:at]), messages[at], self.place(index), task if task else part)

    def _opened(self, part):
        if not isinstance(part, Image) or part.kind != "path":
            return part
        return Image(self._cache.get(part.source, lambda: part.pixels), of=part.of, restored=part.restored)
