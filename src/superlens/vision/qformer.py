"""The Q-Former: learned queries that look at what the eye saw, and may read words beside them.

BLIP-2 (Li et al., arXiv 2301.12597), with words as in InstructBLIP (Dai et al., arXiv 2305.06500), whose class in Transformers is used.

Shapes: B pictures, L cells, C channels, S words, Q queries, H width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from superlens.vision.canvas import TokenGrid


class QFormer(nn.Module):
    """in_channels: C. queries: Q. hidden: H. vocabulary: of the words it may read, 0 for none."""

    def __init__(self, in_channels: int, queries: int, hidden: int, layers: int, vocabulary: int = 0):
        super().__init__()
        from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel

        config = InstructBlipQFormerConfig(
            vocab_size=max(vocabulary, 1), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=max(hidden // 64, 1),
            intermediate_size=4 * hidden, encoder_hidden_size=in_channels, cross_attention_frequency=2, pad_token_id=0,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
        self.former = InstructBlipQFormerModel(config)
        self.norm = nn.LayerNorm(in_channels)
        self.query_rows = nn.Parameter(torch.randn(queries, hidden) * config.initializer_range)
        self.reads = bool(vocabulary)
        if not vocabulary:
            # Weights of what reads words would never move.
            for layer in self.former.encoder.layer:
                layer.intermediate, layer.output = nn.Identity(), nn.Identity()
            self.former.embeddings.word_embeddings = self.former.embeddings.position_embeddings = nn.Identity()

    def forward(self, cells_BLC: Tensor, words: list[list[int]] | None = None) -> Tensor:
        """[B, L, C] cells, and the ids of B texts where it reads words -> [B, Q, H]."""
        queries_BQH = self.query_rows.expand(len(cells_BLC), -1, -1)
        cells_BLC = self.norm(cells_BLC)
        if not self.reads:
            return self.former(input_ids=None, query_embeds=queries_BQH, encoder_hidden_states=cells_BLC).last_hidden_state
        texts = [torch.tensor(ids, dtype=torch.long, device=cells_BLC.device) for ids in words]
        ids_BS = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        lengths_B1 = torch.tensor([[len(ids)] for ids in words], device=ids_BS.device)
        mask_BS = torch.arange(ids_BS.shape[1], device=ids_BS.device) < lengths_B1
        mask_BL = torch.cat([mask_BS.new_ones(queries_BQH.shape[:2]), mask_BS], 1).long()
        told = self.former(ids_BS, attention_mask=mask_BL, query_embeds=queries_BQH, encoder_hidden_states=cells_BLC)
        return told.last_hidden_state[:, : queries_BQH.shape[1]]


class FixedGrid(TokenGrid):
    """As many tokens for every picture, which lie nowhere in it."""

    def __init__(self, tokens: int):
        super().__init__(1, 1, tokens)

    def count(self, canvas_size: tuple[int, int]) -> int:
        return self.max_tokens

    def pool_and_shape(self, canvas_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        raise ValueError("the tokens of a Q-Former lie nowhere in the picture: no lesson and no video reader can go by their places.")


class QFormerProjector(nn.Module):
    """A picture becomes `queries` tokens, whatever its size (the projector of BLIP-2, MiniGPT-4, TimeChat)."""

    def __init__(self, in_channels: int, width: int, scale: float, queries: int = 32, hidden: int = 768, layers: int = 12):
        super().__init__()
        self.grid = FixedGrid(queries)
        self.former = QFormer(in_channels, queries, hidden, layers)
        self.layers = nn.Linear(hidden, width)
        self.out_scale = nn.Parameter(torch.tensor([float(scale)]))

    def forward(self, tokens_BChw: Tensor, canvas_size: tuple[int, int]) -> Tensor:
        """[B, C, h, w] -> [B, Q, D]."""
        return self.layers(self.former(tokens_BChw.flatten(2).mT)) * self.out_scale

    def places(self, canvas_size: tuple[int, int]) -> Tensor:
        """There are none: ValueError."""
        return self.grid.pool_and_shape(canvas_size)
