"""Clips of the drawn world: what is said to happen is what can be seen, when it is said to."""

import numpy as np
import pytest

from superlens.data.world import World
from superlens.data.world.clips import PARTS, RATE, Event, draw_clip, timeline
from superlens.data.world.scene import ALL_PAIRS, HELD_OUT_PAIRS, TRAIN_PAIRS
from superlens.evaluate.baselines import Blind, MeanMoment
from superlens.evaluate.runner import evaluate


@pytest.fixture(scope="module")
def clips():
    return [draw_clip(np.random.default_rng(seed), 128, ALL_PAIRS) for seed in range(60)]


def test_a_clip_is_a_function_of_its_seed():
    one, two = (draw_clip(np.random.default_rng(5), 96, ALL_PAIRS) for _ in range(2))
    assert np.array_equal(one.frames_FHW3, two.frames_FHW3) and one.events == two.events
    assert one.frames_FHW3.shape[1:] == (96, 96, 3) and one.frames_FHW3.dtype == np.uint8


def test_events_lie_inside_their_clip_and_are_of_every_kind(clips):
    words = [event.words for clip in clips for event in clip.events]
    assert {kind for kind in ("moves to the left", "moves to the right", "moves up", "moves down", "touches", "is there")
            if not any(kind in one for one in words)} == set()  # fmt: skip
    for clip in clips:
        assert len(clip.frames_FHW3) == round(clip.seconds * RATE) and clip.events
        for event in clip.events:
            assert 0 <= event.start < event.end <= clip.seconds and event.end - event.start >= 1.0


def changed(clip, from_second, to_second):
    """How many pixels differ, plainly, between two times."""
    one, two = (clip.frames_FHW3[min(int(second * RATE), len(clip.frames_FHW3) - 1)].astype(int) for second in (from_second, to_second))
    return int((np.abs(one - two).sum(2) > 60).sum())


def test_pictures_change_when_things_happen_and_not_otherwise(clips):
    """In clips of one event: still before and after, and different from before to after or in between."""
    for clip in clips:
        if len(clip.events) > 1:
            continue
        (event,) = clip.events
        if "touches" in event.words:  # travels before and after it touches
            assert changed(clip, 0, clip.seconds) == 0 and changed(clip, 0, (event.start + event.end) / 2) > 20
            assert changed(clip, event.start + 0.3, event.end - 0.3) == 0
            continue
        step = 1 / RATE
        assert changed(clip, 0, event.start - step) == 0 and changed(clip, event.end + step, clip.seconds) == 0
        assert changed(clip, max(event.start - step, 0), (event.start + event.end) / 2 + step) > 8


def test_no_pair_that_is_held_out_is_drawn_for_training():
    named = {colour + " " + shape for shape, colour in HELD_OUT_PAIRS}
    for seed in range(20):
        for event in draw_clip(np.random.default_rng(seed), 96, TRAIN_PAIRS).events:
            assert not any(kind in event.words for kind in named)


def test_the_source_asks_about_clips():
    world = World(tasks={"moments": 1})
    talk = world.conversation(3, np.random.default_rng(3))
    assert len(talk.videos) == 1 and not talk.images and all(message.moments for message in talk.messages[1::2])
    assert all(message.moments[0].label in talk.messages[2 * i].text.lower() for i, message in enumerate(talk.messages[1::2]))
    example = world.examples("moments", limit=3)[2]
    assert example.task == "moments" and len(example.question.messages) == 1 and example.answer.moments[0].count == 1
    again = World("train", seed=9).examples("moments", limit=3)[2]
    assert np.array_equal(example.question.videos[0].frames[0].pixels, again.question.videos[0].frames[0].pixels)


def test_clips_are_asked_about_in_words():
    world = World(tasks={"happens": 1, "timeline": 1, "moments": 1}, turns=(4, 6))
    asked = set()
    for index in range(8):
        talk = world.conversation(index, np.random.default_rng(index))
        questions, answers = talk.messages[::2], talk.messages[1::2]
        assert len({question.text for question in questions}) == len(questions) and len(talk.videos) == 1
        happens = [answer.text for answer in answers if answer.text.endswith(".")]
        for answer in answers:
            if answer.moments:
                asked.add("moments")
            elif answer.text.endswith("."):
                asked.add("happens")
            else:
                asked.add("timeline")
                assert len(answer.text) == PARTS and set(answer.text) <= {"0", "1"}
            event = answer.moments[0].label if answer.moments else ""
            assert not happens or event in happens[0].lower()
    assert asked == {"moments", "happens", "timeline"}
    for task in ("happens", "timeline"):
        assert [example.task for example in world.examples("text", limit=2, task=task)] == [task, task]


def test_a_timeline_marks_the_middles_of_its_parts():
    assert timeline(Event("", 2.0, 4.0), 24.0) == "00" + "11" + "0" * 20
    assert timeline(Event("", 2.6, 4.6), 24.0) == "000" + "11" + "0" * 19


def test_who_never_looks_finds_little():
    """The mean moment of training, and a model that is shown grey."""
    world = World()
    prior = evaluate(MeanMoment.fit(World(tasks={"moments": 1}), count=40), world, "moments", limit=60)
    assert 0.1 < prior["mIoU"] < 0.45 and prior["R1@0.5"] < 0.45

    class Telling:
        def ask(self, questions, **options):
            frames = [question.videos[0].frames for question in questions]
            assert all((frame.pixels == 128).all() for shown in frames for frame in shown)
            return MeanMoment([(1.0, world.examples("moments", limit=1)[0].answer.moments[0])]).ask(questions)

    assert evaluate(Blind(Telling()), world, "moments", limit=2)["mIoU"] is not None
