"""Masks as outlines: to the letter where they are simple, close where they are not, and never an exception for broken text."""

import numpy as np
import pytest

from superlens.data.world.scene import draw_scene
from superlens.links.codes.polygons import outlines
from superlens.message import Masks
from superlens.parts import CODES, construct
from superlens.vision.canvas import CanvasRule


def make_code(name, **options):
    return construct("codes", {"type": name, **options})


OUTLINES = [name for name in CODES if make_code(name).part == "masks"]
CANVAS = CanvasRule().canvas(100, 200)


def block(*boxes):
    masks = np.zeros((len(boxes), 100, 200), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes):
        mask[y1:y2, x1:x2] = True
    return masks


def read(code, text, canvas=CANVAS):
    return [spelled for match in code.pattern.finditer(text) for spelled in code.read(match, canvas, 0)]


def overlap(one, two):
    return (one & two).sum() / (one | two).sum()


def test_a_rectangle_is_its_four_corners():
    assert outlines(block((20, 10, 51, 31))[0], 24)[0].tolist() == [[20.5, 10.5], [50.5, 10.5], [50.5, 30.5], [20.5, 30.5]]
    spelled = make_code("polyformer").spell(Masks("a dog", block((20, 10, 51, 31))), CANVAS)
    assert spelled == "<poly> a dog<x26><x27><x64><x78><x26><x27><x64><x27><x64><x78><x26><x78></poly>"
    spelled = make_code("pix2seq-v2-masks").spell(Masks("a dog", block((20, 10, 51, 31))), CANVAS)
    assert spelled == "<mask> a dog<bin_105><bin_102><bin_105><bin_252><bin_305><bin_252><bin_305><bin_102></mask>"
    spelled = make_code("visionllm-v1-masks").spell(Masks("a dog", block((20, 10, 51, 31))), CANVAS)
    assert spelled == "<m> a dog<p-407><p-404><p-253><p-404><p-253><p-200><p-407><p-200></m>"


@pytest.mark.parametrize("name", OUTLINES)
def test_shapes_of_the_world_come_back(name):
    code, overlaps = make_code(name), []
    for seed in range(12):
        scene = draw_scene(np.random.default_rng(seed), 192)
        canvas = CanvasRule(longest=192).canvas(192, 192)
        masks = np.stack([scene.mask(index) for index in range(len(scene.things)) if scene.things[index].clear][:4])
        # Rings have a hole, which outlines lose; what covers a thing cuts it, which they keep.
        masks = masks[[index for index, mask in enumerate(masks) if mask.sum() > 60]]
        (found,) = read(code, code.spell(Masks("things", masks), canvas), canvas)
        assert found.part.label == "things" and not found.notes and found.part.count == len(masks) == len(found.spans)
        overlaps += [overlap(one, two) for one, two in zip(found.part.masks, masks)]
    assert np.median(overlaps) > 0.88 and len(overlaps) > 25


@pytest.mark.parametrize("name", OUTLINES)
def test_corners_come_back_to_half_a_bin(name):
    code, rng = make_code(name), np.random.default_rng(0)
    half_2 = np.array([200, 100]) / (code.bins - 1) / 2 + 1e-6
    for _ in range(2000):
        corners_P2 = rng.uniform(0, 1, (int(rng.integers(3, 25)), 2)) * [200, 100]
        found_P2 = code.corners_of(code.spelled_piece(corners_P2, CANVAS), CANVAS)
        assert found_P2.shape == corners_P2.shape and (np.abs(found_P2 - corners_P2) <= half_2).all()


@pytest.mark.parametrize("name", OUTLINES)
def test_pieces_masks_and_nothing(name):
    code = make_code(name)
    two = block((10, 10, 40, 40), (100, 50, 150, 90))
    both = Masks("a", np.concatenate([two.any(0)[None], block((60, 5, 90, 25))]))
    (found,) = read(code, code.spell(both, CANVAS))
    assert found.part.count == 2 and all(overlap(one, other) > 0.9 for one, other in zip(found.part.masks, both.masks))
    (found,) = read(code, code.spell(Masks("cats", np.zeros((0, 100, 200), bool)), CANVAS))
    assert found.part.count == 0 and found.part.label == "cats" and not found.notes
    (found,) = read(code, code.spell(Masks("", block((7, 7, 8, 8))), CANVAS))
    assert found.part.count == 1 and found.part.label == "" and found.part.masks.sum() == 1
    (found,) = read(code, code.spell(Masks("", block((7, 7, 48, 8))), CANVAS))
    assert overlap(found.part.masks[0], block((7, 7, 48, 8))[0]) > 0.9
    y, x = np.mgrid[:100, :200]
    ring = (np.hypot(x - 50, y - 50) < 30) & (np.hypot(x - 50, y - 50) > 24) | block((150, 10, 159, 20))[0]
    (found,) = read(code, code.spell(Masks("rings", ring[None]), CANVAS))
    assert overlap(found.part.masks[0], (np.hypot(x - 50, y - 50) < 30) | block((150, 10, 159, 20))[0]) > 0.85  # holes are lost
    island = ring | (np.hypot(x - 50, y - 50) < 15)
    assert code.spell(Masks("rings", island[None]), CANVAS).count(code.next_piece) == 0  # as what lies in them


@pytest.mark.parametrize("name", OUTLINES)
def test_any_text_at_all(name):
    code, rng = make_code(name), np.random.default_rng(0)
    text = code.spell(Masks("a dog", block((10, 10, 40, 40), (100, 50, 150, 90))), CANVAS)
    cuts = [text[a:b] for a, b in rng.integers(0, len(text), (40, 2)) if a < b]
    pieces = [*cuts, *code.tokens[:8], " dog", code.bin_name.format(99999999), "\ufffd"]
    for _ in range(200):
        for found in read(code, "".join(rng.choice(pieces, rng.integers(0, 10)))):
            assert found.part.count == len(found.spans) and found.part.masks.shape[1:] == (100, 200)


def test_unfinished_outlines_are_noted():
    code = make_code("polyformer")
    (found,) = read(code, "<poly> a<x1><x2><x100><x90><x1><x2><x100><x2><x50><x90><sep><x3><x3><x5")
    assert found.part.count == 1 and len(found.notes) == 2


def test_senseless_options_are_refused():
    with pytest.raises(ValueError, match="at least 2 bins and 3 corners"):
        make_code("polyformer", corners=2)
