"""QueryLink: a routing token, then learned queries fed in one forward, or tokens emitted one by one; hidden states go to a decoder.

VisionLLM v2 (arXiv 2406.08394): n queries read at their own positions. LISA (2308.00692): n = 0, read before the token.
GSVA (2312.10103), LaSagnA (2404.08506): an `absent` token. PixelLM (2312.02228): 6 emitted tokens. Shapes as in links/base.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from superlens.links.base import Group, Link, LinkFormat, Piece, Slots, Token, Words
from superlens.message import Masks, Part
from superlens.vision.canvas import Canvas
from superlens.vision.projector import mlp


class QueryFormat(LinkFormat):
    """`<p>label</p>[BOX]` then slots or emitted tokens.

    queries: n >= 0 slots. emitted: names of tokens that follow the routing token. read: "at" the slots (or, without slots, at the
    routing and emitted tokens), or "before" them, at the positions that predict them. absent: token written when nothing is there.
    ends: without phrase tokens, the label stands in words right before the routing token, and this after it (GSVA: ":", LaSagnA: "");
    null: no label is written.
    """

    def __init__(
        self,
        name: str,
        part: str,
        decoder: str | None,
        token: str,
        queries: int = 4,
        phrase: tuple[str, str] | None = ("<p>", "</p>"),
        read: str = "at",
        absent: str | None = None,
        emitted: tuple[str, ...] = (),
        ends: str | None = None,
    ):
        super().__init__(name, part, decoder, phrase)
        if read not in ("at", "before"):
            raise ValueError(f"links.{name}: read is 'at' or 'before', got '{read}'.")
        if queries < 0 or (queries and emitted):
            raise ValueError(f"links.{name}: queries is 0 or more, and 0 where tokens are emitted; got {queries}.")
        if ends is not None and self.phrase:
            raise ValueError(f"links.{name}: ends is for labels in plain words; set phrase: null, or leave it out.")
        self.token, self.absent, self.read, self.ends = token, absent, read, ends
        self._slots, self._emitted = queries, tuple(emitted)

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def emitted(self) -> tuple[str, ...]:
        return self._emitted

    @property
    def vectors(self) -> int:
        """n: hidden states read per group."""
        return self.slots or 1 + len(self.emitted)

    def roles(self) -> dict[str, str]:
        roles = super().roles() | {self.token: "route"} | dict.fromkeys(self.emitted, "emitted")
        return roles | ({self.absent: "absent"} if self.absent else {})

    def write_label(self, label: str) -> list[Piece]:
        if self.ends is None:
            return super().write_label(label)
        return [Words(f" {label}{self.ends}")]

    def start(self, label: str) -> list[Piece]:
        return [*self.write_label(label), *self.route()]

    def route(self) -> list[Piece]:
        """Routing token with all that follows it."""
        return [Token(self.token), *map(Token, self.emitted), *([Slots(self.slots)] if self.slots else [])]

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        gone = self.absent is not None and (not part.masks.any() if isinstance(part, Masks) else part.count == 0)
        return [*self.write_label(part.label), *([Token(self.absent)] if gone else self.route())]

    def read_positions(self, written: list[int]) -> list[int]:
        read = written[-self.slots :] if self.slots else written
        return [position - 1 for position in read] if self.read == "before" else list(read)


@torch.no_grad()
def begun_at_one(layers: nn.Sequential) -> nn.Sequential:
    """Scale the last layer so that states of deviation 1 become requests of deviation 1.

    That is how large decoders' own learned tokens begin (SAM's are drawn from N(0, 1)). Two linear layers as torch begins them make a
    fifth of it, and a decoder is slow to overhear that.
    """
    first, last = layers[0], layers[-1]
    if not last.weight.is_meta:
        states_ND = torch.randn(256, first.in_features, generator=torch.Generator().manual_seed(0))
        last.bias.zero_()
        last.weight /= layers(states_ND.to(first.weight)).std()
    return layers


class QueryLink(Link):
    """Learned queries, read-out and projection.

    decoder_width: C. pool: "mean" projects each hidden state, then averages the n of them into one vector (as VisionLLM v2);
    "none" keeps n vectors. depth: layers of the projection MLP. words: also read the mean input embedding of the label's own words,
    added to every vector. A last hidden state says what comes next, not what was said; a small language model trained from scratch
    would first have to learn to carry its words forward (nano's choice; no published system has it).
    Queries start at the embedding scale of the language model, projections with a deviation of 1 a channel.
    """

    format_class = QueryFormat

    def __init__(
        self,
        format: QueryFormat,
        tokens: tuple[str, ...],
        width: int,
        embedding_width: int,
        scale: float,
        decoder_width: int,
        pool: str = "mean",
        depth: int = 2,
        words: bool = False,
    ):
        super().__init__(format, tokens, width, embedding_width, scale)
        if pool not in ("mean", "none"):
            raise ValueError(f"links.{format.name}: pool is 'mean' or 'none', got '{pool}'.")
        self.pool = pool
        self.query_rows = nn.Parameter(torch.randn(format.slots, embedding_width) * scale) if format.slots else None
        self.make_projections(width, decoder_width, depth)
        self.project_words = nn.Sequential(nn.LayerNorm(embedding_width), nn.Linear(embedding_width, decoder_width)) if words else None

    def make_projections(self, width: int, decoder_width: int, depth: int) -> None:
        """The layers from hidden states to requests, [..., width] -> [..., decoder_width]."""
        self.project = begun_at_one(mlp(width, decoder_width, depth))

    def queries(self) -> Tensor | None:
        return self.query_rows

    def requests(self, hidden_KnD: Tensor, words_KD: Tensor, groups: list[Group]) -> Tensor:
        """[K, n, D] -> [K, 1, C] (pooled) or [K, n, C]."""
        return self.pooled(self.project(hidden_KnD), words_KD)

    def pooled(self, vectors_KnC: Tensor, words_KD: Tensor) -> Tensor:
        """Projected states, the label's words added where they are read, averaged where the recipe says so."""
        if self.project_words is not None:
            vectors_KnC = vectors_KnC + self.project_words(words_KD)[:, None]
        return vectors_KnC.mean(1, keepdim=True) if self.pool == "mean" else vectors_KnC
