import json

import numpy as np
import pytest

from superlens.data.augment import Augment
from superlens.data.sources import open_source
from superlens.data.sources.jsonl import JsonlSource
from superlens.data.sources.llava import LlavaSource
from superlens.message import Boxes, Image, Text

BOXES = [{"type": "boxes", "label": "dogs", "xyxy": [[1, 2, 30, 40]]}, {"type": "text", "text": "."}]
MASKS = [{"type": "masks", "label": "dogs", "masks": [], "size": [48, 64]}]


def test_jsonl_is_read_line_by_line(write_lines, chat):
    path = write_lines(chat(BOXES), "", chat("Two."))
    source = open_source(path)
    assert isinstance(source, JsonlSource) and len(source) == 2
    first = source.conversation(0, np.random.default_rng(0))
    assert first.messages[1].boxes[0].xyxy.tolist() == [[1, 2, 30, 40]] and first.images[0].size == (64, 48)
    assert source.place(1) == "line 3" and source.whole(1).messages[1].text == "Two."


def test_jsonl_with_a_byte_order_mark(tmp_path, write_lines, chat):
    path = write_lines(chat("One."), chat("Two."))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [open_source(path).whole(at).messages[1].text for at in (0, 1)] == ["One.", "Two."]


def test_jsonl_examples_by_part(write_lines, chat):
    long = chat(BOXES)
    long["messages"] += [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "One."}]
    source = open_source(write_lines(long, chat(MASKS), chat("Yes.")))
    (boxes,) = source.examples("boxes")
    assert boxes.answer.boxes and len(boxes.question.messages) == 1 and boxes.picture == "line 1"
    (masks,) = source.examples("masks")
    assert masks.answer.masks[0].count == 0
    text = source.examples("text")
    assert [example.answer.text for example in text] == ["One.", "Yes."]
    assert len(text[0].question.messages) == 3 and len(source.examples("text", limit=1)) == 1


def test_parts_that_are_not_there_are_refused(write_lines, chat):
    with pytest.raises(ValueError, match="has masks"):
        open_source(write_lines(chat(BOXES))).examples("masks")


def test_jsonl_is_augmented_where_that_is_safe(write_lines, chat):
    source = JsonlSource(write_lines(chat(BOXES), chat("Two.")), augment=Augment(side=20, long_side=64))
    boxes, words = (source.conversation(at, np.random.default_rng(0)) for at in (0, 1))
    assert max(boxes.images[0].size) <= 20 and isinstance(boxes.messages[1].content[0], Boxes)
    assert words.images[0].size == (64, 48)


@pytest.mark.parametrize("line", ['{"messages": [', "[1]", '{"messages": 3}', '{"messages": [1]}', "word"])
def test_broken_lines_are_named(write_lines, chat, line):
    with pytest.raises(ValueError, match="line 2"):
        open_source(write_lines(chat("Two."), line))


def test_a_broken_first_line_is_still_a_line(write_lines, chat):
    with pytest.raises(ValueError, match="line 1"):
        open_source(write_lines('{"messages": [', chat("Two.")))


def test_tasks_can_not_be_chosen_in_conversations(write_lines, chat):
    with pytest.raises(ValueError, match="finished conversations"):
        open_source(write_lines(chat("Two.")), tasks={"boxes": 1})


LLAVA = {
    "id": "a",
    "image": "images/1.png",
    "conversations": [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A dog."},
        {"from": "human", "value": "Sure?"},
        {"from": "gpt", "value": "Yes."},
    ],
}


def test_llava(write_lines):
    path = write_lines(json.dumps([LLAVA, {**LLAVA, "id": "b"}], indent=1), name="llava.json")
    source = open_source(path)
    assert isinstance(source, LlavaSource) and len(source) == 2
    messages = source.conversation(0, np.random.default_rng(0)).messages
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]
    assert [type(part) for part in messages[0].content] == [Image, Text] and messages[0].text == "What is it?"
    examples = source.examples("text")
    assert [example.answer.text for example in examples] == ["A dog.", "Yes."] * 2
    assert len(examples[1].question.messages) == 3


def test_llava_lines_and_pictures_without_a_mark(write_lines):
    plain = {**LLAVA, "conversations": [{"from": "human", "value": "Hm?"}, {"from": "gpt", "value": "A dog."}]}
    source = open_source(write_lines(plain, LLAVA))
    assert len(source) == 2
    assert [type(part) for part in source.whole(0).messages[0].content] == [Image, Text]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conversations": []}, "at least one turn"),
        ({"conversations": [{"from": "cat", "value": "x"}]}, "'cat'"),
        ({"image": None}, "1 times but has 0 pictures"),
        ({"video": "x.mp4"}, "video"),
    ],
)
def test_broken_llava_records_are_named(write_lines, change, words):
    with pytest.raises(ValueError, match=words) as raised:
        open_source(write_lines(json.dumps([LLAVA, {**LLAVA, "id": "b", **change}]), name="llava.json"))
    assert "record 2" in str(raised.value)


def test_what_is_none_of_ours_is_refused(tmp_path, write_coco):
    odd = {"": "is empty", "hello": "no known format", '{"a": 1}': "its keys: a", "[]": "empty list",
           '{"images": [': "not valid JSON"}
    for content, words in odd.items():
        path = tmp_path / "odd.json"
        path.write_text(content)
        with pytest.raises(ValueError, match=words):
            open_source(path)
    with pytest.raises(ValueError, match="No such data set"):
        open_source(tmp_path / "gone.json")
    with pytest.raises(ValueError, match="no pictures"):
        open_source(tmp_path)
    with pytest.raises(ValueError, match='no option "colour"'):
        open_source(write_coco(), colour=1)


def test_the_name_of_a_coco_file_does_not_matter(write_coco):
    assert len(open_source(write_coco(name="things.jsonl"))) == 3


def test_the_drawn_world_opens_by_name():
    world = open_source("world", augment=None, cache_mb=5)
    assert world.name == "world" and len(world) > 1000
