"""A way to look things up, wired into the random weights that a small language model begins with.

A large language model learns from its texts to find where something stood before and to go on as it did there: a head that looks at the
token before and a head behind it that looks for the same token (induction heads, Olsson et al., arXiv 2209.11895). A small one that is
trained for an hour learns it late or not at all, and every link asks for it: answers say back what the question names. So such heads
are there from the start, as weights like all others, which training keeps, changes or drops. Own design; cf. mimetic initialisation
(Trockman and Kolter, arXiv 2305.09828). `benchmarks/lookup.py` shows the difference.

How: all embeddings get a part in common, `COMMON` of their length. In the first block the first heads' queries and keys read that part
alone, the keys of the n-th turned on by n places (rotary positions, Su et al., arXiv 2104.09864), so that it looks at the n-th token
before; it copies a few directions of that token aside, each head to directions of its own. So the state of a token knows the words
right before it: what a link reads after "green squares" knows of both. In the second block the first heads look, by what the first
one put aside, for a token whose predecessor was the present one, and add what they see there to what is said next.

Shapes: D width, d width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

COMMON = 0.6  # share of the length of every embedding
BACK = 4  # so many tokens before are looked at, each by a head of its own
TURNED = 4  # pairs of a head, those that turn fastest, which tell one place from the next
BEFORE = 20.0  # logit of the token before; its neighbours have about 3 less
MATCH = 2.0  # size of queries and keys: enough for the same token to stand out; sharper ones learned more slowly in trials
SLOW = 5  # pairs from this one on hardly turn within a sentence: tokens are compared by those
ASIDE = 2.0  # how much of a token is copied aside, in lengths of its embedding


@torch.no_grad()
def wire_lookup(model: nn.Module, seed: int = 0, quiet: float = 1.0, heads: int = 2, said: float = 4.0) -> None:
    """Wire these heads into a language model of Llama's kind with random weights, in place. seed: of the directions.

    heads: 1..3 that look for the same token; each says as many directions of what they find as a head is wide, the third those that
    tell tokens apart. said: how much of that is added to what a token is, in lengths of its embedding; more says it more purely.

    quiet: 0..1, what all other heads and the perceptrons add is multiplied by it. What they add by chance is louder than embeddings
    are, and over some hundred tokens the heads mistake one for another.

    Raises ValueError for a model without rotary positions, of one block, with heads that are too narrow, or that norms its queries, and
    for another `quiet`, `heads` or `said`.
    """
    if not isinstance(quiet, int | float) or not 0 <= quiet <= 1:
        raise ValueError(f"language.start: quiet is a number from 0 to 1, got {quiet!r}.")
    if heads not in (1, 2, 3):
        raise ValueError(f"language.start: heads is 1, 2 or 3, got {heads!r}.")
    if not isinstance(said, int | float) or not 0 < said < math.inf:
        raise ValueError(f"language.start: said is a number above 0, got {said!r}.")
    base = model.base_model
    blocks = getattr(base, "layers", [])
    first = getattr(blocks[0], "self_attn", None) if len(blocks) > 1 else None
    turns = getattr(getattr(base, "rotary_emb", None), "inv_freq", None)
    ready = first is not None and hasattr(first, "q_proj") and not hasattr(first, "q_norm") and turns is not None
    if not ready or len(turns) <= SLOW or first.k_proj.weight.shape != first.q_proj.weight.shape:
        raise ValueError(
            f"language.start: lookup is for models of Llama's kind, of two blocks or more, with heads of {2 * SLOW + 2} or more and as "
            f"many keys as queries; got '{model.config.model_type}'."
        )
    for block in blocks:
        block.self_attn.o_proj.weight *= quiet
        block.mlp.down_proj.weight *= quiet
    table = model.get_input_embeddings().weight
    wide, generator = table.shape[1], torch.Generator().manual_seed(seed)
    width = wide // model.config.num_attention_heads
    common_D = nn.functional.normalize(torch.randn(wide, generator=generator), dim=0)
    length = table.norm(dim=1).mean() / (1 - COMMON**2) ** 0.5
    table += common_D * length * COMMON
    directions_DD = torch.linalg.qr(torch.randn(wide, wide, generator=generator))[0]
    directions_dD = (directions_DD - torch.outer(common_D, common_D @ directions_DD)).T.split(width)
    one = length / wide**0.5  # what is normed has length sqrt(D)
    # Of the directions, the first tell tokens apart, the next take the token before, then two are said (by three heads the first, too).
    for head, aside_dD in enumerate((directions_dD[1], *directions_dD[4 : 3 + BACK])):
        own = slice(head * width, (head + 1) * width)
        _look_before(first, own, common_D, turns, places=head + 1)
        first.v_proj.weight[own] = directions_dD[0]
        first.o_proj.weight[:, own] = aside_dD.T * one * ASIDE
    saying_dD = [*directions_dD[2:4][:heads], *([directions_dD[0]] if heads == 3 else [])]
    _look_for_same(blocks[1].self_attn, directions_dD, [(each_dD, each_dD.T * one * said) for each_dD in saying_dD], len(turns))


def _look_before(attention: nn.Module, own: slice, common_D: Tensor, turns: Tensor, places: int) -> None:
    """The head of these rows looks at the token so many places before, whatever the two are."""
    half = len(turns)
    wide, width = len(common_D), 2 * half
    each = (BEFORE * width**0.5 / TURNED) ** 0.5 / (COMMON * wide**0.5)
    query_dD, key_dD = torch.zeros(width, wide), torch.zeros(width, wide)
    for pair in range(TURNED):
        query_dD[pair] = common_D * each
        angle = turns[pair] * places
        key_dD[pair], key_dD[pair + half] = common_D * each * angle.cos(), common_D * each * angle.sin()
    attention.q_proj.weight[own], attention.k_proj.weight[own] = query_dD, key_dD


def _look_for_same(attention: nn.Module, directions_dD: tuple[Tensor, ...], said: list[tuple[Tensor, Tensor]], half: int) -> None:
    """The first heads look for what came after a token like this one. said: what each reads of it [d, D], and writes [D, d]."""
    width = 2 * half
    slow = [*range(SLOW, half), *range(SLOW + half, width)]
    for head, (read_dD, write_Dd) in enumerate(said):
        own = slice(head * width, (head + 1) * width)
        query_dD, key_dD = torch.zeros_like(read_dD), torch.zeros_like(read_dD)
        query_dD[slow], key_dD[slow] = directions_dD[0][slow] * MATCH, directions_dD[1][slow] * MATCH
        attention.q_proj.weight[own], attention.k_proj.weight[own] = query_dD, key_dD
        attention.v_proj.weight[own] = read_dD
        attention.o_proj.weight[:, own] = write_Dd
