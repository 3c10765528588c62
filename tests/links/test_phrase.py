"""The phrase link: words go to the decoder's side, nothing flows back into the language model."""

import tiny
import torch

from superlens.batch import collate
from superlens.links.base import Group

LINKS = {
    "boxes": {"type": "phrase", "decoder": "detect"},
    "masks": {"type": "phrase", "phrase": ["<cut>", "</cut>"], "decoder": "segment"},
}


def test_requests_depend_on_the_words_alone():
    link = tiny.model(links=LINKS).links["boxes"]
    groups = [Group("boxes", "x", [], words=words) for words in ([5, 6, 7], [9], [], [5, 6, 7])]
    requests_KnC = link.requests(torch.randn(4, 0, 32), torch.randn(4, 32), groups)
    assert requests_KnC.shape == (4, 1, 16)
    assert torch.allclose(requests_KnC[0], requests_KnC[3], atol=1e-6) and not torch.allclose(requests_KnC[0], requests_KnC[1])
    alone = link.requests(torch.randn(1, 0, 32), torch.randn(1, 32), groups[1:2])
    assert torch.allclose(alone[0], requests_KnC[1], atol=1e-6)


def test_no_gradient_flows_back():
    model = tiny.model(links=LINKS)
    batch = collate([model.processor.encode(talk) for talk in tiny.conversations(2, tasks={"boxes": 1, "masks": 1})])
    outputs = model.answer(batch)
    losses = model.losses(outputs, batch)
    sum(total for name, (total, _) in losses.items() if name != "words").backward()
    assert all(p.grad is None or not p.grad.any() for p in model.language.parameters())
    assert model.links["boxes"].words.weight.grad.abs().sum() > 0 and model.links["masks"].words.weight.grad.abs().sum() > 0


def test_half_precision():
    """Training runs under bfloat16 autocast, shipped weights may be asked in it."""
    model = tiny.model(links=LINKS)
    batch = collate([model.processor.encode(talk) for talk in tiny.conversations(2, tasks={"boxes": 1})])
    with torch.autocast("cpu", torch.bfloat16):
        out = model(batch)
    out["loss"].backward()
    assert torch.isfinite(out["loss"]) and model.links["boxes"].reader.weight_ih_l0.grad.isfinite().all()
    half = tiny.model(links=LINKS).to(torch.bfloat16)
    with torch.no_grad():
        assert torch.isfinite(half(batch)["loss"])
