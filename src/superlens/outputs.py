"""What the model's five joints leave behind: what decoders were asked, and what they answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from superlens.batch import Batch, Placed
from superlens.decoders.base import Requests
from superlens.vision.scene import Scene


@dataclass
class Asked:
    """Requests of one decoder about one scene (-1: none), and what it answered. `placed`: where each request stands in the batch."""

    decoder: str
    scene: int
    requests: Requests
    placed: list[Placed]
    raw: Any = None


@dataclass
class Outputs:
    """What the five joints leave behind."""

    scenes: list[Scene]
    visual: list[Tensor]
    hidden_RTD: Tensor
    states: tuple[Tensor, ...] = ()  # of every depth of the language model, where a lesson reads them
    asked: list[Asked] = field(default_factory=list)
    idle: Tensor | float = 0.0  # zero, depending on parts that ran only to keep processes in step

    def tokens_of(self, batch: Batch, picture: int) -> Tensor:
        """[C, h, w] the eye's token map of a picture, by its number in the batch."""
        for scene, pictures in zip(self.scenes, batch.pictures, strict=True):
            if picture in pictures.numbers:
                return scene.tokens[pictures.numbers.index(picture)]
        raise IndexError(f"picture {picture} is not in the batch")


def merge_asked(asked: list[Asked]) -> list[Asked]:
    """Requests of several links to the same decoder about the same scene become one."""
    merged: dict[tuple, Asked] = {}
    for one in asked:
        key = (one.decoder, one.scene, one.requests.vectors_KnC.shape[1])
        known = merged.setdefault(key, one)
        if known is not one:
            known.requests, known.placed = known.requests + one.requests, known.placed + one.placed
    return list(merged.values())
