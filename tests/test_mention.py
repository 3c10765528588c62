"""Mentions say which words name which things, survive JSON, and are refused where they make no sense."""

import json

import numpy as np
import pytest

from superlens.data.world import World
from superlens.formats import from_json, to_json
from superlens.message import Conversation, Image, Mention, Message, Text

WORDS = "Is the star left of the moon?"
MOON = Mention(20, 28, [[8, 8, 40, 40]])


def test_a_text_with_mentions_reads_back_from_json():
    picture = Image(np.zeros((64, 64, 3), np.uint8))
    talk = Conversation((Message("user", (picture, Text(WORDS, (MOON, Mention(3, 11, [[1, 2, 3, 4.5]], image=0))))),))
    data = json.loads(json.dumps(to_json(talk)))
    assert data["messages"][0]["content"][1]["mentions"][0] == {"start": 20, "end": 28, "xyxy": [[8, 8, 40, 40]], "image": 0}
    assert to_json(from_json(data)) == to_json(talk)


def test_words_may_name_what_is_not_there():
    talk = Conversation((Message("user", (Image(np.zeros((64, 64, 3), np.uint8)), Text("Is there a star?", (Mention(9, 15, []),)))),))
    (mention,) = from_json(json.loads(json.dumps(to_json(talk)))).messages[0].content[1].mentions
    assert mention.xyxy.shape == (0, 4)


def test_a_text_without_mentions_is_written_as_before():
    assert to_json(Text("a")) == {"type": "text", "text": "a"}


@pytest.mark.parametrize("wrong, sentence", [
    ({"start": 4, "end": 4, "xyxy": [[1, 1, 2, 2]]}, "start < end"),
    ({"start": 4, "end": 9.0, "xyxy": [[1, 1, 2, 2]]}, "whole numbers"),
    ({"start": 0, "end": 2, "xyxy": [[1, 1, 2]]}, "shape"),
    ({"start": 0, "end": 2, "xyxy": [[3, 1, 2, 2]]}, "x1 <= x2"),
    ({"start": 0, "end": 2, "xyxy": [[1, 1, 2, 2]], "image": -1}, "image"),
    ({"start": 0, "end": 90, "xyxy": [[1, 1, 2, 2]]}, "of a text of 29"),
    ({"start": 0, "xyxy": [[1, 1, 2, 2]]}, "end"),
    ({"start": 0, "end": 2, "box": [[1, 1, 2, 2]], "xyxy": [[1, 1, 2, 2]]}, "box"),
    ("the moon", "Mentions are written"),
])  # fmt: skip
def test_wrong_mentions_get_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_json({"type": "text", "text": WORDS, "mentions": [wrong]})


def test_a_mention_of_a_picture_that_is_not_there_is_refused():
    picture = Image(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="picture"):
        Conversation((Message("user", (picture, Text(WORDS, (Mention(3, 11, [[1, 2, 3, 4]], image=1),)))),))


def test_a_mention_outside_its_picture_is_refused():
    picture = Image(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="leaves its picture"):
        Conversation((Message("user", (picture, Text(WORDS, (Mention(3, 11, [[1, 2, 90, 4]]),)))),))


def texts(world, count):
    talks = [world.conversation(index, np.random.default_rng(index)) for index in range(count)]
    return [part for talk in talks for message in talk.messages for part in message.content if isinstance(part, Text)]


def test_training_questions_of_the_world_mention_their_things():
    tasks = dict.fromkeys(("boxes", "refer_boxes", "count", "colour", "exists", "relation", "place", "side"), 1)
    for task in tasks:
        found = [text for text in texts(World(tasks={task: 1}), 12) if text.mentions]
        assert len(found) > 4, task
        for text in found:
            said = [text.text[mention.start : mention.end] for mention in text.mentions]
            assert all(words.strip() == words and words for words in said)
        absent = any(not len(mention.xyxy) for text in found for mention in text.mentions)
        assert absent == (task in ("boxes", "exists", "count")), task
    relation = [text for text in texts(World(tasks={"relation": 1}), 12) if text.mentions]
    assert all(len(text.mentions) == 2 for text in relation)


def test_questions_to_be_evaluated_mention_nothing():
    for part in ("text", "boxes"):
        for example in World().examples(part, limit=24):
            assert not any(part.mentions for message in example.question.messages for part in message.content if isinstance(part, Text))
