"""SequenceLink: continuous values in the sequence. A value's input embedding is made from it; it is predicted by the state before it.

First system: Momentor (Qian et al., arXiv 2402.11435). Times are places between anchors. An anchor has an input and an output row
outside the language model's vocabulary; a place between two of them is embedded as their mean, weighted by nearness, and is learned as
a soft label with the same weights, among all words. Neighbouring anchors share gradients.

Shapes: P values, A anchors, D width of the language model, F frames, T tokens a frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from superlens.links.base import Piece, Value, Words
from superlens.links.codec import CodecFormat, CodecLink
from superlens.vision.canvas import Canvas
from superlens.vision.clip import Clip


class SequenceFormat(CodecFormat):
    """A part as its code spells it, with values where the code has `value`."""

    def __init__(self, name: str, part: str, decoder: str | None = None, code: str = "momentor", options: Mapping | None = None):
        super().__init__(name, part, decoder, code, options)

    def roles(self) -> dict[str, str]:
        return dict.fromkeys(self.code.tokens, "value")

    def write(self, part, canvas: Canvas | Clip) -> list[Piece]:
        text = self.code.spell(part, canvas)
        pieces: list[Piece] = []
        for place, chunk in enumerate(re.split(self.code.value, text)):
            if place % 2:
                pieces.append(Value(float(chunk)))
            elif chunk:
                pieces.append(Words(chunk))
        return pieces


class SequenceLink(CodecLink):
    """Values between anchors. The link's own tokens are the anchors: their input rows and output rows.

    spread: gradients of an anchor's rows also reach those around it, by 2^-distance (its own counts twice); values stay what they are.
    """

    format_class = SequenceFormat

    def __init__(
        self, format: SequenceFormat, tokens: tuple[str, ...], width: int, embedding_width: int, scale: float, spread: bool = True
    ):
        super().__init__(format, tokens, width, embedding_width, scale)
        self.spread = spread

    def rows(self, which: str) -> Tensor:
        """w' = w + M w - stop_gradient(M w), M_ij = 2^-|i - j| (Momentor, "grounded event-sequence", neighbour token propagation)."""
        rows_AD = super().rows(which)
        if not self.spread or not torch.is_grad_enabled():
            return rows_AD
        number_A = torch.arange(len(rows_AD), device=rows_AD.device)
        near_AA = 0.5 ** (number_A[:, None] - number_A[None]).abs().to(rows_AD.dtype)
        shared_AD = near_AA @ rows_AD
        return rows_AD + shared_AD - shared_AD.detach()

    def between(self, values_P: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The anchors below and above each place, and how far towards the upper one it lies, 0..1."""
        last = len(self.tokens) - 1
        below_P = values_P.floor().clamp(0, last).long()
        return below_P, (below_P + 1).clamp(max=last), (values_P - below_P).clamp(0, 1)

    def embed_values(self, values_P: Tensor) -> Tensor:
        """[P] places -> [P, D] input embeddings."""
        below_P, above_P, share_P = self.between(values_P)
        rows_AD = self.rows("token_rows")
        return torch.lerp(rows_AD[below_P], rows_AD[above_P], share_P[:, None].to(rows_AD.dtype))

    def value_loss(self, logits_PV: Tensor, first: int, values_P: Tensor) -> Tensor:
        """Sum of the soft cross-entropies. logits_PV: of all words and added tokens, the anchors from column `first` on."""
        below_P, above_P, share_P = self.between(values_P)
        below, above = (F.cross_entropy(logits_PV.float(), first + anchor_P, reduction="none") for anchor_P in (below_P, above_P))
        return torch.lerp(below, above, share_P).sum()

    def embed_value(self, value: float, projector=None, at: int = 0) -> Tensor:
        """One place -> [D]."""
        return self.embed_values(torch.tensor([value], device=self.token_rows.device))[0]

    def value_count(self, batch) -> float:
        """How many places are to be said."""
        given = batch.values.get(self.format.name)
        return 0.0 if given is None else float(given.learned_P.sum())

    def values_loss(self, model, outputs, batch) -> Tensor:
        """Sum of the losses of the places in a batch, each read before it."""
        given = batch.values[self.format.name]
        said_P = given.positions_P[given.learned_P]
        logits_PV = model.logits(outputs.hidden_RTD.flatten(0, 1)[said_P - 1])
        return self.value_loss(logits_PV, model.first_id(self.format.name), given.values_P[given.learned_P])

    def next_value(self, logits_A: Tensor, best: int, hidden_D: Tensor | None = None) -> float:
        """The place that the anchors' logits [A] mean: between the chosen one and the likelier one of its neighbours, by their chances.

        The paper's repository has no decoding of times; at a soft label's optimum this gives the place back.
        """
        chance_A = logits_A.float().softmax(0)
        around = [index for index in (best - 1, best + 1) if 0 <= index < len(chance_A)]
        other = max(around, key=lambda index: float(chance_A[index]))
        share = float(chance_A[other] / (chance_A[best] + chance_A[other]))
        return best + (other - best) * share

    def mark_times(self, tokens_FTD: Tensor, shares_F: Tensor) -> Tensor:
        """Every frame's tokens, plus the mean of the input and the output row of its time."""
        below_F, above_F, share_F = self.between(shares_F * (len(self.tokens) - 1))
        rows_AD = (self.rows("token_rows") + self.rows("head_rows")) / 2
        return tokens_FTD + torch.lerp(rows_AD[below_F], rows_AD[above_F], share_F[:, None].to(rows_AD.dtype))[:, None]
