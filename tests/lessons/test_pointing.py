"""Tokens of regions learn the words and the places of what they mark."""

import numpy as np
import tiny
import torch

from superlens.batch import Pointed
from superlens.lessons.naming import covered
from superlens.lessons.pointing import Pointing, marked_words
from superlens.message import Boxes, Conversation, Image, Masks, Message, Region
from superlens.recipes.schema import Stage
from superlens.train import trainer
from superlens.train.rows import Collator, GlanceCollator

TASKS = {"boxes": 1, "region_masks": 2}
REGIONS = {"regions": {"type": "region_encoder", "channels": 8}}
LINKS = {
    "boxes": {"type": "query", "token": "[BOX]", "queries": 2, "words": True, "decoder": "detect"},
    "masks": {"type": "query", "token": "[SEG]", "queries": 2, "words": True, "decoder": "segment"},
}


def pointed(model, *regions) -> tuple:
    """A batch with a box of a star at 20..60, 20..60 in a box of a road, and a mask of a moon, 128 x 128 pixels."""
    moon = np.zeros((1, 128, 128), bool)
    moon[0, 90:110, 80:120] = True
    answer = (Boxes("star", [[20, 20, 60, 60]]), Boxes("road", [[10, 10, 128, 80]]), Masks("moon", moon))
    user = Message("user", (Image(np.zeros((128, 128, 3), np.uint8)), *regions))
    talk = Conversation((user, Message("assistant", answer)))
    batch = GlanceCollator({"pointing": Pointing.of(model.processor)})([model.processor.encode(talk)])["batch"]
    return batch


def words_of(model, region) -> str:
    batch = pointed(model, region)
    # Only what the user marked: an answer's own boxes re-enter a conversation when it goes on.
    return model.processor.tokenizer.decode(marked_words(batch.regions[0], batch.groups)).strip()


def test_a_region_has_the_words_of_what_lies_under_it():
    model = tiny.model(**REGIONS, links=LINKS)
    assert words_of(model, Region.box(22, 18, 64, 61)) == "star"
    assert words_of(model, Region.point(40, 40)) == "star"  # the smaller of the two that hold it
    assert words_of(model, Region.point(100, 30)) == "road"
    assert words_of(model, Region.scribble([[85, 95], [115, 105]])) == "moon"
    assert words_of(model, Region.box(15, 15, 125, 120)) == "road"
    assert words_of(model, Region.point(20, 120)) == ""


def test_long_labels_and_other_pictures_name_nothing():
    model = tiny.model(**REGIONS, links=LINKS)
    batch = pointed(model, Region.point(40, 40))
    region = batch.regions[0]
    elsewhere = Pointed(region.position, region.picture + 1, region.mask_HW, True)
    assert marked_words(elsewhere, batch.groups) == []
    for placed in batch.groups:
        placed.group.label = "the star left of the moon"
    assert marked_words(region, batch.groups) == []


def test_what_is_ignored_or_empty_names_nothing():
    model = tiny.model(**REGIONS, links=LINKS)
    batch = pointed(model, Region.point(40, 40))
    star, _, moon = (placed.group for placed in batch.groups)
    star.target = Boxes("star", star.target.xyxy, ignore=[True])
    moon.target = Masks("moon", np.zeros_like(moon.target.masks))
    assert model.processor.tokenizer.decode(marked_words(batch.regions[0], batch.groups)).strip() == "road"


def test_the_lesson_says_where_each_region_lies():
    model = tiny.model(**REGIONS, links=LINKS)
    batch = pointed(model, Region.box(22, 18, 64, 61), Region.point(100, 30))
    marked = batch.lessons["pointing"]
    assert marked.count == 2 and set(marked.names.tokens_P.tolist()) == {0, 1}
    ((size, (numbers_R, share_RT)),) = marked.looks.items()
    canvas = model.processor.canvas.canvas(128, 128)
    assert size == canvas.size and numbers_R.tolist() == [0, 1]
    for region, share_T in zip(batch.regions, share_RT.numpy()):
        wanted = covered(Masks("", region.mask_HW.numpy()[None]), canvas, model.processor.grid)
        assert np.flatnonzero(share_T).tolist() == wanted.tolist() and abs(share_T.sum() - 1) < 1e-6


def test_it_teaches_the_region_encoder_with_and_without_the_language_model():
    model = tiny.model(**REGIONS, links=LINKS)
    kept = [model.processor.encode(talk) for talk in tiny.conversations(6, tasks=TASKS, turns=(2, 3))]
    teachers = {"pointing": Pointing.of(model.processor)}
    costs = []
    for collator in (Collator(640, teachers=teachers), GlanceCollator(teachers)):
        model.zero_grad()
        batch = collator(kept)["batch"]
        total, count = model.losses(model.answer(batch), batch)["pointing"]
        (total / count).backward()
        costs.append(float(total.detach()))
        assert count == len(batch.regions) > 3
        assert [name for name, parameter in model.regions.named_parameters() if parameter.grad is None] == []
    torch.testing.assert_close(costs[0], costs[1], rtol=1e-4, atol=1e-4)
    model.lessons = ("pointing",)
    assert model.counts(batch)["pointing"] == count


def test_a_stage_that_asks_for_it_learns_it(tmp_path):
    model = tiny.model(**REGIONS, links=LINKS)
    # The lesson looks at directions alone: nothing tells the scale where to go, and noise might lead it through zero.
    rates = {"regions.out_scale": 1e-6, "default": 3e-3}
    stage = Stage(name="mark", train=["regions.*"], steps=30, batch=4, lr=rates, think=False, lessons=["pointing"])
    talks = tiny.conversations(4, tasks=TASKS, turns=(2, 2)) * 30
    made = trainer.make_trainer(model, stage, talks, tmp_path, trainer.Precision("cpu", "float32"), 0, "none")
    made.train()
    losses = [entry["loss/pointing"] for entry in made.state.log_history if "loss/pointing" in entry]
    assert losses[-1] < 0.5 * losses[0]
