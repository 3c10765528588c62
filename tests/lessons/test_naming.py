"""Visual tokens learn the words of what they show."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch

from superlens.lessons.naming import MOST_WORDS, PLACES, Naming, covered, named, naming_loss
from superlens.message import Boxes, Masks
from superlens.recipes.schema import Stage
from superlens.train import trainer
from superlens.train.rows import Collator, GlanceCollator
from superlens.vision.canvas import CanvasRule, TokenGrid

GRID = TokenGrid(stride=8, merge=2, max_tokens=64)  # 16 pixels a token
CANVAS = CanvasRule(multiple=32).canvas(96, 128)  # 6 x 8 tokens


def test_a_box_covers_the_tokens_it_fills():
    assert covered(Boxes("a", [[16, 0, 48, 16]]), CANVAS, GRID).tolist() == [1, 2]
    assert covered(Boxes("a", [[16, 0, 36, 16]]), CANVAS, GRID).tolist() == [1]  # a quarter of the second is too little


def test_something_small_covers_the_token_it_lies_in():
    assert covered(Boxes("a", [[100, 50, 103, 53]]), CANVAS, GRID).tolist() == [3 * 8 + 6]
    mask = np.zeros((1, 96, 128), bool)
    mask[0, 95, 127] = True
    assert covered(Masks("a", mask), CANVAS, GRID).tolist() == [47]


def test_a_mask_covers_what_its_box_would_when_it_is_one():
    mask = np.zeros((1, 96, 128), bool)
    mask[0, 20:70, 30:90] = True
    assert covered(Masks("a", mask), CANVAS, GRID).tolist() == covered(Boxes("a", [[30, 20, 90, 70]]), CANVAS, GRID).tolist()


def test_what_is_ignored_names_nothing():
    assert covered(Boxes("a", [[0, 0, 32, 32]], ignore=[True]), CANVAS, GRID).tolist() == []


def test_padding_of_the_grid_is_no_token_of_its_own():
    grid = TokenGrid(stride=8, merge=2, max_tokens=12)  # 32 pixels a token, 3 x 4
    mask = np.ones((1, 96, 128), bool)
    assert covered(Masks("a", mask), CANVAS, grid).tolist() == list(range(12))


def samples(model, count=6):
    return [model.processor.encode(talk) for talk in tiny.conversations(count, tasks={"boxes": 1, "refer_masks": 1}, turns=(2, 3))]


def test_places_are_thirds_of_the_picture():
    naming = Naming(GRID, {word: [number] for number, word in enumerate(PLACES)})
    said = [[{PLACES[index] for index in naming.ids_at(row, column, (6, 8))} for column in range(8)] for row in range(6)]
    assert said[0][0] == {"left", "top"} and said[5][7] == {"right", "bottom"} and said[2][3] == set() and said[2][7] == {"right"}
    assert [sum(word in cell for row in said for cell in row) for word in PLACES] == [18, 18, 16, 16]


@pytest.mark.parametrize("make", [lambda teachers: Collator(640, teachers=teachers), GlanceCollator])
def test_words_stand_where_their_things_are(make):
    model = tiny.model()
    naming = Naming.of(model.processor)
    grid = naming.grid
    batch = make({"names": naming})(samples(model))["batch"]
    size = {number: canvas.size for pictures in batch.pictures for number, canvas in zip(pictures.numbers, pictures.canvases)}
    first = np.cumsum([0, *(grid.count(size[number]) for number in range(len(size)))])
    pairs = set(zip(batch.lessons["names"].tokens_P.tolist(), batch.lessons["names"].words_P.tolist()))
    wanted = set()
    for placed in batch.groups:
        if placed.group.target.count and len(placed.group.label.split()) <= MOST_WORDS:
            canvas = model.processor.canvas.canvas(128, 128)
            tokens = first[placed.picture] + covered(placed.group.target, canvas, grid)
            wanted |= {(token, word) for token in tokens.tolist() for word in placed.group.words}
            shape = grid.pool_and_shape(canvas.size)[1]
            for token in tokens.tolist():
                wanted |= {(token, word) for word in naming.ids_at(*divmod(token - first[placed.picture], shape[1]), shape)}
    for mention in batch.mentions:
        canvas = model.processor.canvas.canvas(128, 128)
        if not mention.nested:
            for at in covered(Boxes("", mention.xyxy_N4), canvas, grid).tolist():
                shape = grid.pool_and_shape(canvas.size)[1]
                here = naming.ids_at(*divmod(at, shape[1]), shape)
                wanted |= {(first[mention.picture] + at, word) for word in (*mention.words, *here)}
    assert pairs == wanted and batch.lessons["names"].count >= len(pairs) > 20
    assert len(batch.lessons["names"].tokens_P.unique()) < first[-1]  # and the background has no name


def test_long_labels_and_absent_things_name_nothing():
    model = tiny.model()
    batch = Collator(640)(samples(model, 2))["batch"]
    for placed in batch.groups:
        placed.group.label = "the thing right of that ring"
    batch.mentions = [replace(mention, nested=True) for mention in batch.mentions]
    assert not batch.lessons and named(batch, Naming.of(model.processor)).count == 0


def test_the_loss_is_least_where_tokens_are_their_words():
    model = tiny.model()
    batch = GlanceCollator({"names": Naming.of(model.processor)})(samples(model, 2))["batch"]
    table_VD = model.language.embed(torch.arange(model.vocabulary)).detach()
    visual_TD = torch.randn(int(batch.lessons["names"].tokens_P.max()) + 1, table_VD.shape[1])
    before, count = naming_loss([visual_TD], model.language, batch.lessons["names"])
    visual_TD.zero_().index_add_(0, batch.lessons["names"].tokens_P, table_VD[batch.lessons["names"].words_P])
    after, _ = naming_loss([visual_TD], model.language, batch.lessons["names"])
    assert count == batch.lessons["names"].count and after / count < 0.6 * before / count


def test_a_stage_that_asks_for_names_learns_them(tmp_path):
    model = tiny.model()
    stage = Stage(name="see", train=["projector.*", "language.*"], steps=30, batch=4, lr=1e-2, think=False, lessons=["names"])
    talks = tiny.conversations(4, tasks={"boxes": 1}, turns=(2, 2)) * 30
    made = trainer.make_trainer(model, stage, talks, tmp_path, trainer.Precision("cpu", "float32"), 0, "none")
    made.train()
    losses = [entry["loss/names"] for entry in made.state.log_history if "loss/names" in entry]
    assert losses[-1] < 0.6 * losses[0]
