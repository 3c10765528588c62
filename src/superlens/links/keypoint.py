"""KeypointLink: a routing token for a kind of thing, and one for each named point of it.

VisionLLM v2 (arXiv 2406.08394, section 3): "person[POSE] ... nose[POSE]", super-link queries behind each, a projection of their own for
points. Here points have a routing token of their own, so that an answer about persons and mice can be read back without guessing which
names are things and which are points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from superlens.links.base import Group, Piece, Token
from superlens.links.query import QueryFormat, QueryLink, begun_at_one
from superlens.message import Keypoints
from superlens.vision.canvas import Canvas
from superlens.vision.projector import mlp


class KeypointFormat(QueryFormat):
    """`<p>person</p>[POSE]` with its slots, then `<p>nose</p>[POINT]` with slots for every name.

    point: the routing token of a point. The rest as in `QueryFormat`; without `phrase` tokens names could not be read back.
    """

    def __init__(
        self,
        name: str,
        part: str,
        decoder: str | None,
        token: str,
        point: str,
        queries: int = 4,
        phrase: tuple[str, str] = ("<p>", "</p>"),
        read: str = "at",
        emitted: tuple[str, ...] = (),
    ):
        super().__init__(name, part, decoder, token, queries, phrase, read, None, emitted)
        if self.phrase is None:
            raise ValueError(f"links.{name}: keypoints have names, so phrase wants two tokens, [open, close].")
        self.point = point

    def roles(self) -> dict[str, str]:
        return super().roles() | {self.point: "member"}

    def labels(self, part: Keypoints) -> list[str]:
        return [part.label, *part.names]

    def write(self, part: Keypoints, canvas: Canvas) -> list[Piece]:
        pieces = [*self.write_label(part.label), *self.route()]
        for name in part.names:
            pieces += [*self.write_label(name), Token(self.point), *self.route()[1:]]
        return pieces


class KeypointLink(QueryLink):
    """A `QueryLink` whose points are projected by layers of their own. Arguments as there."""

    format_class = KeypointFormat

    def make_projections(self, width: int, decoder_width: int, depth: int) -> None:
        super().make_projections(width, decoder_width, depth)
        self.project_points = begun_at_one(mlp(width, decoder_width, depth))

    def requests(self, hidden_KnD: Tensor, words_KD: Tensor, groups: list[Group]) -> Tensor:
        """[K, n, D] -> [K, 1, C] (pooled) or [K, n, C], things and points each by their own projection."""
        point_K = torch.tensor([group.parent is not None for group in groups], device=hidden_KnD.device)
        # Both run over all: together they have one shape, and every parameter is used whatever a batch asks.
        vectors_KnC = torch.where(point_K[:, None, None], self.project_points(hidden_KnD), self.project(hidden_KnD))
        return self.pooled(vectors_KnC, words_KD)
