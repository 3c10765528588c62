"""Metrics of new and edited pictures."""

import numpy as np
import pytest
from evaluate_fakes import Answering, Prepared, example, grey, say

from superlens.data.wordings_pictures import PICTURE_TASKS
from superlens.data.world import World
from superlens.evaluate.metrics import BY_TASK, METRICS, metric_class
from superlens.evaluate.metrics.pictures import Edit, GenEval, decibels
from superlens.evaluate.runner import evaluate
from superlens.message import Image, Text


class Answers:
    """Says of each question, in turn, what it was given."""

    def __init__(self, answers):
        self.answers = list(answers)

    def ask(self, questions, **options):
        return [self.answers.pop(0) for _ in questions]


@pytest.fixture(scope="module")
def new():
    return list(World().examples("image", seed=1, limit=12))


@pytest.fixture(scope="module")
def edits():
    return list(World().examples("image", seed=1, limit=8, task="edit_image"))


def test_new_pictures(new):
    result = evaluate(Answers(item.answer for item in new), World(), "image", limit=12, seed=1)
    assert result["geneval"] == 1 and result["per_task"] == dict.fromkeys(sorted(PICTURE_TASKS), 1)
    metric = GenEval(part="image")
    for place, item in enumerate(new):
        metric.add(item, item.answer if item.task == "one_image" and place < 6 else say(Text("A star.")))
    assert metric.result() == {"geneval": pytest.approx(0.5 / 6),
                               "per_task": {task: 0.5 if task == "one_image" else 0 for task in sorted(PICTURE_TASKS)}}


def test_the_tasks_weigh_alike(new):
    metric = GenEval(part="image")
    for item in new[:1] * 9:
        metric.add(item, item.answer)
    metric.add(new[1], say(grey(128, 128)))
    assert metric.result()["geneval"] == 0.5


def test_edits(edits):
    result = evaluate(Answers(item.answer for item in edits), World(), "image", limit=8, seed=1, task="edit_image")
    assert result["made"] >= 0.85 and result["kept"] == 60
    unchanged = [say(item.question.images[0]) for item in edits]
    result = evaluate(Answers(unchanged), World(), "image", "edit", limit=8, seed=1)
    assert result["made"] <= 0.15 and result["kept"] == 60


def test_wrong_edits(edits):
    metric = Edit(part="image")
    item = next(item for item in edits if item.facts.form == "remove")
    pixels = item.answer.images[0].pixels
    metric.add(item, say(Text("Done.")))
    metric.add(item, say(Image(pixels[:-1])))
    assert metric.result()["made"] == metric.result()["kept"] == 0
    metric.add(item, item.answer)
    result = metric.result()
    assert result["made"] == pytest.approx(1 / 3) and result["kept"] == pytest.approx(20)
    assert result["per_form"] == {"remove": pytest.approx(1 / 3)}


def test_what_is_kept_is_measured_outside_the_change(edits):
    item = edits[0]
    source = item.question.images[0].pixels
    noisy = np.clip(source.astype(int) + 10, 0, 255).astype(np.uint8)
    metric = Edit(part="image")
    metric.add(item, say(Image(np.where(item.facts.allowed_HW[..., None], noisy, source))))
    assert metric.result()["kept"] == 60
    metric = Edit(part="image")
    metric.add(item, say(Image(noisy)))
    assert metric.result()["kept"] == pytest.approx(28.1, abs=0.6), "20 log10(255 / 10)"


def test_decibels():
    one = np.zeros((4, 4, 3), np.uint8)
    two = one + np.uint8(5)
    everywhere = np.ones((4, 4), bool)
    assert decibels(one, two, everywhere) == pytest.approx(20 * np.log10(255 / 5))
    assert decibels(one, one, everywhere) == 60 == decibels(one, two, ~everywhere)
    faint = np.zeros((400, 400, 3), np.uint8)
    faint[0, 0] = 1
    assert decibels(np.zeros_like(faint), faint, np.ones((400, 400), bool)) == 60


def test_what_is_measured_when_nobody_says():
    assert metric_class("image") is GenEval and metric_class("image", task="edit_image") is Edit
    assert metric_class("image", "geneval", "edit_image") is GenEval and metric_class("image", task="one_image") is GenEval
    assert metric_class("boxes", task="edit_image") is METRICS["boxes"]["ap"]
    assert all(any(name in METRICS[part] for part in METRICS) for name in BY_TASK.values())


def test_other_pictures_are_not_judged(new, edits):
    strange = example("Draw a cat.", grey(), task="image")
    result = evaluate(Answering([strange], [strange.answer]), Prepared([strange]), "image")
    assert result == {"geneval": None, "per_task": {}}
    edit, drawn = Edit(part="image"), GenEval(part="image")
    edit.add(new[0], new[0].answer)
    drawn.add(edits[0], edits[0].answer)
    assert edit.result() == {"made": None, "kept": None, "per_form": {}} and drawn.result()["geneval"] is None


def test_routing_wants_a_picture_and_no_words(new):
    right = evaluate(Answers(item.answer for item in new), World(), "image", "routing", limit=12, seed=1)
    wrong = evaluate(Answers([say(Text("A star."))] * 12), World(), "image", "routing", limit=12, seed=1)
    assert right == {"routing": 1} and wrong == {"routing": 0}
