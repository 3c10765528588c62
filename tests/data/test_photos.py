"""Pictures without labels: spoiled, and asked to be restored."""

import json

import numpy as np
import pytest
from PIL import Image as Pil
from sentences import refused

from superlens.data.augment import Augment
from superlens.data.check import check
from superlens.data.degrade import LEAVE, degrade, parse
from superlens.data.sources.open import open_source
from superlens.data.sources.photos import PhotoSource, practice, wording, write_pairs
from superlens.data.templates import HELD_OUT, ask
from superlens.data.wordings_restore import REPAIRS


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "inner").mkdir()
    for name, size in (("b.png", (40, 56)), ("inner/a.png", (70, 64))):
        Pil.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def listed(folder):
    file = folder / "images.json"
    file.write_text(json.dumps({"images": [{"id": 1, "file_name": "b.png", "width": 56, "height": 40}], "annotations": []}))
    return file


def test_folders_and_coco_files_without_labels_are_recognised(folder):
    assert isinstance(open_source(folder), PhotoSource) and len(open_source(folder)) == 2
    assert isinstance(open_source(listed(folder)), PhotoSource) and len(open_source(listed(folder))) == 1
    assert check(folder) == [] and check(listed(folder)) == []
    assert len(PhotoSource(folder / "b.png")) == 1


def test_a_sample_is_a_spoiled_view_and_what_it_was(folder):
    source = open_source(folder, augment=Augment(side=32))
    for seed in range(40):
        talk = source.conversation(seed % 2, np.random.default_rng(seed))
        again = source.conversation(seed % 2, np.random.default_rng(seed))
        assert talk == again
        shown, wanted = talk.images
        assert shown.size == wanted.size == (32, 32) and wanted.of == 0 and wanted.restored


def test_practice_asks_for_all_it_should():
    plans = [practice(np.random.default_rng(seed)) for seed in range(600)]
    asked = {repair for plan in plans for repair in plan.repairs}
    assert asked == set(REPAIRS) - {"turn by"}
    assert any(plan.undone < len(plan.steps) for plan in plans)
    assert 0.2 < sum(plan.undone == 2 for plan in plans) / len(plans) < 0.3  # chains need practice of their own
    for plan in plans:
        if plan.undone == 0:
            assert not {step.repair for step in plan.steps} & set(plan.repairs)
        elif plan.repairs != ("restore",):
            assert plan.repairs == tuple(step.repair for step in reversed(plan.steps[-plan.undone :]))


def test_examples_spoil_whole_pictures_as_they_are_told(folder):
    source = open_source(folder, spoil="blur:3,noise:10")
    (one, two) = source.examples("image", seed=5)
    target = one.answer.images[0]
    assert np.array_equal(target.pixels, np.asarray(Pil.open(folder / "b.png"))) and one.task == "restore_image"
    shown = one.question.images[0].pixels
    assert np.abs(shown.astype(int) - target.pixels).mean() > 5
    assert one.question == source.examples("image", seed=5)[0].question != source.examples("image", seed=6)[0].question
    assert two.question.images[0].size == (64, 70)


def test_turned_pictures_and_none(folder):
    (turned, _) = open_source(folder, spoil="rotate:90").examples("image")
    assert turned.question.images[0].size == turned.answer.images[0].size[::-1]
    (same, _) = open_source(folder, spoil="none").examples("image")
    assert np.array_equal(same.question.images[0].pixels, same.answer.images[0].pixels)


def test_held_out_words_are_never_trained_with():
    for repair, (training, held_out) in REPAIRS.items():
        assert not set(training.split("\n")) & set(held_out.split("\n")) - {""}, repair
        rng = np.random.default_rng(0)
        for _ in range(200):
            words = wording((repair,), rng, degrees=[30])
            assert words[0].islower() and "(" not in words and "{" not in words and "  " not in words
            assert words not in held_out.split("\n")
    question = ask("restore_image", np.random.default_rng(0), held_out=True, change="remove the noise")
    assert "remove the noise" in question and HELD_OUT["restore_image"]


def test_several_repairs_are_said_in_order():
    words = wording(("noise", "flip"), np.random.default_rng(3))
    assert " and " in words or ", then " in words
    assert "30 degrees" in wording(("turn by",), np.random.default_rng(0), degrees=[30])


def test_every_degradation_can_be_asked_to_be_undone():
    every = ("noise:1", "blur:3", "pepper:0.01", "rain:1", "mask:0.1", "rotate:90", "rotate:180", "rotate:-90", "rotate:33", "flip")
    for words in every:
        (step,) = parse(words)
        assert step.repair in REPAIRS
    assert parse("rotate:360")[0].repair == LEAVE
    picture = np.zeros((8, 8, 3), np.uint8)
    assert np.array_equal(degrade(picture, parse("rotate:360"), np.random.default_rng(0)), picture)


def test_what_is_not_there_is_refused(folder, tmp_path):
    refused(lambda: PhotoSource(folder / "nothing"), "nothing")
    (tmp_path / "empty").mkdir()
    refused(lambda: PhotoSource(tmp_path / "empty"), "no pictures")
    refused(lambda: PhotoSource(folder, spoil="nois:3"), "noise")
    refused(lambda: PhotoSource(folder).examples("boxes"), "boxes")
    broken = folder / "list.json"
    broken.write_text(json.dumps({"images": [{"id": 1, "file_name": "gone.png"}], "annotations": []}))
    refused(lambda: PhotoSource(broken), "gone.png")
    (folder / "torn.png").write_bytes((folder / "b.png").read_bytes()[:200])
    assert len(check(folder)) == 1


def test_pairs_are_written_and_read_back(folder, tmp_path):
    source = open_source(folder, spoil="noise:20,flip")
    told = []
    assert write_pairs(source, tmp_path / "pairs", seed=3, done=lambda: told.append(1)) == len(told) == 2
    assert check(tmp_path / "pairs") == []
    pairs = open_source(tmp_path / "pairs")
    assert pairs.tasks == {"restore_image": 1.0}
    talk = pairs.conversation(0, np.random.default_rng(0))
    example = source.examples("image", seed=3)[0]
    assert np.array_equal(talk.images[0].pixels, example.question.images[0].pixels)
    assert np.array_equal(talk.images[1].pixels, example.answer.images[0].pixels) and talk.images[1].restored
    (first, _) = pairs.examples("image")
    assert first.task == "restore_image"


def test_what_is_restored_is_measured_in_decibels(folder, tmp_path):
    from superlens.evaluate.runner import evaluate
    from superlens.message import Message

    class Silent:
        def ask(self, questions, **options):
            return [Message("assistant", ()) for _ in questions]

    write_pairs(open_source(folder, spoil="noise:20"), tmp_path / "pairs")
    figures = evaluate(Silent(), tmp_path / "pairs", "image")
    assert figures["psnr"] == 0 and 20 < figures["before"] < 25
