"""Keypoints and quads as text: layouts, there and back, what is broken."""

import numpy as np
import pytest

from superlens.links.codes.points import COCO, Pix2SeqKeypoints, QwenQuads
from superlens.message import Keypoints, Polygons
from superlens.vision.canvas import CanvasRule

CANVAS = CanvasRule().canvas(100, 200)
NAMES = ("nose", "tail base", "left ear")


def read(code, text):
    return [part for match in code.pattern.finditer(text) for part in code.read(match, CANVAS, 0)]


def test_keypoints_to_the_letter():
    code = Pix2SeqKeypoints(NAMES, bins=101)
    part = Keypoints("mouse", ("left ear", "nose"), [[[200, 100, 2], [20, 50, 1]], [[0, 0, 0], [10, 10, 2]]])
    assert code.spell(part, CANVAS) == "[<bin_50><bin_10><gone><bin_100><bin_100> mouse][<bin_10><bin_5><gone><gone> mouse]"
    assert len(code.tokens) == 102 and len(Pix2SeqKeypoints().names) == len(COCO) == 17
    with pytest.raises(ValueError, match="no place for the point 'paw'"):
        code.spell(Keypoints("mouse", ("paw",), np.zeros((1, 1, 3))), CANVAS)


def test_keypoints_there_and_back():
    code, rng = Pix2SeqKeypoints(NAMES, bins=1000), np.random.default_rng(0)
    for _ in range(2000):
        count = int(rng.integers(1, 4))
        xyv = np.concatenate([rng.uniform(0, 1, (count, 3, 2)) * [200, 100], rng.choice([0, 2], (count, 3, 1))], 2)
        (found,) = read(code, "There: " + code.spell(Keypoints("a mouse", NAMES, xyv), CANVAS))
        assert not found.notes and found.part.label == "a mouse" and len(found.spans) == count
        back = found.part.xyv
        assert (back[..., 2] == xyv[..., 2]).all()
        assert (np.abs(back - xyv)[..., :2][xyv[..., 2] > 0] <= np.array([200, 100]) / 999 / 2 + 1e-3).all()


def test_keypoints_of_two_labels_are_two_parts():
    code = Pix2SeqKeypoints(NAMES)
    text = "[<gone><bin_1><bin_2><gone> rat][<bin_1><bin_2><gone><gone> a mouse] [<gone><gone><bin_3><bin_4> rat]"
    rats, mouse = read(code, text)
    assert (rats.part.label, rats.part.count, mouse.part.label, mouse.part.count) == ("rat", 2, "a mouse", 1)
    assert [text[start] + text[end - 1] for start, end in rats.spans + mouse.spans] == ["[]"] * 3


@pytest.mark.parametrize("text, note", [
    ("[<bin_1><bin_2> mouse]", "1 points of 'mouse' were written, not 3"),
    ("[<bin_1><bin_2><gone><gone> mouse", "not finished"),
])  # fmt: skip
def test_broken_keypoints(text, note):
    (found,) = read(Pix2SeqKeypoints(NAMES), text)
    assert found.part.xyv[0, 0, 2] == 2 and found.part.xyv[0, 1, 2] == 0 and any(note in one for one in found.notes)


QUAD = np.array([[10, 10], [60, 12], [60, 30], [10, 28]], np.float32)


def test_quads_to_the_letter_and_back():
    code = QwenQuads()
    part = Polygons("the text", (QUAD, QUAD + 40), texts=("EXIT 3", "(no)"))
    text = code.spell(part, CANVAS)
    assert text.startswith("<ref> EXIT 3</ref><quad>(50,100),(300,120),(300,300),(50,280)</quad><ref> (no)</ref>")
    (found,) = read(code, f"It says {text}.")
    assert found.part.texts == ("EXIT 3", "(no)") and not found.notes and len(found.spans) == 2
    assert np.abs(found.part.points[1] - QUAD - 40).max() <= 0.11
    rng = np.random.default_rng(1)
    for _ in range(2000):
        corners = (rng.uniform(0, 1, (4, 2)) * [200, 100]).astype(np.float32)
        (one,) = read(code, code.spell(Polygons("t", (corners,), texts=("a",)), CANVAS))
        assert (np.abs(one.part.points[0] - corners) <= np.array([200, 100]) / 999 / 2 + 1e-3).all()


@pytest.mark.parametrize("code", [Pix2SeqKeypoints(NAMES, bins=20), QwenQuads()], ids=["keypoints", "quads"])
def test_any_text_at_all(code):
    """Pieces of real spellings in any order: parts and notes, never an exception."""
    rng = np.random.default_rng(0)
    keypoints = Keypoints("mouse", NAMES, [[[200, 100, 2], [20, 50, 1], [0, 0, 0]], [[0, 0, 0], [10, 10, 2], [1, 1, 2]]])
    text = code.spell(keypoints if code.part == "keypoints" else Polygons("the text", (QUAD, QUAD + 40), texts=("A", "B")), CANVAS)
    cuts = [text[a:b] for a, b in rng.integers(0, len(text), (40, 2)) if a < b]
    pieces = [*cuts, *code.tokens[:8], "(1,2)", "<bin_999999999>", "-5", "[", "(", ")", ",", " dog", "\ufffd", "\u0663", "]"]
    count = 0
    for _ in range(600):
        for found in read(code, "".join(rng.choice(pieces, rng.integers(0, 10)))):
            assert found.part.count == len(found.spans) and all(isinstance(note, str) for note in found.notes)
            count += found.part.count
    assert count > 50


def test_broken_quads():
    (found,) = read(QwenQuads(), "<ref> A</ref><quad>(1,2),(3,4)</quad>")
    assert found.part.count == 0 and "2 corners" in found.notes[0]
    (found,) = read(QwenQuads(), "<ref> A</ref><quad>(1,2),(3,4),(5,6),(7,8)")
    assert found.part.count == 1 and "not finished" in found.notes[0]
    with pytest.raises(ValueError, match="4 corners"):
        QwenQuads().spell(Polygons("t", (QUAD[:3],), texts=("a",)), CANVAS)
