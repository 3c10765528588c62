"""PhraseLink: nothing but words. The label's words go to the decoder's side through a small text encoder of their own; no gradient
flows back into the language model. The tool-using baseline (DetGPT, arXiv 2305.14167; Grounded-SAM, 2401.14159).

Shapes: K labels, W words (token ids of the label), C width of the decoder's requests.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from superlens.links.base import Group, Link, LinkFormat, Piece
from superlens.message import Part
from superlens.vision.canvas import Canvas


class PhraseFormat(LinkFormat):
    """`<tool>label</tool>`: the closing token hands the words over."""

    def __init__(self, name: str, part: str, decoder: str | None, phrase: tuple[str, str] = ("<tool>", "</tool>")):
        super().__init__(name, part, decoder, phrase)

    def roles(self) -> dict[str, str]:
        return {self.phrase[0]: "open", self.phrase[1]: "tool"}

    def start(self, label: str) -> list[Piece]:
        return self.write_label(label)

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        return [*self.write_label(part.label)]


class PhraseLink(Link):
    """A bidirectional GRU over the label's token ids, its mean projected to one request vector.

    vocabulary: rows of the word table (the language model's, read by id only: the table is this link's own).
    """

    format_class = PhraseFormat

    def __init__(
        self,
        format: PhraseFormat,
        tokens: tuple[str, ...],
        width: int,
        embedding_width: int,
        scale: float,
        decoder_width: int,
        vocabulary: int,
        hidden: int = 128,
    ):
        super().__init__(format, tokens, width, embedding_width, scale)
        self.words = nn.Embedding(vocabulary, hidden)
        self.reader = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.project = nn.Sequential(nn.Linear(2 * hidden, decoder_width), nn.GELU(), nn.Linear(decoder_width, decoder_width))

    def requests(self, hidden_KnD: Tensor, words_KD: Tensor, groups: list[Group]) -> Tensor:
        """Labels' word ids -> [K, 1, C]; the language model's hidden states are not looked at."""
        device = self.words.weight.device
        ids = [torch.tensor(group.words or [0], device=device) for group in groups]
        packed = nn.utils.rnn.pack_sequence([self.words(word_ids) for word_ids in ids], enforce_sorted=False)
        states_KWH, lengths_K = nn.utils.rnn.pad_packed_sequence(self.reader(packed)[0], batch_first=True)
        mean_KH = states_KWH.sum(1) / lengths_K.to(device)[:, None]
        return self.project(mean_KH)[:, None]
