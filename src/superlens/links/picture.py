"""PictureLink: a routing token, then queries whose states say what a new picture shows, or what is to be changed in one that is there.

VisionLLM v2 (arXiv 2406.08394): [GEN] and [EDIT], 64 super-link queries each. The answer has no label: all that was asked for is in the
states. Shapes as in links/base.py.
"""

from __future__ import annotations

from superlens.links.base import Piece
from superlens.links.query import QueryFormat, QueryLink
from superlens.message import Image
from superlens.vision.canvas import Canvas

PARTS = ("image", "edit", "restore")


class PictureFormat(QueryFormat):
    """`[GEN]` and its slots. part: "image" (a new picture), "edit" (a changed copy of one shown before) or "restore" (that copy shows
    the same, freed of what spoils it). Else as in `QueryFormat`."""

    def __init__(self, name: str, part: str, decoder: str | None, token: str, queries: int = 64, read: str = "at"):
        if part not in PARTS:
            raise ValueError(f"links.{name}: part is {', '.join(PARTS[:-1])} or {PARTS[-1]}, got '{part}'.")
        super().__init__(name, part, decoder, token, queries, phrase=None, read=read)

    @property
    def medium(self) -> str | None:
        return None if self.part == "image" else "picture"

    @property
    def answers(self) -> str:
        return "image"

    def labels(self, part: Image) -> list[str]:
        return [""]

    def write(self, part: Image, canvas: Canvas | None) -> list[Piece]:
        return self.route()


class PictureLink(QueryLink):
    """A `QueryLink` for pictures. Arguments as there; `pool: none` keeps all states apart, so that a decoder can attend to them."""

    format_class = PictureFormat
