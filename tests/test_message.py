"""Parts check themselves, conversations check their parts, predictions can be clipped."""

import pickle
import subprocess
import sys
import time
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from PIL import Image as PilImage
from sentences import refused

from superlens.formats import from_json, to_json
from superlens.media import Image
from superlens.message import Boxes, Conversation, Keypoints, Map, Masks, Message, Moments, Polygons, Region, Text
from superlens.video import Video

PICTURE = np.zeros((40, 60, 3), np.uint8)


def asked(*answer, question=("Where?",), image=PICTURE):
    return Conversation((Message("user", (Image(image), *question)), Message("assistant", answer)))


def test_arrays_are_normalised_and_read_only():
    given = np.array([[1, 2, 3, 4]], np.int64)
    boxes = Boxes("dog", given, scores=[0.5], ignore=[1], track=[7])
    assert boxes.xyxy.dtype == np.float32 and boxes.scores.dtype == np.float32
    assert boxes.ignore.dtype == bool and boxes.track.dtype == np.int64
    for array in (boxes.xyxy, boxes.scores, boxes.ignore, boxes.track):
        assert not array.flags.writeable
    writeable = np.array([[1, 2, 3, 4]], np.float32)
    boxes = Boxes("dog", writeable)
    writeable[:] = 9
    assert boxes.xyxy[0, 0] == 1
    with pytest.raises(FrozenInstanceError):
        boxes.label = "cat"


def test_absent_things_are_legal():
    for boxes in (Boxes("dog", []), Boxes("dog", np.zeros((0, 4))), Boxes("dog", [], scores=[])):
        assert boxes.count == 0 and boxes.xyxy.shape == (0, 4)
    assert Masks("dog", np.zeros((0, 40, 60))).masks.shape == (0, 40, 60)
    assert Keypoints("dog", ("a", "b"), []).xyv.shape == (0, 2, 3)
    assert Polygons("dog", ()).count == 0 and Moments("run", []).seconds.shape == (0, 2)
    asked(Boxes("dog", []), Masks("cat", np.zeros((0, 40, 60))), Masks("cat", []), Polygons("p", []))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Boxes("a", [[1, 2, 3]]),
        lambda: Boxes("a", [1, 2, 3, 4]),
        lambda: Boxes("a", [[1, 2, 3, float("nan")]]),
        lambda: Boxes("a", [["x", 2, 3, 4]]),
        lambda: Boxes("a", [[1, 2, 3, 4]], scores=[0.5, 0.5]),
        lambda: Boxes("a", [[1, 2, 3, 4]], ignore=[[True]]),
        lambda: Boxes("a", [[1, 2, 3, 4]], image=-1),
        lambda: Boxes("a", [[1, 2, 3, 4]], image=0.5),
        lambda: Boxes("a", [[1, 2, 3, 4]], seconds=-2),
        lambda: Boxes(3, [[1, 2, 3, 4]]),
        lambda: Masks("a", np.zeros((4, 4), bool)),
        lambda: Masks("a", np.zeros((2, 4, 4), bool), xyxy=[[0, 0, 1, 1]]),
        lambda: Keypoints("a", ("x", "y"), np.zeros((1, 3, 3))),
        lambda: Keypoints("a", ("x",), [[[1, 1, 0.5]]]),
        lambda: Keypoints("a", ("x",), [[[1, 1, 2]]], area=[1, 2]),
        lambda: Polygons("a", [[[1, 1], [2, 2]]]),
        lambda: Polygons("a", [[[1, 1], [2, 2], [3, 1]]], texts=["x", "y"]),
        lambda: Moments("a", [[1, 2, 3]]),
        lambda: Map("a", np.zeros(4)),
        lambda: Region("ellipse", [[1, 1]]),
        lambda: Region("box", [[1, 1]]),
        lambda: Region("mask", [[1, 1]]),
        lambda: Region("scribble", []),
        lambda: Text(3),
        lambda: Message("robot", "hi"),
        lambda: Message("user", (3,)),
        lambda: Message("user", "hi", notes=(3,)),
        lambda: Conversation(()),
        lambda: Conversation(("hi",)),
    ],
)
def test_wrong_parts_are_refused(make):
    refused(make)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((Boxes("dog", [[0, 0, 62, 9]]),), ("messages[1].content[0]", "Boxes 'dog'", "60 x 40", "(0, 0, 62, 9)")),
        ((Boxes("dog", [[-1.5, 0, 2, 9]]),), ("leaves its picture",)),
        ((Boxes("dog", [[9, 0, 2, 9]]),), ("wrong order",)),
        ((Text("a"), Boxes("dog", [[0, 0, 2, 9]], image=1)), ("content[1]", "picture 1", "only 1")),
        ((Masks("dog", np.zeros((1, 60, 40))),), ("40 x 60", "60 x 40")),
        ((Masks("dog", np.zeros((0, 4, 4))),), ("4 x 4",)),
        ((Masks("dog", np.zeros((1, 40, 60)), xyxy=[[0, 0, 99, 9]]),), ("leaves its picture",)),
        ((Map("depth", np.zeros((4, 4))),), ("4 x 4",)),
        ((Keypoints("man", ("nose",), [[[70, 3, 2]]]),), ("(70, 3)",)),
        ((Polygons("sign", [[[1, 1], [2, 2], [3, 60]]]),), ("(3, 60)",)),
        ((Moments("run", [[1, 2]]),), ("video 0", "none")),
        ((Boxes("dog", [[0, 0, 2, 9]], seconds=1),), ("video 0",)),
    ],
)
def test_conversations_refuse_what_does_not_fit_their_pictures(answer, words):
    refused(lambda: asked(*answer), *words)


def test_conversations_take_what_fits():
    asked(
        Boxes("dog", [[-1, -1, 61, 41], [3, 3, 3, 3]]),
        Keypoints("man", ("nose", "ear"), [[[3, 3, 2], [999, 0, 0]]]),
        Polygons("sign", [[[1, 1], [2, 2], [60, 40]]]),
        Map("depth", np.zeros((40, 60))),
    )
    asked("yes", question=("this?", Region.circle(59, 3, 9), Region.from_mask(np.zeros((40, 60)))))


def test_regions():
    box = Region.box(1, 2, 5, 9, positive=False)
    assert box.kind == "box" and box.xyxy.tolist() == [1, 2, 5, 9] and not box.positive
    assert Region.circle(10, 20, 5).radius == 5 and Region.circle(10, 20, 5).xyxy.tolist() == [5, 15, 15, 25]
    assert Region.point(3, 4).points.tolist() == [[3, 4]] and Region.scribble([[1, 5], [3, 2]]).xyxy.tolist() == [
        1,
        2,
        3,
        5,
    ]
    mask = np.zeros((40, 60), bool)
    assert Region.from_mask(mask).xyxy.tolist() == [0] * 4
    mask[3:5, 6:9] = True
    assert Region.from_mask(mask).xyxy.tolist() == [6, 3, 9, 5]
    refused(lambda: asked("x", question=(Region.point(99, 3),)), "messages[0].content[1]", "a point region")
    refused(lambda: asked("x", question=(Region.box(9, 3, 1, 5),)), "wrong order")
    refused(lambda: asked("x", question=(Region.from_mask(np.zeros((3, 3))),)), "3 x 3")


def test_roles_and_empty_questions():
    refused(lambda: Conversation((Message("user", "hi"), Message("system", "be kind"))), "messages[1]", "system")
    refused(lambda: Conversation((Message("user", "  "),)), "messages[0]", "empty")
    refused(lambda: Conversation((Message("user"),)), "empty")
    Conversation((Message("system", "be kind"), Message("user", Image(PICTURE)), Message("assistant")))


def test_pictures_are_counted_over_the_conversation():
    small = np.zeros((5, 5, 3), np.uint8)
    conversation = Conversation(
        (
            Message("user", (Image(PICTURE), "and", Image(small))),
            Message("assistant", (Boxes("dog", [[0, 0, 50, 30]]), Boxes("cat", [[0, 0, 5, 5]], image=1))),
        )
    )
    assert [image.size for image in conversation.images] == [(60, 40), (5, 5)]
    video = Video([PICTURE] * 4, fps=2)
    Conversation(
        (
            Message("user", (video, "when?")),
            Message("assistant", (Moments("run", [[0, 2]]), Boxes("dog", [[0, 0, 60, 40]], seconds=1.5))),
        )
    )
    refused(
        lambda: Conversation((Message("user", (video,)), Message("assistant", (Moments("run", [[0, 9]]),)))),
        "2 seconds",
    )


def test_validation_reads_no_more_than_a_header_and_no_url(tmp_path, monkeypatch):
    PilImage.fromarray(PICTURE).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    asked(Boxes("dog", [[0, 0, 60, 40]]), image=tmp_path / "a.png")
    refused(lambda: asked(Boxes("dog", [[0, 0, 99, 40]]), image=tmp_path / "a.png"), "leaves")
    asked(Boxes("dog", [[0, 0, 99, 40]]), image="http://127.0.0.1:9/a.png")
    refused(lambda: asked(Boxes("dog", [[0, 0, 99, 40]]), image=tmp_path / "b.png"), "does not exist")
    asked("nothing about the picture", image=tmp_path / "b.png")


def test_text_and_views():
    answer = Message("assistant", ["There is ", Boxes("a dog", [[1, 1, 2, 2]]), " and ", Masks("a cat", []), "."])
    assert answer.text == "There is a dog and a cat."
    assert [part.label for part in answer.boxes] == ["a dog"] and [part.label for part in answer.masks] == ["a cat"]
    assert answer.outputs == answer.boxes + answer.masks
    assert answer.keypoints == answer.polygons == answer.moments == answer.maps == answer.regions == answer.images == ()
    assert Message("user", "hi").content == (Text("hi"),)


def test_equality_compares_arrays():
    first, second = (Boxes("dog", [[1, 2, 3, 4]], scores=[0.5]) for _ in range(2))
    assert (
        first == second and first != replace(first, scores=None) and first != Boxes("dog", [[1, 2, 3, 5]], scores=[0.5])
    )
    assert Message("user", (first,)) == Message("user", (second,)) != Message("assistant", (second,))
    assert Polygons("a", [[[1, 1], [2, 2], [3, 1]]]) == Polygons("a", [[[1, 1], [2, 2], [3, 1]]])
    assert asked(first) == asked(second) and len({first, second}) == 2
    assert Masks("dog", np.zeros((1, 4, 4))) != Boxes("dog", [])
    assert Message("assistant", "a").about([Image(PICTURE)]) == Message("assistant", "a")
    conversation = asked(first, Masks("m", np.ones((1, 40, 60))))
    assert pickle.loads(pickle.dumps(conversation)) == conversation


def test_select_and_above():
    boxes = Boxes("dog", [[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], scores=[0.2, 0.9, 0.3], track=[1, 2, 3])
    assert boxes.select([2, 0]).track.tolist() == [3, 1]
    assert boxes.select(boxes.scores > 0.25).scores.tolist() == pytest.approx([0.9, 0.3])
    assert boxes.select([]).count == 0 and boxes.select(np.zeros(3, bool)).count == 0
    message = Message("assistant", ("see ", boxes, Boxes("cat", [[0, 0, 1, 1]])))
    assert boxes.above(0.0, 0.3).track.tolist() == [2, 3] and boxes.above(0.0, 0.2).count == 3 and boxes.above(0.95, 0.2).count == 0
    kept = message.above(0.95)
    assert [part.count for part in kept.boxes] == [0, 1] and kept.text == message.text
    words = Polygons("word", [[[1, 1], [2, 2], [3, 1]]] * 2, texts=("a", "b"), scores=[0.1, 0.8])
    assert words.above(0.5).texts == ("b",)


def test_predictions_are_clipped():
    answer = Message(
        "assistant",
        (
            Boxes("dog", [[50, 30, -5, 70], [70, 0, 80, 9], [1, 1, 2, 2]], scores=[0.5, 0.6, 0.7]),
            Keypoints("man", ("nose",), [[[70, -3, 2]]], xyxy=[[0, 0, 99, 99]]),
            Polygons("sign", [[[-9, 1], [20, 20], [30, 99]], [[70, 1], [80, 2], [90, 9]]]),
            Boxes("cat", [[0, 0, 99, 9]], image=4),
            "words",
        ),
    )
    question = Conversation((Message("user", (Image(PICTURE), "Where?")),))
    clipped = answer.clipped(question.images)
    assert clipped.boxes[0].xyxy.tolist() == [[0, 30, 50, 40], [1, 1, 2, 2]]
    assert clipped.boxes[0].scores.tolist() == pytest.approx([0.5, 0.7])
    assert clipped.keypoints[0].xyv.tolist() == [[[60, 0, 2]]] and clipped.keypoints[0].xyxy.tolist() == [
        [0, 0, 60, 40]
    ]
    assert clipped.polygons[0].count == 1
    assert clipped.boxes[1] == answer.boxes[1] and clipped.text == answer.text
    lawful = replace(answer, content=answer.content[:3])
    assert question.answered(lawful).messages[-1] == replace(clipped, content=clipped.content[:3])
    assert Conversation((*question.messages, lawful), strict=False).clipped() == question.answered(lawful)
    assert lawful.about(question).clipped() == lawful.clipped(question.images)
    refused(lambda: question.answered(answer), "picture 4")


def test_a_conversation_is_checked_in_well_under_a_millisecond():
    conversation = asked(*(Boxes(f"thing {i}", np.tile([[1, 1, 9, 9]], (20, 1))) for i in range(5)))
    messages = conversation.messages
    start = time.perf_counter()
    for _ in range(100):
        Conversation(messages)
    assert (time.perf_counter() - start) / 100 < 1e-3


def test_importing_messages_is_light():
    heavy = "torch transformers supervision PIL pycocotools cv2"
    code = f"import sys, superlens.message; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_bounds_of_keypoints_are_the_box_or_the_extent_of_the_labelled_points():
    xyv = [[[3, 9, 2], [7, 4, 1], [50, 50, 0]], [[1, 1, 0]] * 3]
    assert Keypoints("man", ("a", "b", "c"), xyv).bounds.tolist() == [[3, 4, 7, 9], [0, 0, 0, 0]]
    assert Keypoints("man", ("a", "b", "c"), xyv, xyxy=[[0, 0, 9, 9]] * 2).bounds.tolist() == [[0, 0, 9, 9]] * 2


def test_a_changed_copy_names_the_picture_it_was_made_from():
    shown, changed = (Image(np.full((8, 8, 3), value, np.uint8)) for value in (0, 9))
    talk = Conversation((Message("user", (shown, "Make it brighter.")), Message("assistant", (Image(changed, of=0),))))
    data = to_json(talk)
    assert data["messages"][1]["content"][0]["of"] == 0 and from_json(data).images[1].of == 0
    assert from_json(data).images[1] == talk.images[1] != changed
    for role, of, words in (("assistant", 1, "1 were shown"), ("assistant", -1, "shown before"), ("user", 0, "only an answer")):
        with pytest.raises(ValueError, match=words):
            Conversation((Message("user", (shown, "Make it brighter.")), Message(role, (Image(changed, of=of),))))
