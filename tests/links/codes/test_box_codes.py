"""Every spelling of boxes: to the letter, back to half a bin, and never an exception for broken text."""

import numpy as np
import pytest

from superlens.message import Boxes, Image, Message
from superlens.parts import CODES, construct
from superlens.vision.canvas import CanvasRule


def make_code(name, **options):
    return construct("codes", {"type": name, **options})


BOXES = [name for name in CODES if make_code(name).part == "boxes"]
TALL = CanvasRule().canvas(200, 100)
LETTERS = {
    "qwen-vl": "<ref> a dog</ref><box>(100,250),(500,999)</box><box>(200,0),(300,50)</box>",
    "qwen2-vl": "<|object_ref_start|> a dog<|object_ref_end|><|box_start|>(100,250),(500,1000)<|box_end|>"
    "<|box_start|>(200,0),(300,50)<|box_end|>",
    "qwen2.5-vl": '```json\n[{"bbox_2d": [10, 50, 50, 200], "label": "a dog"}, {"bbox_2d": [20, 0, 30, 10], "label": "a dog"}]\n```',
    "qwen3-vl": '```json\n[{"bbox_2d": [100, 250, 500, 1000], "label": "a dog"}, '
    '{"bbox_2d": [200, 0, 300, 50], "label": "a dog"}]\n```',
    "kosmos-2": "<phrase> a dog</phrase><object><patch_index_0259><patch_index_1007></delimiter_of_multi_objects/>"
    "<patch_index_0006><patch_index_0041></object>",
    "shikra": "a dog[0.100,0.250,0.500,1.000;0.200,0.000,0.300,0.050]",
    "minigpt-v2": "<p> a dog</p>{<10><25><50><100>}<delim>{<20><0><30><5>}",
    "paligemma": "<loc0256><loc0102><loc1023><loc0512> a dog ; <loc0000><loc0205><loc0051><loc0307> a dog",
    "pix2seq-v2": "[<bin_250><bin_100><bin_999><bin_500> a dog][<bin_0><bin_200><bin_50><bin_300> a dog]",
    "unitab": "<obj> a dog<20><50><100><199><40><0><60><10></obj>",
    "visionllm-v1": "<c> a dog<p-410><p-256><p0><p512><p-307><p-512><p-205><p-461></c>",
}
PAIR = Boxes("a dog", [[20, 0, 30, 10], [10, 50, 50, 200]])


def read(code, text, canvas=TALL):
    """What every match of a code's pattern says."""
    return [spelled for match in code.pattern.finditer(text) for spelled in code.read(match, canvas, 0)]


@pytest.mark.parametrize("name", BOXES)
def test_it_is_spelled_to_the_letter(name):
    code = make_code(name)
    assert code.spell(PAIR, TALL) == LETTERS[name]
    assert len(set(code.tokens)) == len(code.tokens)
    (found,) = read(code, LETTERS[name])
    assert found.part.label == "a dog" and not found.notes and found.part.count == 2
    if name != "kosmos-2":  # whose corners are read as the middles of patches
        assert code.spell(found.part, TALL) == LETTERS[name]
    assert all(set(LETTERS[name][a:b]) & set("0123456789") for a, b in found.spans)


@pytest.mark.parametrize("name", BOXES)
def test_thousands_of_boxes_come_back_to_half_a_bin(name):
    code, rng, seen = make_code(name), np.random.default_rng(len(name)), 0
    for _ in range(400):
        height, width = rng.integers(40, 5000, 2).tolist()
        canvas = CanvasRule(longest=1024).canvas(height, width)
        boxes_N4 = np.sort(rng.uniform(0, 1, (rng.integers(1, 20), 2, 2)), 1).reshape(-1, 4) * [width, height, width, height]
        text = f"Here: {code.spell(Boxes('blue cups', boxes_N4), canvas)}"
        found = [one for one in read(code, text, canvas) if one.part.count]
        assert [one.part.label for one in found] == ["blue cups"] and not found[0].notes
        unit = {"kosmos-2": 32, "qwen2.5-vl": None}.get(name, getattr(code, "most", None))
        bin_4 = 1 / np.tile(canvas.scale_xy, 2) if unit is None else np.array([width, height, width, height]) / unit
        grid = code.grid(boxes_N4, canvas)
        order = np.lexsort((grid[:, 1], grid[:, 0]))
        away_N4 = np.abs(found[0].part.xyxy - boxes_N4[order]) / bin_4
        # A box within one row or column of patches is read as the edges of its patches; one between two numbers, as half a step.
        same_N2 = grid[order][:, :2] == grid[order][:, 2:]
        thin_N4 = same_N2.any(1, keepdims=True) if name == "kosmos-2" else np.tile(same_N2, 2)
        assert (away_N4 <= np.where(thin_N4, 1.0 if name == "kosmos-2" else 0.75, 0.5) + 0.01).all()
        assert (found[0].part.xyxy[:, 2:] > found[0].part.xyxy[:, :2]).all()
        seen += found[0].part.count
    assert seen > 3000


@pytest.mark.parametrize("name", BOXES)
def test_two_parts_in_a_sentence_stay_apart(name):
    code = make_code(name)
    one, two = Boxes("red cars", [[0, 0, 50, 50], [10, 20, 90, 180]]), Boxes("the road", [[0, 100, 100, 200]])
    found = read(code, f"{code.spell(one, TALL)} and {code.spell(two, TALL)}.")
    assert [(part.part.label, part.part.count) for part in found] == [("red cars", 2), ("the road", 1)]


@pytest.mark.parametrize("name", BOXES)
def test_what_is_ignored_is_not_spelled_and_nothing_can_be(name):
    code = make_code(name)
    kept = code.spell(Boxes("a", [[0, 0, 10, 10], [5, 5, 90, 90]], ignore=[True, False]), TALL)
    assert kept == code.spell(Boxes("a", [[5, 5, 90, 90]]), TALL)
    nothing = read(code, code.spell(Boxes("cats", np.zeros((0, 4))), TALL))
    assert [part.part.count for part in nothing] == ([] if name in ("paligemma", "pix2seq-v2") else [0])
    assert all(part.part.label == ("" if name.startswith(("qwen2.5", "qwen3")) else "cats") for part in nothing)
    (part,) = read(code, code.spell(Boxes("", [[5, 5, 90, 90]]), TALL))
    assert part.part.label == "" and part.part.count == 1


@pytest.mark.parametrize("name", BOXES)
def test_any_text_at_all(name):
    """Pieces of real spellings in any order: parts and notes, never an exception; boxes stay inside the picture."""
    code, rng = make_code(name), np.random.default_rng(0)
    text = LETTERS[name]
    cuts = [text[a:b] for a, b in rng.integers(0, len(text), (40, 2)) if a < b]
    pieces = [*cuts, *code.tokens[:8], "(1,2)", "99999999999999999999", "-5", "[", "{", ";", ",", " dog", "\ufffd", "\u0663", "]", "}"]
    for _ in range(400):
        for found in read(code, "".join(rng.choice(pieces, rng.integers(0, 10)))):
            assert found.part.count == len(found.spans)
            Message("assistant", (found.part,)).about([Image(np.zeros((200, 100, 3), np.uint8))]).clipped()


@pytest.mark.parametrize("name", [name for name in BOXES if name not in ("paligemma", "qwen2.5-vl", "qwen3-vl")])
def test_an_answer_that_was_cut_off_gives_what_can_be_read_and_a_note(name):
    code = make_code(name)
    whole = code.spell(PAIR, TALL)
    (last,) = (found.spans[-1] for found in read(code, whole))
    found = read(code, whole[: last[0] + 9])
    assert sum(one.part.count for one in found) == 1
    if name not in ("pix2seq-v2",):
        assert any(one.notes for one in found)


@pytest.mark.parametrize("name", BOXES)
def test_the_smallest_boxes_are_not_lost(name):
    code, rng = make_code(name), np.random.default_rng(1)
    canvas = CanvasRule(longest=448).canvas(480, 640)
    for side in (1, 2, 3):
        corner_N2 = rng.integers(0, [640 - side, 480 - side], (40, 2))
        corner_N2[:2] = [[0, 0], [640 - side, 480 - side]]
        (found,) = read(code, code.spell(Boxes("ants", np.concatenate([corner_N2, corner_N2 + side], 1)), canvas), canvas)
        kept = Message("assistant", (found.part,)).about([Image(np.zeros((480, 640, 3), np.uint8))]).clipped()
        assert kept.boxes[0].count == 40 and not found.notes


@pytest.mark.parametrize("name", BOXES)
def test_corners_that_are_swapped_or_outside_are_noted(name):
    code = make_code(name)
    swapped = {"kosmos-2": "<phrase> a</phrase><object><patch_index_1007><patch_index_0259></object>",
               "shikra": "a[0.500,0.250,0.100,1.000]", "minigpt-v2": "<p> a</p>{<50><25><10><100>}"}
    outside = {"kosmos-2": "<phrase> a</phrase><object><patch_index_0259><patch_index_5000></object>",
               "shikra": "a[0.500,0.250,1.100,1.000]", "minigpt-v2": "<p> a</p>{<10><25><101><100>}"}
    if name in swapped:
        (one,), (other,) = read(code, swapped[name]), read(code, outside[name])
        assert any("exchanged" in note for note in one.notes) and one.part.count == 1
        assert any("beyond" in note or "that there are not" in note for note in other.notes)
    grid = np.array([[3, 4, 1, 9]])
    assert "exchanged" in code.found("a", grid, [(0, 1)], TALL, 0, "").notes[0]


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("label", [
    "<3>", "a<5>b", "</ref><box>(1,1),(2,2)</box>", "<|box_end|>x", "dog [left]", "x < 3", "a{b}", "one\ntwo", "St. Bernard", "a;b",
    "<patch_index_0003>", "</p>", "<bin_3>", "<loc0001>", "the dog. It", "a <p> b",
])  # fmt: skip
def test_no_label_is_read_as_notation(name, label):
    """What can not stand in a label is a space there; the boxes are what they were, and nothing is added."""
    code = make_code(name)
    text = code.spell(Boxes(label, PAIR.xyxy), TALL)
    (found,) = read(code, f"{text}.")
    (plain,) = read(code, code.spell(PAIR, TALL))
    assert np.array_equal(found.part.xyxy, plain.part.xyxy) and not found.notes
    said = code.words(label) if not name.startswith(("qwen2.5", "qwen3")) else label
    assert found.part.label.startswith(said.strip()) and (said == label or set(said) <= {*label, " "})


def test_broken_entries_are_counted():
    code = make_code("qwen3-vl")
    (found,) = read(code, '[{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [1, 2], "label": "b"}, {"bbox')
    assert found.part.count == 1 and "could not read 2" in found.notes[0]


def test_unknown_codes_are_named():
    with pytest.raises(ValueError, match="unknown type 'kosmos' in codes: did you mean 'kosmos-2'"):
        make_code("kosmos")
    with pytest.raises(ValueError, match="did you mean 'qwen2"):
        make_code("qwen-2.5-vl")
    with pytest.raises(ValueError, match="unknown key 'bins'"):
        make_code("qwen-vl", bins=99)
    with pytest.raises(ValueError, match="at least 2 bins, got 1"):
        make_code("unitab", bins=1)


@pytest.mark.parametrize("name, text", [
    ("minigpt-v2", "Write d = {1: 2} now"), ("minigpt-v2", "a { b"), ("shikra", "As shown in [1], ok"), ("shikra", "x = [] and [ ]"),
    ("qwen3-vl", "x = [] and [ ] todo"), ("qwen3-vl", '[{"a": 1}]'), ("qwen-vl", "<ref> a</ref> runs"), ("paligemma", "a <loc> b"),
    ("unitab", "<obj> never closed"), ("kosmos-2", "<phrase> a</phrase> and words"), ("visionllm-v1", "<c> words"),
])  # fmt: skip
def test_ordinary_words_stay_words(name, text):
    assert read(make_code(name), text) == []


@pytest.mark.parametrize("name", ["qwen-vl", "qwen2-vl", "kosmos-2", "minigpt-v2", "unitab", "visionllm-v1"])
def test_what_follows_an_unfinished_part_is_not_eaten(name):
    code = make_code(name)
    whole = code.spell(PAIR, TALL)
    end = max(whole.rfind(mark) for mark in ("</box>", "<|box_end|>", "</object>", "}", "</obj>", "</c>"))
    (match,) = code.pattern.finditer(whole[:end] + " and then <p> cat</p>[SEG]")
    assert match.end() <= end + 1 and code.read(match, TALL, 0)[0].part.count >= 1


def test_labels_of_several_sorts():
    text = "<loc0256><loc0102><loc1023><loc0512> a St. Bernard, <loc0000><loc0205><loc0051><loc0307> cat. Bye"
    found = read(make_code("paligemma"), text)
    assert [one.part.label for one in found] == ["a St", "cat"]  # a full stop before a space ends a label
    (found,) = read(make_code("qwen3-vl"), '[{"bbox_2d": [1, 2, 3, 4], "label": "a {b} \\"c"}]')
    assert found.part.label == 'a {b} "c' and not found.notes
    (found,) = read(make_code("pix2seq-v2"), "[<bin_250><bin_100><bin_999><bin_500> a St. Bernard] and")
    assert found.part.label == "a St. Bernard"


@pytest.mark.parametrize("name, text, boxes", [
    ("qwen3-vl", '[{"label": "a dog", "bbox_2d": [100, 250, 500, 1000]}]', [[10, 50, 50, 200]]),
    ("qwen3-vl", 'It is {"bbox_2d": [100, 250, 500, 1000], "label": "a dog"}.', [[10, 50, 50, 200]]),
    ("shikra", "a dog[0,0.25,.5,1]", [[0, 50, 50, 200]]), ("shikra", "a dog[.1,.25,.5,1]", [[10, 50, 50, 200]]),
    ("shikra", "a dog (white)[]", []), ("minigpt-v2", "<p> a dog</p>{<10><25><50><100>", [[10, 50, 50, 200]]),
])  # fmt: skip
def test_what_models_write_instead_is_read_as_well(name, text, boxes):
    (found,) = read(make_code(name), text)
    assert np.allclose(found.part.xyxy.reshape(-1, 4), np.array(boxes).reshape(-1, 4))


def test_numbers_that_are_none_are_told():
    for broken in (f"[1, 2, 3, {'9' * 400}]", "[1, 2, NaN, 4]"):
        (found,) = read(make_code("qwen3-vl"), f'[{{"bbox_2d": {broken}, "label": "a"}}]')
        assert found.part.count == 0 and "could not read 1" in found.notes[0]
    (found,) = read(make_code("qwen3-vl"), '[{"bbox_2d": [1, 2, 3, 4], "label": "a\\ud800"}]')
    assert found.part.count == 0 and found.notes
