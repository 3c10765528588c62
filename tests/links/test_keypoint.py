"""The keypoint link: what it writes is read back, things and points apart, trained and generated."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.generation import Written
from superlens.links.base import Group
from superlens.message import Conversation, Image, Keypoints, Message, Text
from superlens.train.rows import GlanceCollator

LINKS = {"keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "queries": 2, "words": True, "decoder": "pose"}}
DECODERS = {"pose": {"type": "keypoint_detector", "channels": 16, "depth": 1, "width": 16}}
PERSON = Keypoints("person", ("nose", "left hand"), [[[20, 20, 2], [50, 60, 1]], [[70, 30, 2], [90, 80, 2]]])
DOG = Keypoints("dog", ("tail",), np.zeros((0, 1, 3)))


def posing(**links):
    return tiny.model(links={name: entry | links for name, entry in LINKS.items()}, decoders=DECODERS)


def talk(*parts) -> Conversation:
    picture = Image(np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8))
    return Conversation((Message("user", (picture, Text("Where are they?"))), Message("assistant", parts)))


def written(model, sample, slots=2) -> Written:
    """The sample's answer as if it had been generated."""
    said = Written()
    start = int(np.flatnonzero(sample.labels_T != -100)[0]) + 1
    for place in range(start, len(sample)):
        if sample.ids_T[place] >= 0 and sample.ids_T[place] not in model.processor.end_ids:
            said.ids.append(int(sample.ids_T[place]))
            said.chances.append(1.0)
            said.places.append(place)
            if slots and place + 1 < len(sample) and sample.ids_T[place + 1] < 0:
                said.slots[len(said.ids) - 1] = place + 1
    return said


@pytest.mark.parametrize("options", [{}, {"queries": 0}, {"queries": 0, "emitted": ["[E1]"]}])
def test_what_is_written_is_read_back(options):
    model = posing(**options)
    conversation = talk(Text("Here: "), PERSON, Text(" and "), DOG)
    sample = model.processor.encode(conversation)
    assert [(g.label, g.parent.label if g.parent else None) for g in sample.groups] == [
        ("person", None), ("nose", "person"), ("left hand", "person"), ("dog", None), ("tail", "dog"),
    ]
    assert [g.target is not None for g in sample.groups] == [True, False, False, True, False]
    content, groups, notes = model.processor.decode(
        written(model, sample, model.processor.formats["keypoints"].slots), conversation, sample.canvases
    )
    assert not notes and [g.label for g in groups] == [g.label for g in sample.groups]
    assert [g.positions for g in groups] == [g.positions for g in sample.groups]
    assert [item.label for item in content if isinstance(item, Group)] == ["person", "dog"]


def test_a_point_without_a_thing_is_a_note():
    model = posing()
    point = [model.processor.token_ids[token] for token in ("<p>", "</p>", "[POINT]")]
    said = Written([point[0], *model.processor.words(" nose"), *point[1:]], [1.0] * 9, list(range(100, 109)), {})
    said.slots[len(said.ids) - 1] = 110
    sample = model.processor.encode(talk(PERSON))
    _, groups, notes = model.processor.decode(said, talk(PERSON), sample.canvases)
    assert groups == [] and "'nose' belongs to nothing" in notes[0]


def test_words_may_stand_between_a_thing_and_its_points():
    model = posing()
    sample = model.processor.encode(talk(PERSON))
    said = written(model, sample)
    comma = said.ids.index(model.processor.token_ids["[POSE]"]) + 1
    for column, value in ((said.ids, model.processor.words(",")[0]), (said.chances, 1.0), (said.places, 999)):
        column.insert(comma, value)
    said.slots = {index + (index >= comma): first for index, first in said.slots.items()}
    _, groups, notes = model.processor.decode(said, talk(PERSON), sample.canvases)
    assert not notes and [g.parent.label if g.parent else None for g in groups] == [None, "person", "person"]


def test_losses_reach_every_parameter_and_fall():
    model = posing().train()
    samples = [model.processor.encode(talk(PERSON)), model.processor.encode(talk(DOG))]
    batch = collate(samples)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    told = []
    for _ in range(12):
        optimiser.zero_grad()
        out = model(batch)
        out["loss"].backward()
        optimiser.step()
        told.append(float(out["loss"].detach()))
    assert min(told[-3:]) < 0.85 * told[0]
    assert [n for n, p in model.named_parameters() if p.grad is None and n.startswith(("links", "decoders"))] == []
    assert {name: count for name, (_, count) in out["losses"].items()}.items() <= model.counts(batch).items()


def test_points_have_a_projection_of_their_own():
    model = posing()
    batch = collate([model.processor.encode(talk(PERSON))])
    before = model.answer(batch).asked[0].requests.vectors_KnC.clone()
    with torch.no_grad():
        model.links["keypoints"].project_points[0].weight.add_(1.0)
    after = model.answer(batch).asked[0].requests.vectors_KnC
    assert torch.equal(before[0], after[0]) and not torch.allclose(before[1], after[1])


def test_a_glance_keeps_points_with_their_things():
    model = posing()
    batch = GlanceCollator()([model.processor.encode(talk(PERSON)), model.processor.encode(talk(DOG, PERSON))])["batch"]
    asked = model.answer(batch).asked
    assert [one.requests.parents for one in asked] == [[-1, 0, 0, -1, 3, -1, 5, 5]]
    model(batch)["loss"].backward()


def test_answers_are_generated_alike_in_any_batch():
    model = tiny.talkative(posing())
    with torch.no_grad():  # prefer what matters here
        model.links["keypoints"].head_rows.mul_(3.0)
    questions = [Conversation(talk.messages[:1]) for talk in tiny.conversations(8, tasks={"count": 1}, turns=(1, 1))]
    together = model.ask(questions, batch_size=8, max_new_tokens=12, min_score=0.0)
    alone = model.ask(questions, batch_size=1, max_new_tokens=12, min_score=0.0)
    assert any(message.keypoints for message in together)
    for one, two in zip(together, alone):
        assert one.text == two.text and len(one.keypoints) == len(two.keypoints)
        for a, b in zip(one.keypoints, two.keypoints):
            assert a.names == b.names and np.allclose(a.scores, b.scores, atol=1e-4) and np.allclose(a.xyv, b.xyv, atol=0.5)


def test_without_phrase_tokens_it_is_refused():
    with pytest.raises(ValueError, match="keypoints have names"):
        posing(phrase=None)
