"""Routed generation: batch invariance, parity with a plain full forward, forcing, sampling, streaming."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.data.world import World
from superlens.generation import Generator, Sampling

LINKS = {
    "queries": {},
    "emitted_before": {
        "links": {
            "boxes": {"type": "query", "token": "[S0]", "queries": 0, "emitted": ["[S1]", "[S2]"], "read": "before", "decoder": "detect"},
            "masks": {"type": "query", "token": "[SEG]", "queries": 0, "read": "before", "absent": "[REJ]", "decoder": "segment"},
        }
    },
    "codec": {
        "links": {
            "boxes": {"type": "codec"},
            "masks": {"type": "phrase", "decoder": "segment"},
        }
    },
}


def questions(count):
    world = World()
    pool = [*world.examples("boxes", limit=count), *world.examples("masks", limit=count), *world.examples("text", limit=count)]
    return [example.question for example in pool][::2][:count]


@pytest.fixture(params=LINKS)
def model(request):
    return tiny.talkative(tiny.model(**LINKS[request.param]))


def same(first, second, tolerance=1e-4):
    assert [type(part) for part in first.content] == [type(part) for part in second.content]
    assert first.text == second.text and first.notes == second.notes
    for one, two in zip(first.outputs, second.outputs):
        assert one.count == two.count
        if one.count:
            assert np.abs(one.scores - two.scores).max() < tolerance


def test_batch_1_equals_batch_8(model):
    asked = questions(8)
    together = model.ask(asked, batch_size=8, max_new_tokens=24, min_score=0.0)
    alone = model.ask(asked, batch_size=1, max_new_tokens=24, min_score=0.0)
    for one, two in zip(together, alone):
        same(one, two)
    assert len({answer.text for answer in together}) > 1, "the samples must take different ways"


def test_the_suite_walks_through_routing():
    model = tiny.talkative(tiny.model())
    answers = model.ask(questions(8), max_new_tokens=24, min_score=0.0)
    assert sum(len(answer.outputs) for answer in answers) >= 4


def test_sampling_does_not_depend_on_the_batch():
    model = tiny.talkative(tiny.model())
    asked = questions(6)
    options = {"max_new_tokens": 12, "temperature": 1.0, "seed": 3, "min_score": 0.0}
    together, alone = model.ask(asked, batch_size=6, **options), model.ask(asked, batch_size=1, **options)
    for one, two in zip(together, alone):
        same(one, two)
    assert [a.text for a in together] != [a.text for a in model.ask(asked, **(options | {"seed": 4}))]


def test_generated_hidden_states_equal_a_full_forward(model):
    """What the loop read through its cache, holes and all, is what one forward over the finished sequence gives."""
    prompts = [model.processor.encode(question, answer=False) for question in questions(5)]
    speakers, _, _ = Generator(model, model.processor, Sampling(max_new_tokens=16)).run(prompts)
    for speaker, prompt in zip(speakers, prompts):
        whole = replay(model, speaker, prompt)
        for position, state in speaker.hidden.items():
            assert torch.allclose(state, whole[position], atol=2e-4), position


@torch.inference_mode()
def replay(model, speaker, prompt):
    batch = collate([prompt])
    _, visual = model.encode(batch)
    embeds = [model.embed(batch, visual)[0]]
    for index, chosen in enumerate(speaker.written.ids):
        embeds.append(model.embed_ids(torch.tensor([chosen])))
        if index in speaker.written.slots:
            embeds.append(model.links[model.processor.formats[speaker_link(model, chosen)].name].queries())
    embeds = torch.cat(embeds)[None]
    return model.think(embeds, torch.arange(embeds.shape[1])[None])[0]


def speaker_link(model, token):
    name = model.processor.token_names[token]
    return next(link for link, form in model.processor.formats.items() if form.slots and name in form.roles())


def test_text_only_equals_transformers_generate():
    model = tiny.model()
    prompt = model.processor.encode(questions(3)[0], answer=False)
    speakers, batch, _ = Generator(model, model.processor, Sampling(max_new_tokens=12)).run([prompt])
    for link in model.links.values():
        torch.nn.init.constant_(link.head_rows, 0.0)
    _, visual = model.encode(batch)
    embeds = model.embed(batch, visual)
    said = model.language.model.generate(
        inputs_embeds=embeds, attention_mask=torch.ones(embeds.shape[:2]), max_new_tokens=12, do_sample=False, use_cache=True,
        pad_token_id=0, eos_token_id=model.processor.end_ids,
    )[0].tolist()
    ours = speakers[0].written.ids
    assert ours == said[: len(ours)] and len(ours) >= len(said) - 1


def test_an_answer_can_be_forced_to_use_a_link():
    model = tiny.model()
    question = questions(1)[0]
    assert not model.ask(question, max_new_tokens=30).outputs
    speakers, _, _ = Generator(model, model.processor, Sampling(max_new_tokens=8), force="masks").run(
        [model.processor.encode(question, answer=False)]
    )
    assert speakers[0].written.ids[0] == model.processor.token_ids["<p>"]
    with pytest.raises(ValueError, match="did you mean 'masks'"):
        model.ask(question, answer_with="mask")


def test_forced_labels_are_followed_by_the_link():
    model = tiny.model()
    generator = Generator(model, model.processor, Sampling(), force="boxes")
    ids = model.processor.token_ids
    assert generator.opening == [ids["<p>"]] and generator.after_label == {ids["</p>"]: [ids["[BOX]"]]}


def test_text_streams_as_it_is_generated():
    model = tiny.talkative(tiny.model())
    pieces = {}
    asked = questions(4)
    answers = model.ask(asked, max_new_tokens=16, batch_size=4, on_text=lambda i, text: pieces.setdefault(i, []).append(text))
    assert any(len(told) > 2 for told in pieces.values())
    for index, answer in enumerate(answers):
        spoken = "".join(pieces.get(index, []))
        said = "".join(part.text for part in answer.content if hasattr(part, "text"))
        assert said.replace("\ufffd", "") in spoken or spoken in said or not said


def test_bad_questions():
    model = tiny.model()
    with pytest.raises(ValueError, match="question is empty"):
        model.ask("  ")
    with pytest.raises(ValueError, match="no such file|No such file|does not exist|not found|There is no"):
        model.ask("What is this?", image="nowhere.png")
    long = model.ask([*questions(1), questions(1)[0]], max_new_tokens=2, errors="return")
    assert len(long) == 2
    with pytest.raises(ValueError, match="tokens long"):
        model.ask("word " * 3000)
    kept = model.ask([as_words("word " * 3000), as_words("hello")], errors="return", max_new_tokens=2)
    assert isinstance(kept[0], ValueError) and kept[1].role == "assistant"


def as_words(text):
    from superlens.asking import as_conversation

    return as_conversation(text)
