"""Where a picture stands on its canvas, and the way back; how many visual tokens a canvas gets."""

import numpy as np
import pytest
import torch

from superlens.vision.canvas import Canvas, CanvasRule, TokenGrid
from superlens.vision.projector import LinearProjector, MergeProjector, MLPProjector

RULES = {
    "usual": CanvasRule(),
    "small": CanvasRule(longest=128, shortest=64, multiple=32),
    "square": CanvasRule(longest=64, square=True),
    "patches of 14": CanvasRule(longest=224, shortest=56, multiple=28),
}
SIZES = [(1, 1), (1, 400), (50, 20_000), (20_000, 50), (64, 64), (65, 63), (384, 384), (385, 384), (480, 640), (37, 512), (700, 3)]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("height, width", SIZES)
def test_geometry_goes_both_ways(rule, height, width):
    canvas = rule.canvas(height, width)
    assert canvas.original == (height, width)
    assert all(1 <= scaled <= side for scaled, side in zip(canvas.scaled, canvas.size))
    if rule.square:
        assert canvas.size == (rule.longest, rule.longest) and max(canvas.scaled) == rule.longest
    else:
        assert all(side % rule.multiple == 0 for side in canvas.size)
        assert all(side - scaled < rule.multiple for scaled, side in zip(canvas.scaled, canvas.size))
        assert max(canvas.scaled) == min(max(height, width, rule.shortest), rule.longest)
    rng = np.random.default_rng(height * 7 + width)
    boxes_N4 = np.sort(rng.uniform(0, 1, (50, 2, 2)), 1).reshape(-1, 4) * np.array([width, height, width, height])
    placed_N4 = canvas.boxes_to_canvas(boxes_N4)
    assert (placed_N4 >= 0).all()
    assert (placed_N4[:, [0, 2]] <= canvas.scaled[1] + 1e-3).all() and (placed_N4[:, [1, 3]] <= canvas.scaled[0] + 1e-3).all()
    back_N4 = canvas.boxes_to_original(placed_N4)
    assert np.abs(back_N4 - boxes_N4).max() <= 1e-5 * max(height, width)


def test_boxes_outside_are_clipped_to_the_picture():
    canvas = CanvasRule(longest=128, shortest=64, multiple=32).canvas(100, 200)
    assert canvas == Canvas((100, 200), (64, 128), (64, 128))
    assert canvas.boxes_to_original([[-5, -5, 500, 500]]).tolist() == [[0, 0, 200, 100]]


@pytest.mark.parametrize("height, width", [(1, 1), (50, 20_000), (30, 90), (200, 100), (128, 128)])
def test_pictures_are_placed_in_the_upper_left_corner(height, width):
    rule = CanvasRule(longest=128, shortest=64, multiple=32)
    pixels_HWC = np.full((height, width, 3), 200, np.uint8)
    placed_HWC, canvas = rule.place(pixels_HWC)
    assert placed_HWC.shape == (*canvas.size, 3) and placed_HWC.dtype == np.uint8 and placed_HWC.flags.c_contiguous
    rows, columns = canvas.scaled
    assert (placed_HWC[:rows, :columns] == 200).all()
    assert (placed_HWC[rows:] == 128).all() and (placed_HWC[:, columns:] == 128).all()


def test_a_picture_that_fits_keeps_its_pixels():
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    placed_HWC, canvas = CanvasRule().place(pixels_HWC)
    assert canvas.size == canvas.scaled == canvas.original and np.array_equal(placed_HWC, pixels_HWC)


def test_masks_are_placed_as_their_pictures_are():
    rule = CanvasRule(longest=128, shortest=64, multiple=32)
    masks_NHW = np.zeros((2, 200, 300), bool)
    masks_NHW[0, 50:100, 150:300] = True
    masks_NHW[1, ::2] = True
    canvas = rule.canvas(200, 300)
    placed_NHW = rule.place_masks(masks_NHW, canvas)
    assert placed_NHW.shape == (2, *canvas.size) and placed_NHW.dtype == bool
    rows, columns = np.nonzero(placed_NHW[0])
    scale_x, scale_y = canvas.scale_xy
    edges = [columns.min() / scale_x, rows.min() / scale_y, (columns.max() + 1) / scale_x, (rows.max() + 1) / scale_y]
    assert np.abs(np.array(edges) - [150, 50, 300, 100]).max() <= 1 / canvas.scale_xy.min()
    assert not placed_NHW[:, canvas.scaled[0] :].any() and not placed_NHW[:, :, canvas.scaled[1] :].any()
    assert rule.place_masks(masks_NHW[:0], canvas).shape == (0, *canvas.size)
    tiny = rule.canvas(1, 1)
    assert rule.place_masks(np.ones((1, 1, 1), bool), tiny)[0, : tiny.scaled[0], : tiny.scaled[1]].all()


def projectors():
    common = {"in_channels": 4, "width": 8, "scale": 0.02}
    for stride in (4, 8, 14, 16):
        for most in (1, 7, 64, 4096):
            yield stride, LinearProjector(**common, stride=stride, max_tokens=most)
            yield stride, MLPProjector(**common, stride=stride, max_tokens=most, depth=2)
            yield stride, MergeProjector(**common, stride=stride, max_tokens=most, merge=2)
            yield stride, MergeProjector(**common, stride=stride, max_tokens=most, merge=3)


def test_token_counts_are_what_projectors_return():
    seen = 0
    for stride, projector in projectors():
        for rows, columns in [(1, 1), (1, 25), (2, 3), (5, 5), (12, 7), (24, 24)]:
            size = (rows * stride, columns * stride)
            tokens_BTD = projector(torch.randn(1, 4, rows, columns), size)
            assert tokens_BTD.shape == (1, projector.grid.count(size), 8)
            assert tokens_BTD.shape[1] <= max(projector.grid.max_tokens, 1)
            seen += 1
    assert seen == 4 * 4 * 4 * 6


def test_pooling_is_no_coarser_than_needed():
    grid = TokenGrid(stride=8, merge=2, max_tokens=64)
    assert grid.pool_and_shape((128, 128)) == (1, (8, 8))
    assert grid.pool_and_shape((256, 256)) == (2, (8, 8))
    assert grid.pool_and_shape((384, 128)) == (2, (12, 4))
    assert grid.pool_and_shape((8, 8)) == (1, (1, 1))


def test_tokens_know_where_they_lie():
    projector = LinearProjector(in_channels=4, width=8, stride=8, scale=0.02)
    tokens_1TD = projector(torch.ones(1, 4, 3, 3), (24, 24))
    assert len({tuple(token.tolist()) for token in tokens_1TD[0]}) == 9
