"""Answers of features are learned again from what was said in their place."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.lessons.rehearsing import Rehearsing
from superlens.message import Conversation, Image, Message


@pytest.fixture(scope="module")
def model():
    return tiny.model(**tiny.FEATURES).eval()


def batch_of(model, *seeds):
    talks = []
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, (2, 32, 32, 3), np.uint8)
        asked = Message("user", (Image(pixels[0]), "Remove the noise."))
        talks.append(Conversation((asked, Message("assistant", (Image(pixels[1], of=0, restored=True),)))))
    return collate([model.processor.encode(talk) for talk in talks])


def test_with_nothing_replaced_it_is_the_links_own_loss(model):
    batch = batch_of(model, 0, 1)
    outputs, lesson = model.answer(batch), Rehearsing(0.0)(batch)
    total, count = lesson.loss(model, outputs)
    torch.testing.assert_close(total, model.losses(outputs, batch)["restore.value"][0])
    assert lesson.count == count == 2


def test_what_was_said_stands_in_the_place_of_what_is_true(model):
    batch = batch_of(model, 0, 1)
    outputs, lesson = model.answer(batch), Rehearsing(1.0)(batch)
    true_LD = model.embed(batch, outputs.visual).flatten(0, 1)
    mixed_LD = lesson.mixed(model, outputs).flatten(0, 1)
    inside_L = torch.zeros(len(true_LD), dtype=torch.bool)
    for start, count, _, _ in batch.features["restore"]:
        inside_L[start : start + count] = True
        said_TC = model.links["restore"].out(outputs.hidden_RTD.flatten(0, 1)[start - 1 : start - 1 + count])
        torch.testing.assert_close(mixed_LD[start : start + count], model.projector.project(said_TC[None])[0])
    assert torch.equal(mixed_LD[~inside_L], true_LD[~inside_L]) and not torch.allclose(mixed_LD[inside_L], true_LD[inside_L])


def test_the_adapters_learn_from_it_and_what_was_said_is_taken_as_it_is(model):
    batch = batch_of(model, 0)
    outputs, lesson = model.answer(batch), Rehearsing(1.0)(batch)
    inwards, outwards = model.projector.layers.weight, model.links["restore"].out.weight
    said = torch.autograd.grad(lesson.mixed(model, outputs).sum(), [inwards, outwards], allow_unused=True, retain_graph=True)
    assert said[0].any() and said[1] is None
    assert all(grad.any() for grad in torch.autograd.grad(lesson.loss(model, outputs)[0], [inwards, outwards]))


def test_a_batch_without_such_answers_has_nothing_to_rehearse(model):
    asked = Message("user", (Image(np.zeros((32, 32, 3), np.uint8)), "What is this?"))
    batch = collate([model.processor.encode(Conversation((asked, Message("assistant", "Nothing."))))])
    assert Rehearsing.of(model.processor)(batch).count == 0
