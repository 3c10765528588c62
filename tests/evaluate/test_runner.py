"""Running a model over a data set."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
import tiny
from evaluate_fakes import Answering, Prepared, boxes, example, say
from PIL import Image as Pil

from superlens.data.world import World
from superlens.evaluate.runner import as_asked, evaluate, facts_of
from superlens.message import Message, Text

ONE, FAR = (0, 0, 10, 10), (30, 20, 40, 30)


class Echo:
    """A model that knows the answers to a source's examples, found again by the words of the question."""

    def __init__(self, examples, change=lambda answer: answer):
        self.known = {self.key(item.question): change(item.answer) for item in examples}

    def key(self, question):
        return question.messages[-1].text, question.images[0].pixels.tobytes()

    def ask(self, questions, **options):
        return [self.known[self.key(question)] for question in questions]


def test_batches_progress_and_failures(caplog):
    from rich.progress import Progress

    items = [example("Find cats.", boxes("cats", ONE), picture=number) for number in range(5)]
    answers = [item.answer for item in items]
    answers[3] = ValueError("the conversation is too long.")
    model = Answering(items, answers)
    progress = Progress(disable=True)
    with caplog.at_level(logging.WARNING):
        result = evaluate(model, Prepared(items), "boxes", "absent", batch_size=2, progress=progress)
    assert result == {"silent": None, "recall": 0.8}
    assert model.calls == [(2, 2, 0.01, "return"), (2, 2, 0.01, "return"), (1, 2, 0.01, "return")]
    assert progress.tasks[0].completed == progress.tasks[0].total == 5
    assert "picture 3: no answer, the conversation is too long." in caplog.text
    assert "1 of 5 questions" in caplog.text
    assert evaluate(model, Prepared(items), "boxes", limit=3)["AP"] == 1


def test_result_is_json(capsys):
    items = [example("Find cats.", boxes("cats", ONE))]
    result = evaluate(Answering(items, [say()]), Prepared(items), "boxes")
    assert json.loads(json.dumps(result)) == {"AP": 0.0, "AP50": 0.0, "AP75": 0.0}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("options, words", [
    ({"part": "bokses"}, "did you mean 'boxes'"), ({"part": "boxes", "metric": "p5"}, "did you mean 'p50'"),
    ({"part": "boxes", "batch_size": 0}, "at least 1"), ({"part": "boxes", "limit": 0}, "at least 1"),
    ({"part": "boxes", "min_score": 30}, "expected 0 to 1"), ({"part": "boxes", "task": "count"}, "it has boxes"),
])
def test_bad_input(options, words):
    items = [example("Find cats.", boxes("cats", ONE))]
    with pytest.raises(ValueError, match=words):
        evaluate(Answering(items, [say()]), Prepared(items), **options)


def test_several_metrics_look_at_one_answer():
    items = [example("Find cats.", boxes("cats", ONE)), example("Find dogs.", boxes("dogs"))]
    model = Answering(items, [say(boxes("cats", ONE)), say()])  # one answer for each question
    wanted = evaluate(Answering(items, [say(boxes("cats", ONE)), say()]), Prepared(items), "boxes", "ap")
    assert evaluate(model, Prepared(items), "boxes", ["ap", "refusal"]) == wanted | {"N-acc": 1, "T-acc": 1}
    with pytest.raises(ValueError, match="ap, p50 are about different questions"):
        evaluate(Answering([], []), Prepared(items), "boxes", ("ap", "p50"))


def test_answers_without_labels_are_of_what_was_asked_for():
    items = [example("Find cats and dogs.", boxes("cats", ONE), boxes("dogs", FAR))]
    bare = say(Text("It is "), boxes("", ONE), Text(" and "), boxes("", FAR))
    assert evaluate(Answering(items, [bare]), Prepared(items), "boxes")["AP"] == 1
    swapped = say(boxes("", FAR), boxes("", ONE))
    assert evaluate(Answering(items, [swapped]), Prepared(items), "boxes")["AP"] == 0
    fewer = as_asked(say(boxes("", ONE)), items[0].answer)
    more = as_asked(say(boxes("", ONE), boxes("", FAR), boxes("", FAR)), items[0].answer)
    assert [part.label for part in fewer.boxes] == ["cats"] and [part.label for part in more.boxes] == ["cats", "dogs", ""]
    half = say(boxes("birds", ONE), boxes("", FAR))  # who writes labels is taken at its word
    assert as_asked(half, items[0].answer) is half


def test_no_questions():
    with pytest.raises(ValueError, match="prepared has no questions about boxes"):
        evaluate(Answering([], []), Prepared([]), "boxes")


def test_a_task_is_picked_out():
    items = [example("Find cats.", boxes("cats", ONE)), example("How many?", Text("1."), task="count"),
             example("Which colour?", Text("Red."), task="colour"), example("How many?", Text("2."), task="count")]
    model = Answering(items, [say(), say(Text("One.")), say(Text("Blue.")), say(Text("3."))])
    assert evaluate(model, Prepared(items), "text", task="count") == {"accuracy": 0.5}
    assert evaluate(model, Prepared(items), "text", task="count", limit=1) == {"accuracy": 1}


@pytest.mark.parametrize("part, metric, wanted", [
    ("boxes", None, {"AP": 1, "AP50": 1, "AP75": 1}), ("boxes", "p50", {"P@0.5": 1}),
    ("boxes", "routing", {"routing": 1}), ("masks", "iou", {"gIoU": 1, "cIoU": 1}), ("masks", "absent", None),
    ("masks", "ap", {"AP": 1, "AP50": 1, "AP75": 1}), ("text", "accuracy", {"accuracy": 1}),
    ("text", "routing", {"routing": 1}),
])
def test_perfect_answers_on_the_world(part, metric, wanted):
    task = {"p50": "refer_boxes", "iou": "refer_masks", "ap": part, "absent": part, None: part}.get(metric)
    world = World(size=96)
    model = Echo(world.examples(part, limit=12, task=task))
    result = evaluate(model, world, part, metric, limit=12)
    assert result == (wanted or {"silent": 1, "recall": 1})


def test_a_coco_file_is_asked_everything(tmp_path):
    Pil.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    Pil.fromarray(np.full((30, 40, 3), 9, np.uint8)).save(tmp_path / "b.png")
    images = [{"id": number, "file_name": f"{name}.png", "width": 40, "height": 30} for number, name in enumerate("ab")]
    images[1]["unlabelled_classes"] = ["Thing 13"]
    kinds = [{"id": number, "name": f"Thing {number}"} for number in range(15)]
    annotations = [
        {"id": at, "image_id": image, "category_id": kind, "bbox": [2, 2, 10, 10], "area": 100, "iscrowd": crowd}
        for at, (image, kind, crowd) in enumerate([(0, 1, 0), (0, 13, 0), (1, 1, 1), (1, 14, 0)], 1)
    ]
    path = tmp_path / "things.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": kinds}))

    class Careless(Echo):
        def ask(self, questions, **options):
            return [Message("assistant", (*answer.content, boxes("thing 13", FAR, scores=[0.9])))
                    for answer in super().ask(questions)]

    from superlens.data.sources.coco import CocoSource

    source = CocoSource(path)
    facts = facts_of(source)
    assert len(facts.categories) == 15 and facts.unlabelled == {1: {"thing 13"}} and not facts.semantic
    items = source.examples("boxes")
    assert len(items) == 4
    assert evaluate(Echo(items), str(path), "boxes") == {"AP": 1, "AP50": 1, "AP75": 1}
    assert evaluate(Echo(items), source, "boxes", "absent")["recall"] == 1
    # "thing 13" too much: on picture a it comes after the right one (score 1), on picture b nobody labelled it.
    assert evaluate(Careless(items), source, "boxes")["AP"] == 1
    assert evaluate(Careless(items), source, "boxes", "routing")["routing"] == 0


def test_a_semantic_file_leaves_void_out(tmp_path):
    from pycocotools import mask as coco_mask

    from superlens.data.sources.coco import CocoSource

    sky, road, more = (np.zeros((30, 40), bool) for _ in range(3))
    sky[:, :20], road[:, 20:30], more[:, 20:] = True, True, True
    annotations = []
    for number, mask in enumerate((sky, road)):
        written = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        annotations.append({"id": number + 1, "image_id": 1, "category_id": number, "iscrowd": 0, "area": 1,
                            "bbox": coco_mask.toBbox(written).tolist(),
                            "segmentation": {"size": written["size"], "counts": written["counts"].decode()}})
    Pil.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    data = {"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}], "annotations": annotations,
            "categories": [{"id": 0, "name": "Sky"}, {"id": 1, "name": "Road"}]}
    answers = {"sky": sky[None], "road": more[None]}

    def spilt(answer):
        return Message("assistant", tuple(type(part)(part.label, answers[part.label]) for part in answer.masks))

    for name, wanted in (("semantic.json", 1.0), ("plain.json", 0.75)):
        (tmp_path / name).write_text(json.dumps(data))
        source = CocoSource(tmp_path / name)
        result = evaluate(Echo(source.examples("masks"), spilt), source, "masks", "miou")
        assert result["mIoU"] == wanted and list(result["per_class"]) == ["road", "sky"]


def test_importing_is_light():
    heavy = ("torch", "transformers", "supervision", "faster_coco_eval", "torchmetrics")
    modules = "sys, superlens.evaluate.runner, superlens.evaluate.baselines"
    code = f"import {modules}; print({{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.strip() == "set()"


def test_a_part_that_the_model_can_not_write_is_refused():
    with pytest.raises(ValueError, match=r"no link that writes keypoints; it writes text, boxes, masks\. These .*: nano, visionllm-v2"):
        evaluate(tiny.model(), World(), "keypoints", limit=1)
