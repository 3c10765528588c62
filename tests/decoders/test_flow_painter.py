"""The painter learns a picture from a request, leaves alone what is not to be changed, and draws from its seeds alone."""

import numpy as np
import pytest
import torch
from scenes import CHANNELS, scene

from superlens.decoders.base import Requests
from superlens.decoders.flow_painter import POINTERS, Changed, FlowPainter, with_places
from superlens.decoders.pixel_segmenter import PixelMaps
from superlens.media import Drafted
from superlens.message import Image
from superlens.vision.canvas import CanvasRule

CANVAS = CanvasRule(multiple=16, shortest=16).canvas(32, 32)
VECTORS = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
SIZES = {"width": 16, "side": 32, "shrink": 1, "patch": 4, "channels": [32, 32], "heads": 2, "steps": 8, "finder": [16, 1]}


def painter(**options):
    torch.manual_seed(0)
    return FlowPainter(CHANNELS, **(SIZES | options))


def asked(targets=(), seeds=(3, 4), picture=(0, 0)):
    return Requests(VECTORS, torch.tensor(picture), ["", ""], [0, 0], list(targets), seeds=list(seeds))


def flat(value, of=None):
    return Image(np.full((32, 32, 3), value, np.uint8), of=of)


def seen(value=40):
    """A grey picture, of which the eye sees where the square of `patched` will be."""
    shown = scene(CANVAS)
    shown.levels[0][:, 0] = -2.0
    shown.levels[0][:, 0, 2:4, 2:4] = 2.0
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


def test_new_pictures_are_painted_small_and_enlarged():
    made = painter(shrink=2)
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    raw = made(None, asked())
    assert raw.clean_K3HW.shape == (2, 3, 16, 16) and made.parts(raw, None, asked())[0].size == (32, 32)


def test_a_changed_copy_keeps_the_rest_exactly():
    made = learn(painter(drop=0.0, guidance=1.0), seen(), [patched(), patched()], 80)
    source = Image(np.full((32, 32, 3), 40, np.uint8))
    raw = made(seen(), asked())
    part = made.finish(made.parts(raw, seen(), asked())[0], (source,))
    assert part.of == 0 and type(part) is Image
    inside = np.zeros((32, 32), bool)
    inside[8:16, 8:16] = True
    around = np.zeros((32, 32), bool)
    around[4:20, 4:20] = True
    assert (part.pixels[~around] == 40).all() and part.pixels[inside].mean() > 120


def test_where_is_said_by_the_first_vectors_and_what_by_the_others():
    made = painter(drop=0.0)
    torch.nn.init.normal_(made.net.conv_out.weight, std=0.1)
    targets = [patched(), patched()]
    where, what = slice(0, POINTERS), slice(POINTERS, None)
    for name, said, silent in (("flow", what, where), ("pixel", where, what)):
        requests = asked(targets)
        requests.vectors_KnC = VECTORS.clone().requires_grad_()
        made.loss(made(seen(), requests), targets)[name][0].backward()
        grad_KnC = requests.vectors_KnC.grad
        assert grad_KnC[:, said].abs().sum((1, 2)).gt(0).all() and not grad_KnC[:, silent].any()


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


@pytest.mark.parametrize("options, words", [({"side": 30}, "multiple of 8"), ({"side": 40, "shrink": 2}, "multiple of 16")])
def test_a_side_that_no_patch_divides_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        painter(**options)


def test_too_few_vectors_are_refused():
    made = painter()
    few = Requests(VECTORS[:, :POINTERS], torch.tensor([0, 0]), ["", ""], [0, 0], seeds=[0, 1])
    with pytest.raises(ValueError, match="more than 2 vectors"):
        made(None, few)


def test_cells_know_where_they_lie():
    torch.testing.assert_close(with_places(torch.zeros(1, 1, 2, 3))[0, 1:], torch.tensor(
        [[[-1.0, 0, 1], [-1, 0, 1]], [[-1, -1, -1], [1, 1, 1]]]))  # fmt: skip


def test_the_place_of_a_change_is_made_whole():
    """The left edge of what is to be changed was found; the rest votes for the same middle and looks alike."""
    looks_1hw = torch.full((1, 8, 8), -9.0)
    looks_1hw[0, 2:6, 2:6] = 4.0
    masks_1hw = looks_1hw - 12
    masks_1hw[0, 2:6, 2] = 2.0
    cells_8 = 4 - (torch.arange(8) + 0.5)
    votes_12hw = torch.stack(torch.broadcast_tensors(cells_8, cells_8[:, None]))[None]
    found = PixelMaps(masks_1hw, looks_1hw, masks_1hw, masks_1hw, votes_12hw, torch.zeros(1), torch.zeros(1, dtype=torch.long))
    where_11HW = painter().places(found, torch.zeros(1, 3, 32, 32))
    assert where_11HW[0, 0, 9:23, 9:23].all() and not where_11HW[0, 0, :, 28:].any()


def test_cells_attend_to_the_request_where_they_are_finest_too():
    """Two requests of one mean, with all attention of the coarser levels silenced."""
    made = painter()
    torch.nn.init.normal_(made.net.conv_out.weight)
    finest = f"up_blocks.{len(made.net.up_blocks) - 1}."
    for name, module in made.net.named_modules():
        if name.endswith("to_out.0") and not name.startswith(finest):
            torch.nn.init.zeros_(module.weight)
    apart = torch.zeros(1, 4, 16)
    apart[0, 0], apart[0, 1] = 1.0, -1.0
    black = torch.zeros(1, 3, 32, 32)
    said = [made.denoise(black, black, black[:, :1] + 1, torch.ones(1), vectors) for vectors in (apart, 0 * apart)]
    assert not torch.allclose(*said, atol=1e-4)


def test_new_pictures_are_painted_in_turns(monkeypatch):
    """Each turn goes on from the one before, with its own share of the vectors behind the pointers, and its own noise."""
    drawer, turns = painter(), []

    def flow(noise, source, where, vectors):
        turns.append((noise, source, vectors))
        return source + vectors.mean()

    monkeypatch.setattr(drawer, "flow", flow)
    raw = drawer(None, asked())
    shares = VECTORS[:, POINTERS:4], VECTORS[:, 4:]
    assert [turn[2].equal(share) for turn, share in zip(turns, shares, strict=True)] == [True, True]
    torch.testing.assert_close(turns[1][1], turns[0][1] + shares[0].mean())
    torch.testing.assert_close(raw.clean_K3HW, turns[1][1] + shares[1].mean())
    assert not turns[0][0].equal(turns[1][0])


def test_turns_are_learned_from_drafts():
    """From nothing to the draft, from the draft to the picture; a picture without drafts is left as it is."""
    drawer = painter(turns=3)
    drafted = Drafted(np.full((32, 32, 3), 255, np.uint8), [np.full((32, 32, 3), 51 * value, np.uint8) for value in (0, 3)])
    vectors, grey = torch.arange(2 * 6.0).reshape(2, 6, 1).expand(-1, -1, 16), torch.zeros(2, 3, 32, 32)
    targets, seen = [drafted, flat(0)], (set(), set())
    for _ in range(60):
        columns = drawer.one_turn(targets, grey, drawer.wanted(targets, grey), vectors)
        for k, told in enumerate(seen):
            told.add(tuple(round(float(column[k].mean()), 3) for column in columns))
    assert seen == ({(0, -1, 0.5), (-1, 0.2, 2.5), (0.2, 1, 4.5)}, {(0, -1, 6.5), (-1, -1, 8.5), (-1, -1, 10.5)})
