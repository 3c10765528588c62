"""Pictures as answers: written as a routing token with slots, read back, shown again to the next question."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.message import Boxes, Conversation, Image, Message
from superlens.processor import PICTURE, SLOT
from superlens.reading import Written

LINKS = {
    "new": {"type": "picture", "part": "image", "token": "[GEN]", "queries": 4, "pool": "none", "decoder": "paint"},
    "edit": {"type": "picture", "part": "edit", "token": "[EDIT]", "queries": 4, "pool": "none", "decoder": "paint"},
    "boxes": {"type": "query", "token": "[BOX]", "queries": 2, "decoder": "detect"},
}
DECODERS = {
    "detect": {"type": "dense_detector", "channels": 16, "depth": 1, "width": 16},
    "paint": {"type": "flow_painter", "width": 16, "side": 32, "shrink": 1, "patch": 8, "channels": [8, 16], "heads": 2, "steps": 3,
              "finder": [8, 1]},
}


@pytest.fixture(scope="module")
def model():
    made = tiny.model(links=LINKS, decoders=DECODERS)
    torch.nn.init.normal_(made.decoders["paint"].net.conv_out.weight, std=0.1)
    return made


def picture(value, side=64, of=None):
    return Image(np.full((side, side, 3), value, np.uint8), of=of)


def new_talk():
    return Conversation((Message("user", "Draw a red star."), Message("assistant", (picture(9, 32),))))


def edit_talk():
    return Conversation((Message("user", (picture(3), "Make it bright.")), Message("assistant", (picture(200, of=0),))))


def test_a_new_picture_is_a_token_and_slots_and_speaks_of_no_picture(model):
    sample = model.processor.encode(new_talk())
    assert (sample.ids_T == SLOT).sum() == 4 and not (sample.ids_T == PICTURE).any() and not sample.pictures
    (group,) = sample.groups
    assert (group.link, group.image, len(group.positions)) == ("new", -1, 4) and group.target.size == (32, 32)
    assert model.processor.token_ids["[GEN]"] in sample.labels_T


def test_a_changed_copy_speaks_of_its_source_and_lies_on_its_canvas(model):
    sample = model.processor.encode(edit_talk())
    (group,) = sample.groups
    assert (group.link, group.image) == ("edit", 0) and group.target.of == 0
    assert group.target.size == sample.canvases[0].size[::-1] and len(sample.pictures) == 1


def test_an_answered_picture_is_shown_to_the_next_question(model):
    talk = Conversation((
        *edit_talk().messages,
        Message("user", "Find the star."),
        Message("assistant", (Boxes("star", [[1, 1, 20, 20]], image=1),)),
    ))
    sample = model.processor.encode(talk)
    assert len(sample.pictures) == 2 and sample.pictures[1].mean() > 150
    assert [group.image for group in sample.groups] == [0, 1]
    prompt = model.processor.encode(Conversation(talk.messages[:3]), answer=False)
    assert len(prompt.pictures) == 2


def test_one_batch_of_new_changed_and_found(model):
    boxes = Conversation((Message("user", (picture(3), "Find it.")), Message("assistant", (Boxes("it", [[1, 1, 20, 20]]),))))
    batch = collate([model.processor.encode(talk) for talk in (new_talk(), edit_talk(), boxes)])
    outputs = model.answer(batch)
    assert sorted((one.decoder, one.scene) for one in outputs.asked) == [("detect", 0), ("paint", -1), ("paint", 0)]
    losses = model.losses(outputs, batch)
    assert {name: count for name, (_, count) in losses.items()} == {n: c for n, c in model.counts(batch).items() if c}
    assert losses["paint.flow"][1] == 2 and losses["paint.pixel"][1] == 1


def test_words_alone_make_a_batch(model):
    batch = collate([model.processor.encode(new_talk())])
    assert torch.isfinite(model(batch)["loss"])


@pytest.mark.parametrize("link, shown", [("new", ()), ("new", (picture(3),)), ("edit", (picture(3),))])
def test_asking_gives_a_picture(model, link, shown):
    answer = model.ask(Conversation((Message("user", (*shown, "Go on.")),)), answer_with=link, max_new_tokens=3)
    made = answer.images[0]
    assert made.size == ((32, 32) if link == "new" else (64, 64)) and made.of == (None if link == "new" else 0)


def test_answers_are_the_same_at_batch_1_and_8_and_differ_by_seed(model):
    questions = [Conversation((Message("user", words),)) for words in ("Draw a star.", "Draw a red circle, please.", "A moon")]
    options = {"answer_with": "new", "max_new_tokens": 3}
    together, alone = model.ask(questions, batch_size=8, **options), model.ask(questions, batch_size=1, **options)
    for one, two in zip(together, alone, strict=True):
        assert np.abs(one.images[0].pixels.astype(int) - two.images[0].pixels).max() <= 1
    later = model.ask(questions[1:], numbers=range(1, len(questions)), **options)
    for one, two in zip(together[1:], later, strict=True):
        assert np.abs(one.images[0].pixels.astype(int) - two.images[0].pixels).max() <= 1
    other = model.ask(questions, seed=7, **options)
    assert not np.array_equal(other[0].images[0].pixels, together[0].images[0].pixels)


def test_an_edit_without_a_picture_is_refused(model):
    with pytest.raises(ValueError, match="picture"):
        model.ask("Make it red.", answer_with="edit")


def test_an_edit_that_the_model_wrote_without_a_picture_is_a_note(model):
    written = Written(ids=[model.processor.token_ids["[EDIT]"]], chances=[1.0], places=[5], slots={0: 6})
    _, groups, notes = model.processor.decode(written, Conversation((Message("user", "Make it red."),)), [])
    assert not groups and len(notes) == 1 and "without a picture" in notes[0]


def test_a_copy_of_another_size_is_refused(model):
    talk = Conversation((Message("user", (picture(3), "Make it bright.")), Message("assistant", (picture(200, side=50, of=0),))))
    with pytest.raises(ValueError, match="50 x 50"):
        model.processor.encode(talk)


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="image, edit or restore"):
        tiny.model(links={"new": LINKS["new"] | {"part": "picture"}}, decoders=DECODERS)


def test_a_restored_copy_may_be_turned_and_small():
    """A picture smaller than its canvas, a quarter turn: the target is not padded, and the loss can lay it over its source."""
    made = tiny.model(
        links={"restore": {"type": "picture", "part": "restore", "token": "[RESTORE]", "queries": 2, "decoder": "restore"}},
        decoders={"restore": {"type": "restorer", "width": 16, "channels": [8, 8], "depth": [1, 1], "tile": 64}},
    )
    shown = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    turned = Image(np.ascontiguousarray(np.rot90(shown)), of=0, restored=True)
    talk = Conversation((Message("user", (Image(shown), "Turn it left.")), Message("assistant", (turned,))))
    sample = made.processor.encode(talk)
    assert sample.canvases[0].size != sample.canvases[0].scaled and sample.groups[0].target.size == (40, 70)
    losses = made(collate([sample]))["losses"]
    assert losses["restore.restored"][1] == 1 and float(losses["restore.restored"][0]) < 1e-4, "nothing is changed at first, but turned"
    edited = Image(np.ascontiguousarray(np.rot90(shown)), of=0)
    with pytest.raises(ValueError, match="no link that writes edit"):
        made.processor.encode(Conversation((Message("user", (Image(shown), "Turn it.")), Message("assistant", (edited,)))))
