"""What a link is: how one kind of part is written into the language model's sequence, and read back out of it.

A link has two halves. Its *format* has no weights: the processor uses it to write and to parse. The *link* itself is a module: the
rows of the tokens it adds, its queries, its projection to the decoder. Both are built from the same recipe entry.

Shapes: D width of the language model, K groups (one written part each), n vectors a group, C width of the decoder's requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from superlens.message import Image, Part
from superlens.vision.canvas import Canvas


class NoLinkError(ValueError):
    """A model was to write a part and has no link that does. part: such as "masks"; who knows recipes may say which have one."""

    def __init__(self, sentence: str, part: str):
        super().__init__(sentence)
        self.part = part


@dataclass(frozen=True)
class Words:
    """A run of plain text, tokenised by the language model's own tokenizer."""

    text: str


@dataclass(frozen=True)
class Token:
    """One added token, by name."""

    name: str


@dataclass(frozen=True)
class Slots:
    """`count` continuous positions that follow, fed from the link's own table in one forward; they carry no token loss."""

    count: int


@dataclass(frozen=True)
class Value:
    """One continuous value, which the link embeds, and predicts from the position before it."""

    value: float


@dataclass(frozen=True)
class Seen:
    """A picture of the answer as its visual tokens, each of which the link predicts from the position before it."""

    image: Image


Piece = Words | Token | Slots | Value | Seen
ROUTING = ("route", "member")  # roles of the tokens that hand over to a decoder


@dataclass
class Group:
    """One part as it stands in a sequence: which link, which label, and the positions whose hidden states it is read from.

    positions: indices into the sample's sequence. image: which picture of the conversation, -1 for none. seed: of the decoder's own
    random draws, where it makes any. words: ids of the label's words.
    target: the part to be learned, in canvas pixels (training only). parent: the group that this one belongs to ("nose" of "person").
    """

    link: str
    label: str
    positions: list[int]
    image: int = 0
    words: list[int] = field(default_factory=list)
    target: Part | None = None
    parent: Group | None = None
    seed: int = 0


class LinkFormat:
    """The weightless half. Subclasses say how a part is written; `role` tells the parser what each added token means.

    Roles: "open" and "close" stand around a label; "route" hands over to a decoder; "member" does so for something that belongs to the
    thing routed before it; "absent" says that the thing is not there; "emitted" tokens follow a routing token one by one; "code" tokens
    are part of what a codec spells, "begin" and "end" those around its numbers; "value" tokens are what a value lies between, or stand
    for one, and "end of values" follows the last; "task" tokens stand for what a user asks.
    """

    shows: ClassVar[bool] = False  # what it writes is itself a picture shown, so that the next question need not show it again

    def __init__(self, name: str, part: str, decoder: str | None, phrase: tuple[str, str] | None):
        self.name = name
        self.part = part
        self.decoder = decoder
        self.phrase = tuple(phrase) if phrase else None
        if self.phrase is not None and len(self.phrase) != 2:
            raise ValueError(f"links.{name}: phrase wants two tokens, [open, close], got {list(self.phrase)}.")

    @property
    def medium(self) -> str | None:
        """What was shown that its parts speak of: "picture", "video", or None for parts that stand by themselves."""
        return "video" if self.part == "moments" else "picture"

    @property
    def answers(self) -> str:
        """What its parts are measured as: "boxes", "masks", ..., "image" for every kind of picture."""
        return self.part

    def roles(self) -> dict[str, str]:
        """Added tokens in order -> their role."""
        return {self.phrase[0]: "open", self.phrase[1]: "close"} if self.phrase else {}

    def asked(self, words: str) -> list[Piece] | None:
        """What stands in the sequence for a user's text behind a picture; None: its words. ValueError for what has no tokens."""
        return None

    def prompt(self, words: str) -> list[Piece]:
        """What stands before a user's words behind a picture: usually nothing."""
        return []

    def write_label(self, label: str) -> list[Piece]:
        """`<p> label</p>`, or nothing for a link without phrase tokens (LISA).

        The label is written with the space that stands before words inside a sentence, so that its tokens are those of the question.
        """
        return [Token(self.phrase[0]), Words(f" {label}"), Token(self.phrase[1])] if self.phrase else []

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        """The pieces of one written part. `canvas`: the geometry of the picture it speaks of; a `Clip` for a video."""
        raise NotImplementedError

    def labels(self, part: Part) -> list[str]:
        """The label of each routing token that `write` writes: the part's own, then those of its members."""
        return [part.label]

    def start(self, label: str) -> list[Piece]:
        """What stands before the decision when an answer with this link is forced: the label and the routing token."""
        raise NotImplementedError

    @property
    def slots(self) -> int:
        """Continuous positions fed after the routing token."""
        return 0

    @property
    def emitted(self) -> tuple[str, ...]:
        """Tokens that follow the routing token one by one."""
        return ()

    def read_positions(self, written: list[int]) -> list[int]:
        """Positions whose hidden states are read. `written`: the positions of routing token, emitted tokens and slots."""
        return []


def kind_of(part: Part) -> str:
    """What a link calls a part that it writes: "boxes", "masks", ...; "image" for a new picture, "edit" for a changed one, "restore"
    for one that is freed of what spoiled it."""
    if isinstance(part, Image):
        return "image" if part.of is None else "restore" if part.restored else "edit"
    return type(part).__name__.lower()


class Link(nn.Module):
    """The half with weights: input and output rows of its own tokens, and `requests` for its decoder.

    The language model is never resized: logits are its own, followed by those of the links. Rows start at the mean of the language
    model's embedding deviation; so tied heads, LoRA, quantisation and frozen models all work.
    """

    format_class: ClassVar[type[LinkFormat]]

    def __init__(self, format: LinkFormat, tokens: tuple[str, ...], width: int, embedding_width: int, scale: float):
        super().__init__()
        self.format = format
        self.tokens = tuple(tokens)
        self.token_rows = nn.Parameter(torch.randn(len(self.tokens), embedding_width) * scale)
        self.head_rows = nn.Parameter(torch.randn(len(self.tokens), width) * scale)

    def rows(self, which: str) -> Tensor:
        """The rows of its tokens. which: "token_rows" (input) or "head_rows" (output)."""
        return getattr(self, which)

    def queries(self) -> Tensor | None:
        """[n, D] what is fed into the slots, or None."""
        return None

    def mark_times(self, tokens_FTD: Tensor, shares_F: Tensor) -> Tensor:
        """The tokens of a video's frames, with what this link adds for when each is shown (0..1 of the video): usually nothing."""
        return tokens_FTD

    def requests(self, hidden_KnD: Tensor, words_KD: Tensor, groups: list[Group]) -> Tensor | None:
        """What the decoder gets: [K, n, C]; None for links whose answer is in the text.

        hidden_KnD: states at the read positions. words_KD: mean input embedding of the label's words (zeros for an empty label).
        """
        return None

    def dummy(self, hidden_D: Tensor) -> Tensor:
        """Zero that depends on every parameter: keeps ranks without this link in step (a smallest real forward)."""
        group = Group(self.format.name, "", [], 0, [0])
        rows = self.token_rows.sum() + self.head_rows.sum()
        queries = self.queries()
        vectors = getattr(self.format, "vectors", 1)
        words_KD = self.token_rows.new_zeros(1, self.token_rows.shape[1])
        read = self.requests(hidden_D.detach().expand(1, vectors, -1), words_KD, [group])
        total = rows + (0.0 if queries is None else queries.sum()) + (0.0 if read is None else read.float().sum())
        return total.float() * 0.0
