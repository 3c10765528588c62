"""Codes for moments: the layouts of LITA, TimeChat and Momentor to the letter, thousands of moments there and back, broken text."""

import numpy as np
import pytest

from superlens.links.codes.moments import LITA, Momentor, TimeChat
from superlens.message import Moments
from superlens.vision.canvas import CanvasRule
from superlens.vision.clip import Clip

CODES = {"lita": LITA(), "timechat": TimeChat(), "momentor": Momentor()}


def clip(seconds):
    return Clip(seconds, (0.0, seconds), CanvasRule().canvas(64, 64))


def read(code, text, seconds=20.0):
    return [part for match in code.pattern.finditer(text) for part in code.read(match, clip(seconds), 0)]


@pytest.mark.parametrize(("name", "text"), [
    ("lita", "<t10> <t20>, <t50> <t99>"),
    ("timechat", "2.0 - 4.0 seconds, the dog jumps; 10.0 - 20.0 seconds, the dog jumps"),
    ("momentor", "<time 29.9000> to <time 59.8000>, <time 149.5000> to <time 299.0000>"),
])  # fmt: skip
def test_layouts_to_the_letter(name, text):
    part = Moments("the dog jumps", [[10, 20], [2, 4]])
    assert CODES[name].spell(part, clip(20.0)) == text
    assert len(CODES["lita"].tokens) == 100 and len(CODES["momentor"].tokens) == 300 and not CODES["timechat"].tokens


@pytest.mark.parametrize("name", CODES)
def test_moments_come_back_to_half_a_bin(name):
    code, rng = CODES[name], np.random.default_rng(0)
    for _ in range(1500):
        seconds = float(rng.uniform(1, 300))
        ends = np.sort(rng.uniform(0, seconds, (int(rng.integers(1, 4)), 2)), axis=1)
        half = {"lita": seconds / 99 / 2, "timechat": 0.05, "momentor": 1e-4 * seconds}[name] + 1e-3
        (found,) = read(code, "It is " + code.spell(Moments("a dog", ends), clip(seconds)) + ".", seconds)
        assert not found.notes and len(found.spans) == len(ends)
        assert np.abs(found.part.seconds - ends[np.lexsort(ends.T[::-1])]).max() <= half
        assert found.part.label == ("a dog" if name == "timechat" else "")


def test_what_rounding_puts_behind_the_end_is_the_end():
    """Checks let a moment end a second late, and there is no token for that."""
    late = Moments("a dog", [[2.0, 20.6]])
    for code in CODES.values():
        assert code.spell(late, clip(20.0)) == code.spell(Moments("a dog", [[2.0, 20.0]]), clip(20.0))


def test_ignored_moments_and_none_at_all():
    for code in CODES.values():
        assert code.spell(Moments("a", np.zeros((0, 2))), clip(9.0)) == ""
        (found,) = read(code, code.spell(Moments("a", [[1, 2], [3, 4]], ignore=[True, False]), clip(9.0)), 9.0)
        assert np.allclose(found.part.seconds, [[3, 4]], atol=0.05)


@pytest.mark.parametrize(("name", "text", "ends", "note"), [
    ("lita", "<t10> <t20> <t5>", [[2.02, 4.04]], "without an end"),
    ("lita", "<t50> <t10>", [[2.02, 10.1]], "before it began"),
    ("timechat", "from 18 - 25.5 seconds.", [[18, 20]], "beyond the video"),
    ("timechat", "4.0 - 2.0 seconds", [[2, 4]], "before it began"),
    ("momentor", "<time 10> to <time 20>, <time 30.0>", [[0.669, 1.338]], "had no two ends"),
    ("momentor", "<time 10> to <time 20> <time 30> to <time 40> <time 50>", [[0.669, 1.338], [2.007, 2.676]], "had no two ends"),
])  # fmt: skip
def test_broken_text_gives_what_can_be_read_and_a_note(name, text, ends, note):
    (found,) = read(CODES[name], text)
    assert np.allclose(found.part.seconds, ends, atol=0.01) and any(note in one for one in found.notes)


@pytest.mark.parametrize("name", CODES)
def test_any_text_at_all(name):
    """Pieces of real spellings in any order: moments inside the video and notes, never an exception."""
    code, rng = CODES[name], np.random.default_rng(0)
    text = code.spell(Moments("the dog jumps", [[10, 20], [2, 4]]), clip(20.0))
    cuts = [text[a:b] for a, b in rng.integers(0, len(text), (40, 2)) if a < b]
    odd = ["<t999999>", "<time 999999.9>", "9999.9 - 1 seconds", ";", ",", " to ", "-", ".", "\ufffd", "\u0663"]
    pieces = [*cuts, *code.tokens[:8], *odd]
    count = 0
    for _ in range(600):
        for found in read(code, "".join(rng.choice(pieces, rng.integers(0, 10)))):
            seconds_N2 = found.part.seconds
            assert found.part.count == len(found.spans) and (seconds_N2 >= 0).all() and (seconds_N2 <= 20).all()
            assert (seconds_N2[:, 0] <= seconds_N2[:, 1]).all()
            count += found.part.count
    assert count > 100


def test_other_words_are_left_alone():
    for code in CODES.values():
        assert not read(code, "Two dogs, 3 - 4 of them, at <t> 5 seconds to go.")


def test_different_labels_become_different_parts():
    found = read(CODES["timechat"], "1.0 - 2.0 seconds, a dog; 3.0 - 4.0 seconds, a cat; 5.0 - 6.0 seconds, a dog")
    assert [(one.part.label, one.part.count) for one in found] == [("a dog", 2), ("a cat", 1)]


def test_options_are_checked():
    with pytest.raises(ValueError, match="at least 2"):
        LITA(times=1)
    with pytest.raises(ValueError, match="at least 2"):
        Momentor(anchors=0)
