"""Wordings: enough of them, none in both sets, slots filled as given."""

import re
from functools import cache

import numpy as np
import pytest

from superlens.data.grammar import pattern
from superlens.data.templates import HELD_OUT, TASKS, TRAINING, ask, listing, slots_of
from superlens.data.wordings_pictures import PICTURE_TASKS

CONTRACT = {"boxes", "masks", "refer_boxes", "refer_masks", "caption", "describe", "count", "colour", "exists",
            "relation", "place", "side", "region_text", "region_masks", "like_boxes",
            "follow_boxes", "follow_masks", "follow_same", "follow_colour",
            "caption_boxes", "caption_masks", "count_boxes", "panoptic_masks", "context_boxes", "context_masks",
            "reason_boxes", "reason_masks", "keypoints", *PICTURE_TASKS, "caption_image", "edit_image", "restore_image",
            "moments", "happens", "timeline", "echo", "echo_marked"}
WORDED = sorted(CONTRACT - {*PICTURE_TASKS[1:], "caption_image", "restore_image"})  # new pictures are all asked for alike
SLOTS = {"things": "red circles, Platelets and road", "thing": "the star left of the moon", "question": "what is odd",
         "region": "\ufffc", "which": "the second one", "examples": "\ufffc\ufffc",
         "scene": "a red star left of a blue moon", "change": "make the star red", "event": "the red ring moves up",
         "mark": "[1, 40]", "names": "left eye and tail base", "first": "the ring", "relation": "above", "second": "the blue heart"}


def _plain(wording):
    return "".join(letter for letter in wording.lower() if letter.isalnum() or letter in "{} ")


def _filled(task):
    return {name: SLOTS[name] for name in slots_of(task)}


def test_every_task_has_wordings():
    assert set(TASKS) == CONTRACT == set(TRAINING) == set(HELD_OUT)
    assert len({(TRAINING[task], HELD_OUT[task]) for task in (*PICTURE_TASKS, "caption_image")}) == 1


@cache
def _sentences(wording):
    """What all sentences of a wording, filled with SLOTS, look like; compiled once, for this is asked some hundred thousand times."""
    return re.compile(pattern(wording, {name: re.escape(words) for name, words in SLOTS.items()}), re.IGNORECASE)


def _fits(task, sentence, wordings):
    """Whether a sentence, filled with SLOTS, is one of the wordings', whatever its capitals and its last mark."""
    sentence = sentence.rstrip(".?!")
    return any(_sentences(wording).fullmatch(sentence + end) for wording in wordings for end in (".", "?", "!", ":", ""))


@pytest.mark.parametrize("task", WORDED)
def test_enough_wordings(task):
    assert len(set(TRAINING[task])) == len(TRAINING[task]) >= 13
    assert len({_plain(wording) for wording in HELD_OUT[task]}) == len(HELD_OUT[task]) >= 6
    rng = np.random.default_rng(1)
    assert len({_plain(ask(task, rng, **_filled(task))) for _ in range(1000)}) >= 35


@pytest.mark.parametrize("task", WORDED)
def test_no_held_out_wording_is_ever_trained_with(task):
    for wording in HELD_OUT[task]:
        sentence = wording.format(**SLOTS)
        assert _fits(task, sentence, [wording])
        for other in TASKS:
            assert not _fits(other, sentence, TRAINING[other]), wording


ONE_FRAME = ({*PICTURE_TASKS, "caption_image"}, {"edit_image", "restore_image"})


def test_no_wording_serves_two_tasks():
    # The wording tells the model which kind of answer is wanted, so one wording must not mean two tasks, except that
    # one thing and many things are asked for alike, and that new pictures are, whatever they shall show, and changed ones, whatever
    # is to be changed.
    same = SLOTS | {"thing": SLOTS["things"], "first": "the ring"}
    rng = np.random.default_rng(2)
    seen = {}
    for task in TASKS:
        slots = {name: same[name] for name in slots_of(task)}
        for sentence in {_plain(ask(task, rng, **slots)) for _ in range(1500)}:
            for other in seen.setdefault(sentence, []):
                alike = task.rpartition("_")[2] == other.rpartition("_")[2] and "refer" in task + other
                assert alike or any({task, other} <= group for group in ONE_FRAME), sentence
            seen[sentence].append(task)


@pytest.mark.parametrize("task", WORDED)
@pytest.mark.parametrize("held_out", [False, True])
def test_ask_repeats_its_slots_and_reaches_every_wording(task, held_out):
    rng = np.random.default_rng(0)
    slots, wordings = _filled(task), (HELD_OUT if held_out else TRAINING)[task]
    asked = {ask(task, rng, held_out, **slots) for _ in range(1200)}
    for question in asked:
        for words in slots.values():
            assert words.lower() in question.lower()
            assert words in question or words[0].upper() + words[1:] in question or task.startswith("reason")
        assert not set("{}()|<>") & set(question) and "  " not in question and question[-1] not in " ,"
    spoken = {wording for wording in wordings for question in asked if _fits(task, question, [wording])}
    assert spoken == set(wordings)
    if held_out:
        assert len(asked) == len(wordings)


def test_ask_is_deterministic():
    first = [ask("boxes", np.random.default_rng(seed), things="cats") for seed in range(20)]
    assert first == [ask("boxes", np.random.default_rng(seed), things="cats") for seed in range(20)]
    assert len(set(first)) > 10


def test_names_with_braces_are_left_alone():
    assert "{odd} name" in ask("boxes", np.random.default_rng(0), things="{odd} name")


def test_wrong_task_and_slots_are_told():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="boxen"):
        ask("boxen", rng, things="cats")
    with pytest.raises(ValueError, match="things"):
        ask("boxes", rng, thing="a cat")
    with pytest.raises(ValueError, match="none"):
        ask("caption", rng, things="cats")


def test_listing():
    assert listing(["a"]) == "a"
    assert listing(["a", "b"]) == "a and b"
    assert listing(("a", "b", "c")) == "a, b and c"
    with pytest.raises(ValueError, match="no names"):
        listing([])
