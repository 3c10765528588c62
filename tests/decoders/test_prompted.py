"""Prompted mask decoders: losses as LISA has them, PixelLM's weights that train, one scene learned by heart."""

import numpy as np
import pytest
import scenes
import torch
from torch.nn import functional as F

from superlens.decoders.base import Requests
from superlens.decoders.prompted import MultiScaleSegmenter, PromptedMasks, SamSegmenter
from superlens.message import Masks
from superlens.vision.canvas import Canvas

SQUARE = Canvas((64, 64), (64, 64), (64, 64))


def sam(**options):
    torch.manual_seed(0)
    return SamSegmenter(scenes.CHANNELS, width=16, heads=2, depth=1, feedforward=32, **options)


def multi(**options):
    torch.manual_seed(0)
    return MultiScaleSegmenter(scenes.CHANNELS, width=16, heads=2, depth=1, feedforward=32, **options)


def square_mask(left, top, side=24):
    mask_HW = np.zeros((64, 64), bool)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


def wide(asked, count):
    """Requests of `count` vectors each."""
    return Requests(asked.vectors_KnC.repeat(1, count, 1), asked.picture_K, asked.labels, asked.images)


def test_losses_are_those_of_lisa():
    """2 x cross-entropy, mean over pixels; 0.5 x dice with sums over 1000 and eps 1e-6; both over the number of masks."""
    logits_Khw = torch.randn(2, 16, 16)
    masks = [Masks("a", np.stack([square_mask(0, 0), square_mask(32, 32)])), Masks("b", np.zeros((0, 64, 64), bool))]
    losses = sam().loss(PromptedMasks(logits_Khw, [], torch.tensor([0, 0])), masks)
    union = F.adaptive_avg_pool2d(torch.as_tensor(masks[0].masks.any(0)).float()[None], (16, 16))[0]
    wanted = torch.stack([union, torch.zeros(16, 16)])
    assert losses["pixel"][1] == losses["dice"][1] == 2
    entropy_K = F.binary_cross_entropy_with_logits(logits_Khw, wanted, reduction="none").mean((1, 2))
    assert torch.isclose(losses["pixel"][0], 2 * entropy_K.sum())
    chance = logits_Khw.sigmoid().flatten(1)
    top = 2 * (chance / 1000 * wanted.flatten(1)).sum(1)
    bottom = (chance / 1000).sum(1) + (wanted.flatten(1) / 1000).sum(1)
    assert torch.isclose(losses["dice"][0], 0.5 * (1 - (top + 1e-6) / (bottom + 1e-6)).sum())


def test_ignored_things_cost_nothing():
    crowd = Masks("a", np.stack([square_mask(0, 0), square_mask(32, 32)]), ignore=[False, True])
    logits = torch.zeros(1, 16, 16, requires_grad=True)
    losses = sam().loss(PromptedMasks(logits, [], torch.tensor([0])), [crowd])
    sum(total for total, _ in losses.values()).backward()
    assert not logits.grad[0, 9:13, 9:13].any() and logits.grad[0, 0, 0].abs() > 0


@pytest.mark.parametrize("make, vectors, levels", [(sam, 1, {"level": 1}), (multi, 6, {"levels": (2, 1)})])
def test_one_scene_is_learned_by_heart(make, vectors, levels):
    decoder = make(**levels)
    seen = scenes.scene(SQUARE)
    asked = wide(scenes.requests(["a", "b"], 16), vectors)
    targets = [Masks("a", square_mask(0, 0)[None]), Masks("b", square_mask(36, 32)[None])]
    scenes.overfit(decoder, seen, asked, targets, 200, lr=4e-3)
    answers = decoder.eval().parts(decoder(seen, asked), seen, asked)
    for answer, target in zip(answers, targets):
        assert answer.count == 1 and answer.scores[0] > 0.5
        assert (answer.masks[0] & target.masks[0]).sum() / (answer.masks[0] | target.masks[0]).sum() > 0.7


def test_nothing_found_is_an_empty_part():
    decoder = sam()
    seen, asked = scenes.scene(SQUARE), scenes.requests(["a"], 16)
    raw = PromptedMasks(torch.full((1, 16, 16), -3.0), [], torch.tensor([0]))
    (answer,) = decoder.parts(raw, seen, asked)
    assert answer.count == 0 and answer.masks.shape == (0, 64, 64)


@pytest.mark.parametrize("make, vectors", [(sam, 1), (multi, 6)])
def test_masks_begin_empty(make, vectors):
    decoder = make()
    raw = decoder(scenes.scene(SQUARE), wide(scenes.requests(["a"], 16), vectors))
    assert -4 < float(raw.masks_Khw.mean()) < -1.5
    with torch.device("meta"):  # as models are built before their weights are loaded
        assert make().width == 16


@pytest.mark.parametrize("make, vectors", [(sam, 1), (multi, 6)])
def test_a_stand_in_reaches_every_parameter(make, vectors):
    decoder = make()
    decoder.dummy(scenes.scene(SQUARE)).backward()
    assert all(p.grad is not None and not p.grad.any() for p in decoder.parameters())


def test_pixellm_fuses_tokens_and_scales_with_weights_that_train():
    decoder = multi()
    assert decoder.fuse.shape == (2, 3) and torch.allclose(decoder.fuse, torch.tensor(1 / 3))
    assert torch.allclose(decoder.share, torch.tensor(0.5))
    assert {"fuse", "share"} <= {name for name, _ in decoder.named_parameters()}
    seen, asked = scenes.scene(SQUARE), wide(scenes.requests(["a"], 16), 6)
    raw = decoder(seen, asked)
    sum(total for total, _ in decoder.loss(raw, [Masks("a", square_mask(0, 0)[None])]).values()).backward()
    assert decoder.fuse.grad.abs().sum() > 0 and decoder.share.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="wants 6 vectors a request"):
        decoder(seen, wide(scenes.requests(["a"], 16), 4))


def test_pixels_that_several_masks_claim_count_more():
    decoder = multi(overlap=3.0)
    raw = PromptedMasks(torch.full((3, 4, 4), -1.0), [], torch.tensor([0, 0, 1]))
    raw.masks_Khw[:2, 0] = 1.0
    raw.masks_Khw[2, 0] = 1.0
    shares = decoder.pixel_shares(raw)
    assert (shares[:2, 0] == 3).all() and (shares[:2, 1:] == 1).all() and (shares[2] == 1).all()
