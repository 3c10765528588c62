"""CodecLink: a part is written as text, in the way of some published system (codes/), and read back from the text. No decoder."""

from __future__ import annotations

import re
from collections.abc import Mapping

from superlens.links.base import Link, LinkFormat, Piece, Token, Words
from superlens.links.codes.base import Code
from superlens.message import Part
from superlens.parts import construct
from superlens.vision.canvas import Canvas


class CodecFormat(LinkFormat):
    """A part as its code spells it. code: a name of `parts.CODES`, or a dotted path to a class. options: the code's own."""

    def __init__(self, name: str, part: str, decoder: str | None = None, code: str = "qwen-vl", options: Mapping | None = None):
        super().__init__(name, part, decoder, None)
        self.code: Code = construct("codes", {"type": code, **(options or {})}, where=f"links.{name}.options")
        if part != self.code.part:
            raise ValueError(f"links.{name}: the code '{code}' writes {self.code.part}, got part '{part}'.")
        self._tokens = re.compile("|".join(map(re.escape, sorted(self.code.tokens, key=len, reverse=True))) or r"(?!)")

    def roles(self) -> dict[str, str]:
        return super().roles() | self.code.roles

    def start(self, label: str) -> list[Piece]:
        if not self.code.opening:
            raise ValueError(f"links.{self.name}: this code has no token that it begins with, so an answer with it can not be forced.")
        return [Token(self.code.opening)]

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        text, pieces, done = self.code.spell(part, canvas), [], 0
        for match in self._tokens.finditer(text):
            pieces += [Words(text[done : match.start()])] if match.start() > done else []
            pieces.append(Token(match[0]))
            done = match.end()
        return pieces + ([Words(text[done:])] if done < len(text) else [])


class CodecLink(Link):
    """The rows of the codec's own tokens; everything else is words."""

    format_class = CodecFormat
