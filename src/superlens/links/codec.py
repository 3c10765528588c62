"""CodecLink: a part is written as text, in the way of some published system (codes/), and read back from the text. No decoder."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.links.base import Link, LinkFormat, Piece, Token, Words
from superlens.links.codes.base import Code
from superlens.message import Part
from superlens.parts import construct
from superlens.vision.canvas import Canvas

FINEST = 32  # waves from end to end


class CodecFormat(LinkFormat):
    """A part as its code spells it. code: a name of `parts.CODES`, or a dotted path to a class. options: the code's own.

    prompts: token -> pattern of words (capitals or not). The first whose pattern is found in what a user says about a picture stands
    before these words: the task's own prompt (Pix2Seq v2, arXiv 2206.07669).
    """

    def __init__(
        self, name: str, part: str, decoder: str | None = None, code: str = "qwen-vl", options: Mapping | None = None,
        prompts: Mapping[str, str] | None = None,
    ):  # fmt: skip
        super().__init__(name, part, decoder, None)
        try:
            self.prompts = {token: re.compile(words, re.IGNORECASE) for token, words in (prompts or {}).items()}
        except (re.error, TypeError) as error:
            raise ValueError(f"links.{name}.prompts: each token wants a pattern of words: {error}.") from None
        self.code: Code = construct("codes", {"type": code, **(options or {})}, where=f"links.{name}.options")
        if part != self.code.part:
            raise ValueError(f"links.{name}: the code '{code}' writes {self.code.part}, got part '{part}'.")
        self._tokens = re.compile("|".join(map(re.escape, sorted(self.code.tokens, key=len, reverse=True))) or r"(?!)")

    def roles(self) -> dict[str, str]:
        return super().roles() | self.code.roles | dict.fromkeys(self.prompts, "task")

    def prompt(self, words: str) -> list[Piece]:
        return [Token(token) for token, pattern in self.prompts.items() if pattern.search(words)][:1]

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
    """The rows of the codec's own tokens; everything else is words.

    Rows of tokens that stand for places begin as a smooth curve over them (random Fourier features, Rahimi and Recht, 2007), input and
    output rows as the same one: what is learned of one place then holds for those around it. No published system does so; with random
    rows, each of a thousand bins has to be met often enough by itself.
    """

    format_class = CodecFormat

    def __init__(self, format: CodecFormat, tokens: tuple[str, ...], width: int, embedding_width: int, scale: float):
        super().__init__(format, tokens, width, embedding_width, scale)
        places = format.code.places
        where = [index for index, token in enumerate(self.tokens) if token in places]
        if where:
            places_PA = torch.tensor([places[self.tokens[index]] for index in where])
            curve_PD = smooth_rows(places_PA, max(width, embedding_width)) * scale
            with torch.no_grad():
                self.token_rows[where] = curve_PD[:, :embedding_width]
                self.head_rows[where] = curve_PD[:, :width]


def smooth_rows(places_PA: Tensor, width: int) -> Tensor:
    """[P, A] places, 0..1 on each axis -> [P, width], of deviation 1: cosines of random directions and phases, with half a wave to
    `FINEST` waves from end to end, as many of each octave."""
    octave_D = torch.rand(width) * math.log2(2 * FINEST) - 1
    direction_AD = F.normalize(torch.randn(places_PA.shape[1], width), dim=0)
    angles_PD = 2 * math.pi * (places_PA @ (direction_AD * 2.0**octave_D) + torch.rand(width))
    return angles_PD.cos() * 2**0.5
