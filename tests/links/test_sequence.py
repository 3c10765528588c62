"""The sequence link against Momentor (arXiv 2402.11435): interpolation in and out, soft labels among all words, shared gradients."""

import numpy as np
import pytest
import tiny
import torch
from torch.nn import functional as F

from superlens.batch import collate
from superlens.links.base import Value, Words
from superlens.links.sequence import SequenceFormat
from superlens.message import Conversation, Message, Moments
from superlens.reading import Written
from superlens.video import Video

ANCHORS = 12


@pytest.fixture(scope="module")
def model():
    return tiny.model(
        links={"moments": {"type": "sequence", "options": {"anchors": ANCHORS}}},
        video={"type": "frames", "sampling": {"type": "uniform", "frames": 4}, "mean": True},
        decoders={},
    )


def talk(seconds=((1.0, 2.5),)):
    frames = [np.full((64, 64, 3), 20 * index, np.uint8) for index in range(8)]
    asked = Message("user", (Video(frames, fps=2.0), "When does it move?"))
    return Conversation((asked, Message("assistant", ("From ", Moments("it moves", seconds), "."))))


def test_a_moment_is_two_values_with_words_between():
    form = SequenceFormat("moments", "moments", options={"anchors": 11})
    clip = type("Clip", (), {"seconds": 10.0})
    assert form.write(Moments("a", [[2.5, 10]]), clip) == [Value(2.5), Words(" to "), Value(10.0)]
    assert set(form.roles().values()) == {"value"} and len(form.roles()) == 11 and form.medium == "video"


def test_values_are_interpolated_and_learned_as_soft_labels_among_all_words(model):
    link = model.links["moments"]
    values = torch.tensor([3.25, 0.0, 11.0])
    rows = link.token_rows
    wanted = torch.stack([0.75 * rows[3] + 0.25 * rows[4], rows[0], rows[11]])
    assert torch.allclose(link.embed_values(values), wanted)
    logits = torch.randn(3, model.vocabulary + ANCHORS)
    soft = torch.zeros_like(logits)
    first = model.first_id("moments")
    assert first == model.vocabulary
    for row, value in enumerate(values.tolist()):
        soft[row, first + int(value)] = 1 - value % 1
        if value % 1:
            soft[row, first + int(value) + 1] = value % 1
    assert torch.allclose(link.value_loss(logits, first, values), F.cross_entropy(logits, soft, reduction="sum"))


def test_gradients_reach_neighbours_and_values_stay(model):
    link = model.links["moments"]
    assert torch.allclose(link.rows("head_rows"), link.head_rows, atol=1e-7)
    link.zero_grad()
    link.rows("head_rows")[5].sum().backward()
    reached = link.head_rows.grad[:, 0]
    assert torch.allclose(reached, torch.tensor([2.0 ** -abs(i - 5) + (i == 5) for i in range(ANCHORS)]))  # its own counts twice
    link.zero_grad()


def test_the_next_value_lies_between_the_likeliest_neighbours(model):
    link = model.links["moments"]
    for value in (0.0, 3.25, 7.5, 10.9, 11.0):
        below = int(min(value, 10))
        chance = torch.full((ANCHORS,), 1e-9)
        chance[below], chance[below + 1] = 1 - (value - below), value - below
        logits = (chance + 1e-9).log()
        assert link.next_value(logits, int(logits.argmax())) == pytest.approx(value, abs=1e-3)


def test_frames_are_marked_with_both_rows_of_their_time(model):
    link = model.links["moments"]
    tokens = torch.zeros(2, 3, link.token_rows.shape[1])
    marked = link.mark_times(tokens, torch.tensor([0.0, 1.0]))
    assert torch.allclose(marked[1, 2], (link.token_rows[-1] + link.head_rows[-1]) / 2)
    batch = collate([model.processor.encode(talk())])
    with torch.no_grad():
        _, visual = model.encode(batch)
        plain = torch.stack(visual[:4]).mean(1)
        shares = torch.tensor([0.0, 1 / 3, 2 / 3, 1.0])
        assert torch.allclose(visual[4], link.mark_times(plain[:, None], shares)[:, 0], atol=1e-6)


def test_a_conversation_is_written_learned_and_read_back(model):
    sample = model.processor.encode(talk())
    (first, last) = sample.values
    assert [link for _, link, _, _ in (first, last)] == ["moments"] * 2
    assert [value for _, _, value, _ in (first, last)] == pytest.approx([1.0 / 4 * 11, 2.5 / 4 * 11])
    assert all(learned for *_, learned in (first, last)) and sample.labels_T[first[0] - 1] == -100
    batch = collate([sample])
    losses = model(batch)["losses"]
    assert losses["moments.value"][1] == 2 and model.counts(batch)["moments.value"] == 2
    embeds = model.embed(batch, model.encode(batch)[1])
    assert torch.allclose(embeds[0, first[0]], model.links["moments"].embed_values(torch.tensor([2.75]))[0], atol=1e-6)
    ids = [model.processor.token_ids[f"<time {number}>"] for number in (3, 7)]
    words = model.processor.words(" to ")
    count = 2 + len(words)
    said = Written([ids[0], *words, ids[1]], [0.5] * count, list(range(count)), values={0: 2.75, count - 1: 6.875})
    question = Conversation(talk().messages[:1])
    content, _, notes = model.processor.decode(said, question, [], sample.clips)
    assert not notes and np.allclose(content[0].seconds, [[1.0, 2.5]], atol=1e-3) and content[0].scores[0] == pytest.approx(0.5)


def test_what_was_chosen_is_fed_as_its_value(model):
    """Generation with the cache gives the logits of the whole sequence read at once."""
    from superlens.generation import Generator, Sampling

    steered = tiny.model(
        links={"moments": {"type": "sequence", "options": {"anchors": ANCHORS}}},
        video={"type": "frames", "sampling": {"type": "uniform", "frames": 4}, "mean": True},
        decoders={},
    )
    with torch.no_grad():
        steered.links["moments"].head_rows.mul_(40)
        steered.links["moments"].token_rows.mul_(40)
    question = Conversation(talk().messages[:1])
    prompt = steered.processor.encode(question, answer=False)
    (speaker,), _, _ = Generator(steered, steered.processor, Sampling(max_new_tokens=6)).run([prompt])
    values = speaker.written.values
    assert values and any(value % 1 > 0.01 for value in values.values())
    sample = steered.processor.encode(question, answer=False)
    for index, token in enumerate(speaker.written.ids):
        if index in values:
            sample.values.append((len(sample.ids_T), "moments", values[index], False))
        sample.ids_T = np.append(sample.ids_T, -2 if index in values else token)
        sample.labels_T = np.append(sample.labels_T, -100)
    batch = collate([sample])
    with torch.no_grad():
        outputs = steered.answer(batch)
        logits = steered.logits(outputs.hidden_RTD[0, len(prompt) - 1 : -1])
    assert logits.argmax(1).tolist() == speaker.written.ids
