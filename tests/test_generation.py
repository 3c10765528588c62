"""Routed generation: batch invariance, parity with a plain full forward, forcing, sampling, streaming."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.data.world import World
from superlens.generation import Generator, Sampling
from superlens.links.base import NoLinkError

LINKS = {
    "queries": {},
    "emitted_before": {
        "links": {
            "boxes": {
                "type": "query",
                "token": "[S0]",
                "queries": 0,
                "emitted": ["[S1]", "[S2]"],
                "read": "before",
                "decoder": "detect",
            },
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


LAYERS = ["sliding_attention", "full_attention"]


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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(model, dtype):
    answers = model.to(dtype).ask(questions(3), max_new_tokens=8, min_score=0.0)
    assert sum(len(answer.outputs) for answer in answers) > 0


def test_sampling_does_not_depend_on_the_batch():
    model = tiny.talkative(tiny.model())
    asked = questions(6)
    options = {"max_new_tokens": 12, "temperature": 1.0, "seed": 3, "min_score": 0.0}
    together, alone = model.ask(asked, batch_size=6, **options), model.ask(asked, batch_size=1, **options)
    for one, two in zip(together, alone):
        same(one, two)
    assert [a.text for a in together] != [a.text for a in model.ask(asked, **(options | {"seed": 4}))]
    # Nor on how many calls it takes, where questions are numbered on.
    chunks = [*model.ask(asked[:2], **options), *model.ask(asked[2:], numbers=range(2, 6), **options)]
    assert [a.text for a in together] == [a.text for a in chunks]
    assert [a.text for a in together][2:] != [a.text for a in model.ask(asked[2:], **options)]
    with pytest.raises(ValueError, match="there are 6 questions and 2 numbers"):
        model.ask(asked, numbers=[0, 1], **options)


def test_generated_hidden_states_equal_a_full_forward(model):
    """What the loop read through its cache, holes and all, is what one forward over the finished sequence gives."""
    full_forward_agrees(model, questions(5))


def full_forward_agrees(model, asked):
    prompts = [model.processor.encode(question, answer=False) for question in asked]
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
        inputs_embeds=embeds,
        attention_mask=torch.ones(embeds.shape[:2]),
        max_new_tokens=12,
        do_sample=False,
        use_cache=True,
        pad_token_id=0,
        eos_token_id=model.processor.end_ids,
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
    with pytest.raises(NoLinkError, match="no link 'moments' to answer with") as caught:
        model.ask(question, answer_with="moments")
    assert caught.value.part == "moments"


def test_forced_labels_are_followed_by_the_link():
    model = tiny.model()
    generator = Generator(model, model.processor, Sampling(), force="boxes")
    ids = model.processor.token_ids
    assert generator.opening == [ids["<p>"]] and generator.after_label == {ids["</p>"]: [ids["[BOX]"]]}


@pytest.mark.parametrize("links", LINKS)
def test_only_words_stand_inside_a_phrase(links):
    """Of models that say anything after anything, with temperature: a phrase is never cut off by another token or by the end."""
    model = tiny.talkative(tiny.model(**LINKS[links]))
    prompts = [model.processor.encode(question, answer=False) for question in questions(6)]
    speakers, _, _ = Generator(model, model.processor, Sampling(max_new_tokens=60, temperature=1.5)).run(prompts)
    ids, roles, opened = model.processor.token_ids, model.processor.roles, 0
    names = {ids[token]: role for token, role in roles.items()}
    for speaker in speakers:
        inside = False
        for token in speaker.written.ids:
            role = names.get(token)
            if inside:
                assert role in (None, "close", "tool") and token not in model.processor.end_ids
            opened += role == "open"
            inside = role == "open" or (inside and role is None)
        assert not inside or len(speaker.written.ids) >= 60
    assert opened > 5


@pytest.mark.parametrize("links", LINKS)
def test_text_streams_as_it_is_generated(links):
    model = wordy(tiny.talkative(tiny.model(**LINKS[links])))
    pieces = {}
    answers = model.ask(
        questions(4), max_new_tokens=24, batch_size=4, min_score=0.0, on_text=lambda i, text: pieces.setdefault(i, []).append(text)
    )
    assert any(len(told) > 2 for told in pieces.values())
    for index, answer in enumerate(answers):
        left_out = any("left out" in note or "not finished" in note or "could not read" in note for note in answer.notes)
        if not left_out:
            assert "".join(pieces.get(index, [])).replace(" ", "") == answer.text.replace(" ", "").rstrip("\ufffd")


def wordy(model):
    """Links' tokens are likely no more than words are."""
    with torch.no_grad():
        for link in model.links.values():
            link.head_rows.mul_(0.3)
    return model


LANGUAGES = {
    "mistral": {"sliding_window": 8, "intermediate_size": 64, "num_key_value_heads": 2},
    "gemma3_text": {"sliding_window": 8, "intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8, "layer_types": LAYERS},
    "gpt2": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
}


@pytest.mark.parametrize("family, holes", [("mistral", False), ("gemma3_text", False), ("gpt2", True), ("opt", True)])
def test_every_kind_of_cache_is_batch_invariant(family, holes):
    """Windows narrower than the text count the holes, so such models answer one by one; either way nothing depends on the batch."""
    sizes = {"vocab_size": 2048, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 1024}
    ends = {"bos_token_id": 0, "eos_token_id": 4, "pad_token_id": 0, "tie_word_embeddings": True}
    config = {"model_type": family} | sizes | ends | LANGUAGES[family]
    model = tiny.talkative(tiny.model(language={"type": "causal_lm", "config": config, "tokenizer": "nano"}))
    assert model.language.reads_past_holes is holes
    asked = questions(8)
    options = {"max_new_tokens": 40, "min_score": 0.0}
    together, alone = model.ask(asked, batch_size=8, **options), model.ask(asked, batch_size=1, **options)
    for one, two in zip(together, alone):
        same(one, two)
    assert sum(len(answer.outputs) for answer in together) > 0
    full_forward_agrees(model, asked[:3])


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_last_token_may_be_a_routing_token(limit):
    """What a link reads from is fed even when no token may follow it."""
    links = {"boxes": {"type": "query", "token": "[BOX]", "queries": 0, "phrase": None, "decoder": "detect"}}
    for form in ({}, {"queries": 2}, {"emitted": ["[S1]", "[S2]"]}):
        model = tiny.talkative(tiny.model(links={"boxes": links["boxes"] | form}))
        answer = model.ask(questions(1)[0], max_new_tokens=limit, answer_with="boxes", min_score=0.0)
        assert answer.boxes and not answer.notes


def test_answers_end_where_the_context_ends():
    model = tiny.talkative(tiny.model())
    prompt = model.processor.encode(questions(1)[0], answer=False)
    for room in (0, 1, 2, 4):
        generator = Generator(model, model.processor, Sampling(), force="boxes")
        generator.after_label = {model.processor.token_ids["<p>"]: [model.processor.token_ids["[BOX]"]]}
        generator.max_positions = len(prompt) + room
        speaker = generator.run([prompt])[0][0]
        content, _, _ = model.processor.decode(speaker.written, questions(1)[0], prompt.canvases)
        assert speaker.position <= generator.max_positions
        assert all(position in speaker.hidden for group in content if hasattr(group, "positions") for position in group.positions)
        assert len(speaker.written.ids) == min(room, 2 if room == 4 else 1)


def test_samples_that_have_ended_leave_the_cache():
    """Half of the questions may write one token only: the others' answers do not change."""
    model = tiny.talkative(tiny.model())
    prompts = [model.processor.encode(question, answer=False) for question in questions(6)]
    alone = [Generator(model, model.processor, Sampling(max_new_tokens=10)).run([prompt])[0][0].written.ids for prompt in prompts]
    generator = Generator(model, model.processor, Sampling(max_new_tokens=10))
    generator.end_ids |= {ids[1] for ids in alone[:3]}
    said = [speaker.written.ids for speaker in generator.run(prompts)[0]]
    assert min(map(len, said)) < max(map(len, said))
    for ids, whole in zip(said, alone):
        assert ids == whole[: len(ids)]


def test_bad_questions():
    model = tiny.model()
    with pytest.raises(ValueError, match="question is empty"):
        model.ask("  ")
    with pytest.raises(ValueError, match=r"no such file|No such file|does not exist|not found|There is no"):
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
