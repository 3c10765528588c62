"""The painter learns a picture from a request, leaves alone what is not to be changed, and draws from its seeds alone."""

import numpy as np
import pytest
import torch
from scenes import scene

from superlens.decoders.base import Requests
from superlens.decoders.flow_painter import Changed, FlowPainter
from superlens.message import Image
from superlens.vision.canvas import CanvasRule

CANVAS = CanvasRule(multiple=16, shortest=16).canvas(32, 32)
VECTORS = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(1))


def painter(**options):
    torch.manual_seed(0)
    return FlowPainter(**({"width": 16, "side": 32, "patch": 4, "channels": [32, 32], "heads": 2, "steps": 8} | options))


def asked(targets=(), seeds=(3, 4), picture=(0, 0)):
    return Requests(VECTORS, torch.tensor(picture), ["", ""], [0, 0], list(targets), seeds=list(seeds))


def flat(value, of=None):
    return Image(np.full((32, 32, 3), value, np.uint8), of=of)


def seen(value=40):
    shown = scene(CANVAS)
    shown.pixels_BHWC = torch.full((1, 32, 32, 3), value, dtype=torch.uint8)
    return shown


def patched(of=0):
    """The source with a bright square on it."""
    pixels = np.full((32, 32, 3), 40, np.uint8)
    pixels[8:16, 8:16] = 220
    return Image(pixels, of=of)


def learn(made, where, targets, steps):
    optimiser = torch.optim.Adam(made.parameters(), 3e-3)
    for _ in range(steps):
        losses = made.loss(made(where, asked(targets)), targets)
        optimiser.zero_grad()
        sum(total / max(count, 1) for total, count in losses.values()).backward()
        optimiser.step()
    return made


def test_new_pictures_are_what_their_request_says():
    made = learn(painter(drop=0.0, guidance=1.0), None, [flat(30), flat(220)], 60)
    dark, bright = made.parts(made(None, asked()), None, asked())
    assert dark.size == (32, 32) and dark.of is None
    assert dark.pixels.mean() < 90 < 160 < bright.pixels.mean()


def test_a_changed_copy_keeps_the_rest_exactly():
    made = learn(painter(drop=0.0, guidance=1.0), seen(), [patched(), patched()], 80)
    source = Image(np.full((32, 32, 3), 40, np.uint8))
    raw = made(seen(), asked())
    part = made.finish(made.parts(raw, seen(), asked())[0], (source,))
    assert part.of == 0 and type(part) is Image
    inside = np.zeros((32, 32), bool)
    inside[8:16, 8:16] = True
    assert (part.pixels[~inside] == 40).all() and part.pixels[inside].mean() > 120


def test_a_change_is_laid_over_the_source_at_its_own_size():
    rule = CanvasRule(longest=32, shortest=16, multiple=16)
    source = Image(np.arange(64 * 48 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8))
    _, canvas = rule.place(source.pixels)
    assert canvas.scaled == (24, 32)
    changed = np.zeros(canvas.size, bool)
    changed[4:8, 4:8] = True
    part = Changed(np.full((*canvas.size, 3), 255, np.uint8), changed, canvas, 0).laid_over(source)
    assert part.size == (64, 48)
    assert (part.pixels[10:14, 10:14] == 255).all()
    assert (part.pixels[:, 24:] == source.pixels[:, 24:]).all()


def test_large_sources_are_painted_small_and_come_back_whole():
    rule = CanvasRule(multiple=16, shortest=16)
    canvas = rule.canvas(48, 96)
    shown = scene(canvas)
    made = painter()
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    raw = made(shown, asked())
    assert raw.clean_K3HW.shape == (2, 3, 16, 32)
    part = made.parts(raw, shown, asked())[0]
    assert part.size == (96, 48) and part.changed_HW.shape == (48, 96)


def test_the_same_seed_draws_the_same_in_any_company():
    made = painter()
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    both = made(None, asked()).clean_K3HW
    alone = made(None, Requests(VECTORS[1:], torch.tensor([0]), [""], [0], seeds=[4])).clean_K3HW
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-4)
    assert not torch.allclose(both, made(None, asked(seeds=(5, 6))).clean_K3HW)


def test_counts_are_those_of_the_losses_and_gradients_reach_the_request():
    made = painter(drop=0.0)
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    for where, targets in ((None, [flat(10), flat(20)]), (seen(), [patched(), patched()])):
        requests = asked(targets)
        requests.vectors_KnC = VECTORS.clone().requires_grad_()
        losses = made.loss(made(where, requests), targets)
        assert {name: count for name, (_, count) in losses.items()} == made.counts(targets)
        sum(total for total, _ in losses.values()).backward()
        assert requests.vectors_KnC.grad.abs().sum((1, 2)).gt(0).all()


def test_guidance_learns_its_null_request():
    made = painter(drop=1.0)
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    targets = [flat(10), flat(20)]
    made.loss(made(None, asked(targets)), targets)["flow"][0].backward()
    assert made.null.grad.abs().sum() > 0


def test_the_dummy_touches_every_parameter():
    made = painter()
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    zero = made.dummy(scene(CANVAS))
    zero.backward()
    assert zero == 0 and all(parameter.grad is not None for parameter in made.parameters())


def test_a_side_that_no_patch_divides_is_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        painter(side=30)
