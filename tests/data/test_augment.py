import time

import numpy as np
import pytest

from superlens.data.augment import Augment, View, see_boxes, see_masks
from superlens.message import Boxes, Conversation, Image, Masks, Message, Region, Text


def talk(part, question="Find dogs.", width=64, height=48, extra=()):
    pixels = np.zeros((height, width, 3), np.uint8)
    asked = Message("user", (Image(pixels), Text(question), *extra))
    return Conversation((asked, Message("assistant", (part, Text(".")))))


@pytest.mark.parametrize("flips", [(x, y, t) for x in (0, 1) for y in (0, 1) for t in (0, 1)])
def test_pixels_masks_and_boxes_move_together(flips):
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 30:60] = 255
    mask = pixels[..., 0] > 0
    view = View(10, 10, 60, 40, 120, 80, *map(bool, flips))
    seen = view.pixels(pixels)
    assert seen.shape[:2][::-1] == view.size == ((80, 120) if flips[2] else (120, 80))
    (x1, y1, x2, y2), share = (value[0] for value in view.boxes(np.array([[30, 20, 60, 40]])))
    inside = np.zeros(seen.shape[:2], bool)
    inside[int(y1) : int(y2), int(x1) : int(x2)] = True
    assert share == pytest.approx(1) and (view.labels(mask) == inside).all()
    assert (seen[inside] > 100).mean() > 0.99 and (seen[~inside] < 130).mean() > 0.99


def test_cut_boxes_are_ignored_or_dropped():
    view = View(50, 0, 50, 50, 50, 50)
    boxes = np.array([[10, 0, 60, 10], [30, 0, 70, 10], [42, 0, 62, 10], [50, 0, 60, 10], [0, 0, 40, 10]], float)
    part = see_boxes(view, "x", boxes)  # 20 %, 50 %, 60 %, 100 %, 0 % stay in
    assert part.xyxy.tolist() == [[0, 0, 20, 10], [0, 0, 12, 10], [0, 0, 10, 10]]
    assert part.ignore.tolist() == [True, False, False]


def test_cut_masks_are_ignored_but_stuff_is_not():
    masks = np.zeros((3, 50, 100), bool)
    masks[0, :10, 40:60] = masks[1, :10, 45:65] = masks[2, :10, :50] = True
    view = View(50, 0, 50, 50, 25, 25)
    part = see_masks(view, "x", masks)
    assert part.masks.shape == (2, 25, 25) and part.ignore.tolist() == [True, False]
    assert see_masks(view, "x", masks, whole=False).ignore is None


def test_views_respect_their_limits():
    augment = Augment(side=100, long_side=384)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        width, height = (int(value) for value in rng.integers(1, 900, 2))
        view = augment.view(width, height, rng)
        assert min(view.size) >= 1 and max(view.size) <= 100
        assert 0 <= view.left <= width - view.width and 0 <= view.top <= height - view.height
        assert view.out_width / view.width <= 1.5 + 1 / view.width
    assert Augment().view(20000, 50, np.random.default_rng(0)).size[1] == 1


def test_conversations_about_boxes_and_masks_are_changed():
    boxes = Boxes("dogs", np.array([[10, 10, 30, 30]], np.float32))
    masks = Masks("dogs", np.ones((1, 48, 64), bool))
    for part in (boxes, masks):
        seen = Augment(side=16, long_side=64)(talk(part), np.random.default_rng(0))
        assert max(seen.images[0].size) <= 16 and seen.messages[0].text == "Find dogs."


def test_other_conversations_come_back_unchanged():
    boxes = Boxes("dogs", np.array([[10, 10, 30, 30]], np.float32))
    kept = [talk(Text("Two")), talk(boxes, extra=[Image(np.zeros((8, 8, 3), np.uint8))]),
            talk(boxes, extra=[Region.point(3, 3)])]
    for conversation in kept:
        assert Augment()(conversation, np.random.default_rng(0)) is conversation


def test_words_of_place_forbid_mirrors():
    boxes = Boxes("left dog", np.array([[0, 0, 32, 48]], np.float32))
    for seed in range(20):
        augment = Augment(long_side=64, side=200, scale=(1, 1), vertical=True, turn=True)
        seen = augment(talk(boxes, "Where is the left dog?"), np.random.default_rng(seed))
        assert seen.messages[1].boxes[0].xyxy.tolist() == [[0, 0, 32, 48]]


def test_nothing_changes_without_colour_scale_and_flip():
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    view = Augment(side=64, long_side=64, scale=(1, 1), flip=False, colour=0).view(64, 48, np.random.default_rng(0))
    assert (view.pixels(pixels) == pixels).all()
    assert view.pixels(pixels[..., 0]).shape == (48, 64)


@pytest.mark.parametrize("options", [{"side": 0}, {"scale": (2, 1)}, {"scale": (0, 1)}, {"colour": 2}])
def test_odd_options_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        Augment(**options)


def test_it_is_fast():
    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    masks, augment, rng = np.zeros((5, 480, 640), bool), Augment(), np.random.default_rng(0)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        view = augment.view(640, 480, rng)
        view.pixels(pixels)
        view.labels(masks)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.015
