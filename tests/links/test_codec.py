"""The codec: boxes as numbers and back, to half a bin; text that can not be read gives notes, never exceptions."""

import numpy as np
import pytest
import tiny

from superlens.batch import collate
from superlens.links.base import Token, Words
from superlens.links.codec import CodecFormat
from superlens.message import Boxes, Conversation, Image, Message, Text
from superlens.reading import Written
from superlens.vision.canvas import CanvasRule

BROKEN = (
    "", "()", "(1,2,3)", "(1,2,3,4", "(1,2,3,4,5)", "(a,b,c,d)", "1,2,3,4", "(-5,-5,2000,2000)", "(9,9,1,1)", "(1.5,2,3,4)",
    "(((((", "(1,2,3,4)(", "\ufffd(1,2,3,4)", "(99999999999999999999,0,1,1)", "(1,2,3,4) and then (5,6,7,8) words",
    "( 1 , 2 , 3 , 4 )", "(\u0663,1,2,3)",
)  # fmt: skip


@pytest.mark.parametrize("bins", [99, 999])
def test_thousands_of_boxes_come_back_to_half_a_bin(bins):
    form, rng, seen = CodecFormat("boxes", "boxes", bins=bins), np.random.default_rng(bins), 0
    for _ in range(300):
        height, width = rng.integers(1, 5000, 2).tolist()
        canvas = CanvasRule().canvas(height, width)
        boxes_N4 = np.sort(rng.uniform(0, 1, (rng.integers(0, 20), 2, 2)), 1).reshape(-1, 4) * [width, height, width, height]
        *_, begin, text, _ = [*form.write(Boxes("a", boxes_N4), canvas)] if len(boxes_N4) else [0, Token("<box>"), Words(""), 0]
        assert begin == Token("<box>")
        part, notes, spans = form.parse(text.text, "a", canvas, 0)
        assert not notes and part.count == len(spans) == len(boxes_N4)
        half_4 = np.array([width, height, width, height]) / bins / 2
        order = np.lexsort((np.rint(boxes_N4[:, 1] / height * bins), np.rint(boxes_N4[:, 0] / width * bins)))
        assert (np.abs(part.xyxy - boxes_N4[order]) <= half_4 + 1e-3 * half_4 + 1e-3).all()
        assert [text.text[a:b][0] + text.text[a:b][-1] for a, b in spans] == ["()"] * part.count
        seen += part.count
    assert seen > 2000


def test_what_is_ignored_is_not_written_and_nothing_is_an_empty_pair():
    form, canvas = CodecFormat("boxes", "boxes"), CanvasRule().canvas(100, 100)
    pieces = form.write(Boxes("a", [[0, 0, 10, 10], [5, 5, 9, 9]], ignore=[True, False]), canvas)
    assert pieces == [Token("<p>"), Words(" a"), Token("</p>"), Token("<box>"), Words("(50,50,90,90)"), Token("</box>")]
    assert form.write(Boxes("a", np.zeros((0, 4))), canvas)[-2:] == [Token("<box>"), Token("</box>")]
    with pytest.raises(ValueError, match="this codec writes boxes, got part 'masks'"):
        CodecFormat("masks", "masks")


@pytest.mark.parametrize("text", BROKEN)
def test_text_that_can_not_be_read_gives_notes(text):
    part, notes, spans = CodecFormat("boxes", "boxes").parse(text, "a", CanvasRule().canvas(60, 80), 0)
    assert (part.xyxy[:, 2:] >= part.xyxy[:, :2]).all() and part.count == len(spans)
    if not part.count and text:
        assert notes and "a" in notes[0]


def test_any_text_at_all():
    """Random strings of the characters that matter: a part and notes, never an exception; boxes stay inside the picture."""
    form, canvas, rng = CodecFormat("boxes", "boxes"), CanvasRule().canvas(60, 80), np.random.default_rng(0)
    for _ in range(2000):
        text = "".join(rng.choice(list("(),-0159 x"), rng.integers(0, 40)))
        part, _, _ = form.parse(text, "a", canvas, 0)
        Message("assistant", (part,)).about([Image(np.zeros((60, 80, 3), np.uint8))]).clipped()


@pytest.fixture(scope="module")
def model():
    return tiny.model(links={"boxes": {"type": "codec"}, "masks": {"type": "query", "token": "[SEG]", "decoder": "segment"}})


def written(model, said, chance=0.5) -> Written:
    """What a sample would have generated: a list of words and token names."""
    ids = []
    for piece in said:
        known = model.processor.token_ids.get(piece)
        ids += [known] if known is not None else model.processor.words(piece)
    return Written(ids, [chance] * len(ids), list(range(100, 100 + len(ids))))


def read(model, *said, chance=0.5):
    question = Conversation((Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where?"))),))
    prompt = model.processor.encode(question, answer=False)
    return model.processor.decode(written(model, said, chance), question, prompt.canvases)


def test_an_answer_is_written_and_read_back(model):
    boxes_N4 = [[8, 6, 40, 30], [40, 6, 80, 60]]
    talk = Conversation((
        Message("user", (Image(np.zeros((60, 80, 3), np.uint8)), Text("Where are the dogs?"))),
        Message("assistant", (Text("Here: "), Boxes("dogs", boxes_N4), Text("."))),
    ))  # fmt: skip
    sample = model.processor.encode(talk)
    prompt = model.processor.encode(Conversation(talk.messages[:1]), answer=False)
    ids = [i for i in sample.ids_T[len(prompt) :].tolist() if i not in model.processor.end_ids]
    content, groups, notes = model.processor.decode(
        Written(ids, [0.25] * len(ids), list(range(len(ids)))), Conversation(talk.messages[:1]), prompt.canvases
    )
    assert [type(part) for part in content[:3]] == [Text, Boxes, Text] and not groups and not notes
    assert content[1].label == "dogs" and np.abs(content[1].xyxy - boxes_N4).max() <= 80 / 999 / 2 + 1e-3
    assert content[1].scores.tolist() == pytest.approx([0.25, 0.25])
    assert collate([sample]).groups == []


def test_broken_answers_give_notes(model):
    content, _, notes = read(model, "<p>", " dogs", "</p>", "<box>", "(1,2,3,4)(5,")
    assert content[0].count == 1 and any("not finished" in note for note in notes) and any("could not read" in note for note in notes)
    content, _, notes = read(model, "<box>", "(1,2,3,4)", "<box>", "(5,6,7,8)", "</box>")
    assert [part.count for part in content] == [1, 1] and notes
    content, _, notes = read(model, "a", "</box>", "b")
    assert "".join(part.text for part in content) == "ab" and notes
    content, _, notes = read(model, "<p>", " dogs", "</p>", " run")
    assert [part.text.strip() for part in content] == ["dogs", "run"] and not notes


def test_any_order_of_tokens_is_read(model):
    rng = np.random.default_rng(0)
    pieces = [*model.processor.token_ids, " dog", "(1,2,3,4)", "(5,6", ")"]
    for _ in range(300):
        content, groups, notes = read(model, *rng.choice(pieces, rng.integers(0, 12)))
        assert all(group in content for group in groups) and all(isinstance(note, str) for note in notes)
