"""The pixel segmenter: things that touch are told apart, a region stays one, absent phrases stay silent, original pixels are right."""

import numpy as np
import pytest
import scenes
import torch

from superlens.decoders.pixel_segmenter import PixelSegmenter, pieces, split, to_original, whole, wholes
from superlens.message import Masks
from superlens.processor import on_canvas
from superlens.vision.canvas import Canvas, CanvasRule

SQUARE = Canvas((64, 64), (64, 64), (64, 64))


def segmenter():
    torch.manual_seed(0)
    return PixelSegmenter(in_channels=scenes.CHANNELS, channels=32, depth=2, width=8)


def overlap(a_HW, b_HW):
    return (a_HW & b_HW).sum() / (a_HW | b_HW).sum()


def block(height, width, top, left, bottom, right):
    mask_HW = np.zeros((height, width), bool)
    mask_HW[top:bottom, left:right] = True
    return mask_HW


def maps(things, h=16, w=16):
    """Perfect maps of (top, left, bottom, right) blocks: mask logits, centre logits, votes."""
    mask_hw, centre_hw = torch.full((h, w), -9.0), torch.full((h, w), -9.0)
    votes_2hw = torch.zeros(2, h, w)
    for top, left, bottom, right in things:
        y, x = (top + bottom) / 2, (left + right) / 2
        mask_hw[top:bottom, left:right] = 9.0
        centre_hw[int(y), int(x)] = 9.0
        votes_2hw[0, top:bottom, left:right] = x - (torch.arange(left, right) + 0.5)
        votes_2hw[1, top:bottom, left:right] = (y - (torch.arange(top, bottom) + 0.5))[:, None]
    return mask_hw, centre_hw, votes_2hw


def test_two_touching_things_are_split():
    things = [(2, 2, 8, 8), (2, 8, 8, 14)]
    logits, scores = split(*maps(things))
    assert len(logits) == 2 and min(scores) > 0.9
    found = {
        tuple((mask_hw > 0).nonzero().min(0).values.tolist() + ((mask_hw > 0).nonzero().max(0).values + 1).tolist())
        for mask_hw in logits
    }
    assert found == set(things)


def test_a_region_without_middles_stays_one():
    mask_hw, centre_hw, votes_2hw = maps([(0, 0, 6, 16), (9, 3, 16, 9)])
    centre_hw.fill_(-9.0)
    logits, _ = split(mask_hw, centre_hw, votes_2hw)
    assert len(logits) == 1 and torch.equal(logits[0] > 0, mask_hw > 0)
    assert split(torch.full((8, 8), -1.0), centre_hw[:8, :8], votes_2hw[:, :8, :8]) == ([], [])


@pytest.mark.parametrize("height, width", [(64, 64), (200, 300), (300, 90), (7, 9)])
def test_cells_go_back_to_original_pixels(height, width):
    rule = CanvasRule(longest=128, shortest=64, multiple=32)
    canvas = rule.canvas(height, width)
    truth_HW = block(height, width, height // 4, width // 3, height - height // 4, width - 1)
    placed_HW = torch.from_numpy(rule.place_masks(truth_HW[None], canvas)[0]).float()
    logits_hw = torch.nn.functional.adaptive_avg_pool2d(placed_HW[None, None], (canvas.size[0] // 4, canvas.size[1] // 4))[0, 0] - 0.5
    back_HW = to_original(logits_hw, canvas)
    assert back_HW.shape == (height, width) and back_HW.dtype == bool
    assert overlap(back_HW, truth_HW) > (0.93 if min(height, width) > 10 else 0.7)


def test_very_long_pictures_come_back_whole():
    canvas = CanvasRule(longest=128, shortest=64, multiple=32).canvas(50, 20_000)
    mask_HW = to_original(torch.ones(canvas.size[0] // 4, canvas.size[1] // 4), canvas)
    assert mask_HW.shape == (50, 20_000) and mask_HW.all()


def test_ignored_pixels_cost_nothing():
    decoder = segmenter()
    seen, asked = scenes.scene(SQUARE), scenes.requests(["a"], 8)
    masks_NHW = np.stack([block(64, 64, 0, 0, 16, 16), block(64, 64, 32, 32, 64, 64)])
    target = Masks("a", masks_NHW, ignore=[False, True])
    assert decoder.counts([target]) == {"pixel": 1.0, "centre": 2.0, "vote": 1.0, "dice": 1.0, "place": 1.0, "single": 1.0}
    raw = decoder(seen, asked)
    before = {name: float(total.detach()) for name, (total, _) in decoder.loss(raw, [target]).items()}
    raw.masks_Khw[0, 8:, 8:] += 7
    raw.centres_Khw[0, 8:, 8:] += 7
    after = {name: float(total.detach()) for name, (total, _) in decoder.loss(raw, [target]).items()}
    assert after == pytest.approx(before, rel=1e-4)
    wanted = decoder.targets(raw, [target])
    assert wanted.masks_Khw.sum() == 16 and not wanted.care_Khw[0, 8:, 8:].any()


def test_votes_point_to_the_middle_and_weigh_one_a_thing():
    decoder = segmenter()
    raw = decoder(scenes.scene(SQUARE), scenes.requests(["a"], 8))
    wanted = decoder.targets(raw, [Masks("a", np.stack([block(64, 64, 8, 8, 24, 40)]))])
    cells_P2 = wanted.index_P3[:, 1:].flip(1) + 0.5 + wanted.votes_P2
    assert torch.allclose(cells_P2, torch.tensor([6.0, 4.0]).expand_as(cells_P2), atol=1e-4)
    assert float(wanted.weight_P.sum()) == pytest.approx(1)
    assert wanted.centres_Khw[0, 4, 6] == 1.0


def test_one_scene_by_heart_in_original_pixels():
    """Two touching things, one region, one absent phrase, on a picture that is enlarged and padded."""
    rule = CanvasRule(longest=128, shortest=128, multiple=32)
    canvas = rule.canvas(40, 64)
    assert canvas.scaled == (80, 128) and canvas.size == (96, 128)
    touching = np.stack([block(40, 64, 4, 4, 20, 20), block(40, 64, 4, 20, 20, 36)])
    road = block(40, 64, 28, 0, 40, 64)[None]
    wanted = {"cell": touching, "road": road, "absent": np.zeros((0, 40, 64), bool)}
    targets = [on_canvas(Masks(label, masks_NHW), canvas, rule) for label, masks_NHW in wanted.items()]
    decoder, seen = segmenter(), scenes.scene(canvas)
    asked = scenes.requests(list(wanted), decoder.width)
    first, last = scenes.overfit(decoder, seen, asked, targets, steps=150)
    assert last["dice"] < 0.1 * first["dice"] and last["vote"] < 0.3 * first["vote"]
    for part, (label, masks_NHW) in zip(decoder.parts(decoder(seen, asked), seen, asked), wanted.items()):
        shown = part.masks[part.scores >= 0.3] if part.count else part.masks
        assert part.label == label and len(shown) == len(masks_NHW), (label, part.scores)
        for mask_HW in masks_NHW:
            assert max(overlap(mask_HW, found_HW) for found_HW in shown) > 0.85
        if len(shown):
            assert overlap(shown.any(0), masks_NHW.any(0)) > 0.9


def test_a_thing_is_whole_though_only_part_of_it_is_looked_at():
    """Two things alike, side by side, of which the request looks at the left edge of one."""
    looks_hw, _, votes_2hw = maps([(2, 2, 8, 8), (2, 8, 8, 14)])
    looks_hw[3, 3] = 3.0  # less alike, but not by much
    mask_hw = looks_hw - 12
    mask_hw[2:8, 2:4] = 2.0
    found_hw = whole(mask_hw, looks_hw - 6, votes_2hw, alike=7.0) > 0
    assert torch.equal(found_hw, torch.from_numpy(block(16, 16, 2, 2, 8, 8)))
    unlike_hw = looks_hw.clone()
    unlike_hw[:, 6:] = -9.0
    assert torch.equal(whole(mask_hw, unlike_hw, votes_2hw) > 0, torch.from_numpy(block(16, 16, 2, 2, 8, 6)))
    pieces = [mask_hw, torch.full((16, 16), -1.0)]
    pieces[1][7, 7] = 2.0
    first_hw, second_hw = (grown_hw > 0 for grown_hw in wholes(pieces, looks_hw, votes_2hw))
    assert first_hw.sum() == 35 and second_hw.sum() == 1 and not (first_hw & second_hw).any()
    nothing_hw = torch.full((16, 16), -1.0)
    assert torch.equal(whole(nothing_hw, looks_hw, votes_2hw), nothing_hw)


def test_a_mask_of_several_pieces_is_no_single_thing():
    """All pedestrians may be one mask; what touches at a corner is one piece."""
    two, bent = (torch.zeros(8, 8) for _ in range(2))
    two[1:3, 1:3] = two[5:7, 5:7] = 1.0
    bent[1:3, 1:3] = bent[3:5, 3:5] = 1.0
    targets = [Masks("a", np.ones((count, 8, 8), bool)) for count in (1, 1, 3, 0)]
    assert pieces(targets, torch.stack([two, bent, two, 0 * two])) == [2, 1, 3, 0]
    decoder, seen = segmenter(), scenes.scene(SQUARE)
    raw = decoder(seen, scenes.requests(["people"], decoder.width))
    with torch.no_grad():
        raw.single_K.fill_(-4.0)
    apart = np.zeros((1, 64, 64), bool)
    apart[0, 8:16, 8:16] = apart[0, 40:48, 40:48] = True
    assert float(decoder.loss(raw, [Masks("people", apart)])["single"][0].detach()) < 0.01


def test_a_request_for_one_thing_is_answered_with_one():
    """The same touching things, asked for as two and as one."""
    decoder, seen = segmenter(), scenes.scene(SQUARE)
    touching = np.stack([block(64, 64, 4, 4, 24, 24), block(64, 64, 4, 24, 24, 44)])
    asked = scenes.requests(["things"], decoder.width)
    scenes.overfit(decoder, seen, asked, [Masks("things", touching)], steps=150)
    (two,) = decoder.parts(decoder(seen, asked), seen, asked)
    with torch.no_grad():
        decoder.single.chance.weight.zero_()
        decoder.single.chance.bias.fill_(5.0)
        (one,) = decoder.parts(decoder(seen, asked), seen, asked)
    assert (two.scores >= 0.3).sum() == 2 and (one.scores >= 0.3).sum() == 1
    assert one.scores.max() == two.scores.max()


def test_dummy_reaches_every_parameter():
    decoder = segmenter()
    decoder.dummy(scenes.scene(SQUARE)).backward()
    assert all(p.grad is not None and not p.grad.any() for p in decoder.parameters())
