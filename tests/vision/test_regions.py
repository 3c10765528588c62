"""Regions: every kind becomes the right canvas pixels, and a token that tells what lies inside from what lies beside."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.message import Boxes, Conversation, Image, Masks, Message, Region, Text
from superlens.processor import MOST_AGAIN, REGION, objects_of
from superlens.vision.canvas import CanvasRule
from superlens.vision.regions import RegionEncoder, inside, rasterise
from superlens.vision.scene import Scene

RULE = CanvasRule(longest=128, shortest=64, multiple=32)
POINTING = {"regions": {"type": "region_encoder", "channels": 8}}


def _mask(region, size=(100, 100)):
    canvas = RULE.canvas(*size)
    return rasterise(region, canvas, RULE), canvas


def test_each_kind_covers_its_pixels():
    box, _ = _mask(Region.box(10, 20, 30, 50))
    assert box.shape == (128, 128) and box[20:50, 10:30].all() and box.sum() == 20 * 30
    circle, _ = _mask(Region.circle(50, 40, 10))
    rows, columns = np.nonzero(circle)
    assert abs(circle.sum() - np.pi * 100) < 40 and abs(rows.mean() - 40) < 1 and abs(columns.mean() - 50) < 1
    point, _ = _mask(Region.point(70.5, 30.5))
    assert point[30, 70] and 4 <= point.sum() <= 20
    scribble, _ = _mask(Region.scribble([[10, 10], [60, 10], [60, 80]]))
    assert scribble[10, 10:60].all() and scribble[10:80, 60].all() and scribble.sum() < 600
    drawn = np.zeros((100, 100), bool)
    drawn[5:9, 7:20] = True
    mask, _ = _mask(Region.from_mask(drawn))
    assert (mask[:100, :100] == drawn).all()


def test_shrunk_pictures_keep_the_place_and_nothing_leaves_the_picture():
    mask, canvas = _mask(Region.box(400, 100, 500, 200), (256, 512))
    assert canvas.scaled == (64, 128)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 49, 100, 124)
    edge, canvas = _mask(Region.circle(99, 99, 30))
    assert not edge[canvas.scaled[0] :].any() and not edge[:, canvas.scaled[1] :].any()


def test_what_is_smaller_than_a_pixel_is_still_seen():
    speck = np.zeros((2000, 1500), bool)
    speck[1999, 1499] = True
    for region in (Region.from_mask(speck), Region.box(3, 3, 3.2, 3.1), Region.point(0, 0), Region.point(1500, 2000)):
        assert rasterise(region, RULE.canvas(2000, 1500), RULE).any(), region.kind


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="no pixels"):
        _mask(Region.from_mask(np.zeros((100, 100), bool)))


def test_means_are_taken_inside():
    map_1Chw = torch.arange(16.0).view(1, 1, 4, 4)
    mask_11HW = torch.zeros(1, 1, 8, 8)
    mask_11HW[..., :2, :2] = 1
    mask_11HW[..., :2, 2:3] = 1
    assert inside(map_1Chw, mask_11HW).item() == pytest.approx((0 * 1.0 + 1 * 0.5) / 1.5)


def test_the_token_depends_on_picture_place_and_sign_and_not_on_its_neighbours():
    encoder = RegionEncoder(level_channels=6, width=12, scale=0.02, channels=8).eval()
    levels = [torch.randn(2, 6, side, side) for side in (16, 8, 4, 2)]
    scene = Scene(levels, levels[1], [RULE.canvas(64, 64)] * 2)
    pixels = torch.randn(2, 3, 64, 64)
    masks = torch.zeros(4, 64, 64, dtype=torch.bool)
    masks[:2, 8:24, 8:24] = masks[3, 8:24, 8:24] = True
    masks[2, 32:60, 40:60] = True
    pictures, positive = torch.tensor([0, 1, 0, 0]), torch.tensor([True, True, True, False])
    together = encoder(pixels, scene, masks, pictures, positive)
    assert together.shape == (4, 12) and together.abs().mean() < 0.2
    for one in range(1, 4):
        assert not torch.allclose(together[0], together[one], atol=1e-3)
        alone = encoder(pixels, scene, masks[one : one + 1], pictures[one : one + 1], positive[one : one + 1])
        assert torch.allclose(alone[0], together[one], atol=1e-6)
    assert encoder.dummy(pixels, scene).item() == 0
    with pytest.raises(ValueError, match="even number"):
        RegionEncoder(6, 12, 0.02, patch=7)


def _talk(*question, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    return Conversation((Message("user", (Image(pixels), *question)),))


def test_a_region_stands_where_it_is_named_and_reaches_the_answer():
    model = tiny.model(**POINTING)
    question = _talk(Text("What is "), Region.box(3, 5, 40, 50), Text("?"))
    sample = model.processor.encode(question, answer=False)
    (at, picture, mask_HW, positive), = sample.regions
    assert sample.ids_T[at] == REGION and picture == 0 and positive and mask_HW.shape == sample.canvases[0].size
    before = model.processor.tokenizer.decode([t for t in sample.ids_T[:at] if 0 <= t < model.vocabulary])
    assert before.rstrip().endswith("What is")
    other = model.processor.encode(_talk(Text("What is "), Region.box(60, 5, 90, 50), Text("?")), answer=False)
    batch = collate([sample, other])
    _, visual = model.encode(batch)
    embeds = model.embed(batch, visual)
    assert len(visual) == 4 and not torch.allclose(embeds[0, at], embeds[1, at])
    assert torch.allclose(embeds[0, at], visual[2][0])


def test_gradients_reach_the_region_encoder_and_batches_change_nothing():
    model = tiny.model(**POINTING)
    talks = tiny.conversations(6, tasks={"region_text": 1, "region_masks": 1, "like_boxes": 1, "boxes": 0.5}, turns=(1, 3))
    samples = [model.processor.encode(talk) for talk in talks]
    outputs = model(collate(samples))
    outputs["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.regions.parameters())
    tiny.talkative(model)
    questions = [Conversation(talk.messages[:1]) for talk in talks]
    alone, together = (model.ask(questions, batch_size=size, max_new_tokens=24) for size in (1, 6))
    assert [answer.text for answer in alone] == [answer.text for answer in together]


def test_found_things_enter_the_conversation_again():
    model = tiny.model(**POINTING)
    boxes = Boxes("cell", [[1, 2, 30, 40], [50, 10, 90, 60], [5, 5, 9, 9]], ignore=[False, False, True])
    masks_NHW = np.zeros((2, 96, 128), bool)
    masks_NHW[0, 10:20, 10:20] = True
    answer = Message("assistant", (boxes, Text(" and "), Masks("road", masks_NHW)))
    again = objects_of(answer)
    assert [region.kind for region in again] == ["box", "box", "mask"]
    assert np.allclose(again[1].xyxy, [50, 10, 90, 60])
    talk = Conversation((*_talk(Text("Find cells.")).messages, answer, Message("user", (Text("Segment the second one."),))))
    sample = model.processor.encode(talk, answer=False)
    assert len(sample.regions) == 3
    assert sample.regions[0][0] > max(first + count for first, count, _ in sample.visual)
    plain = tiny.model()
    assert not plain.processor.encode(talk, answer=False).regions
    many = Message("assistant", (Boxes("cell", np.tile([[1, 2, 30, 40]], (MOST_AGAIN + 5, 1))),))
    crowd = Conversation((*_talk(Text("Find cells.")).messages, many, Message("user", (Text("How many?"),))))
    assert len(model.processor.encode(crowd, answer=False).regions) == MOST_AGAIN


def test_mistakes_are_told():
    model = tiny.model(**POINTING)
    with pytest.raises(ValueError, match="region_encoder"):
        tiny.model().ask(_talk(Text("What is "), Region.point(3, 4)))
    with pytest.raises(ValueError, match="no pixels"):
        model.ask(_talk(Region.from_mask(np.zeros((96, 128), bool)), Text("What is it?")))
    with pytest.raises(ValueError, match="outside its picture"):
        model.ask(_talk(Region.point(300, 4), Text("What is it?")))
    with pytest.raises(ValueError, match="picture 3"):
        model.ask(_talk(Region.point(3, 4, image=3), Text("What is it?")))
