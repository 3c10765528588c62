"""Query links: where tokens, slots and read-outs stand, in what is learned and in what is generated; which rows they own."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.links.query import QueryFormat
from superlens.message import Boxes, Conversation, Image, Message, Text
from superlens.processor import NO_LABEL, SLOT

READS = {
    "slots": ({"queries": 3}, ["<p>", " dog", "</p>", "[BOX]", SLOT, SLOT, SLOT], [4, 5, 6]),
    "before slots": ({"queries": 2, "read": "before"}, ["<p>", " dog", "</p>", "[BOX]", SLOT, SLOT], [3, 4]),
    "at the token": ({"queries": 0}, ["<p>", " dog", "</p>", "[BOX]"], [3]),
    "before the token": ({"queries": 0, "read": "before"}, ["<p>", " dog", "</p>", "[BOX]"], [2]),
    "emitted": ({"queries": 0, "emitted": ["[1]", "[2]"]}, ["<p>", " dog", "</p>", "[BOX]", "[1]", "[2]"], [3, 4, 5]),
    "no phrase": ({"queries": 1, "phrase": None}, ["[BOX]", SLOT], [1]),
}


def built(**options):
    return tiny.model(links={"boxes": {"type": "query", "token": "[BOX]", "decoder": "detect"} | options})


def talk(boxes_N4=((1, 2, 30, 40),)):
    picture = Image(np.zeros((64, 64, 3), np.uint8))
    answer = (Text("So"), Boxes("dog", np.array(boxes_N4).reshape(-1, 4)), Text(" there."))
    return Conversation((Message("user", (picture, Text("Find the dog."))), Message("assistant", answer)))


@pytest.mark.parametrize("case", READS)
def test_what_is_written_learned_and_read(case):
    options, wanted, read = READS[case]
    model = built(**options)
    sample = model.processor.encode(talk())
    prompt = len(model.processor.encode(Conversation(talk().messages[:1]), answer=False))
    at = prompt + len(model.processor.words("So"))
    length = sum(1 if piece is SLOT else len(ids_of(model, piece)) for piece in wanted)
    assert sample.ids_T[at : at + length].tolist() == [i for piece in wanted for i in ids_of(model, piece)]
    # Every token of the answer is learned at the position before it; slots are not, the word after them is.
    answered = sample.ids_T[prompt : at + length + 1]
    for position, token in enumerate(answered, prompt):
        assert sample.labels_T[position - 1] == (NO_LABEL if token == SLOT else token)
    spread = length - len(wanted)  # the label may be more than one token
    assert sample.groups[0].positions == [at + position + spread for position in read]
    assert sample.slots == ([(at + length - options["queries"], "boxes")] if options["queries"] else [])
    batch = collate([sample, sample], [[0, 1]])
    assert batch.groups[1].positions == [position + len(sample) for position in batch.groups[0].positions]


def ids_of(model, piece):
    if piece is SLOT:
        return [SLOT]
    return [model.processor.token_ids[piece]] if piece in model.processor.token_ids else model.processor.words(piece)


def test_absent_things_cost_one_token_and_no_request():
    model = built(absent="[REJ]")
    sample = model.processor.encode(talk(boxes_N4=()))
    assert model.processor.token_ids["[REJ]"] in sample.ids_T and model.processor.token_ids["[BOX]"] not in sample.ids_T
    assert not sample.groups and not sample.slots
    assert len(built().processor.encode(talk(boxes_N4=())).groups) == 1


def test_queries_are_embedded_in_their_slots_and_start_at_the_embedding_scale():
    model = built(queries=64)
    batch = collate([model.processor.encode(talk())])
    embeds_TD = model.embed(batch, model.encode(batch)[1])[0]
    first = batch.slots["boxes"][0]
    assert torch.equal(embeds_TD[first : first + 64], model.links["boxes"].query_rows)
    scale = model.language.embedding_scale()
    for rows in (model.links["boxes"].query_rows, model.links["boxes"].token_rows):
        assert 0.5 * scale < float(rows.detach().std()) < 2 * scale


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_requests_begin_as_large_as_decoders_own_tokens(depth):
    link = built(depth=depth).links["boxes"]
    states_ND = torch.randn(500, link.project[0].in_features, generator=torch.Generator().manual_seed(7))
    assert 0.8 < float(link.project(states_ND).detach().std()) < 1.25


def test_tokens_of_two_links_have_rows_of_their_own_and_shared_ones_one_owner():
    model = tiny.model()
    assert model.links["boxes"].tokens == ("<p>", "</p>", "[BOX]") and model.links["masks"].tokens == ("[SEG]",)
    names = [name for link in model.links.values() for name in link.tokens]
    assert [model.processor.token_ids[name] for name in names] == list(range(2048, 2048 + len(names)))
    ids = torch.tensor([5, 2048, 2051])
    embeds_LD = model.embed_ids(ids)
    assert torch.equal(embeds_LD[0], model.language.embed(ids[:1])[0])
    assert torch.equal(embeds_LD[1], model.links["boxes"].token_rows[0]) and torch.equal(
        embeds_LD[2], model.links["masks"].token_rows[0]
    )
    with pytest.raises(ValueError, match="already means 'open' in another link"):
        tiny.model(links=tiny.RECIPE["links"] | {"masks": {"type": "query", "token": "<p>", "decoder": "segment", "phrase": None}})


@pytest.mark.parametrize("pool, vectors", [("mean", 1), ("none", 3)])
@pytest.mark.parametrize("words", [False, True])
def test_requests(pool, vectors, words):
    link = built(queries=3, pool=pool, words=words).links["boxes"]
    hidden_KnD, words_KD = torch.randn(4, 3, 32), torch.randn(4, 32)
    requests_KnC = link.requests(hidden_KnD, words_KD, [None] * 4)
    assert requests_KnC.shape == (4, vectors, 16)
    assert torch.allclose(requests_KnC, link.requests(hidden_KnD, torch.randn(4, 32), [None] * 4)) is not words
    link.dummy(torch.randn(32)).backward()
    assert all(p.grad is not None and not p.grad.any() for p in link.parameters())


def test_mistakes_are_sentences():
    same = {"type": "query", "token": "[BOX]", "decoder": "segment"}
    with pytest.raises(ValueError, match=r"token '\[BOX\]' is that of links.boxes: give each link its own"):
        tiny.model(links=tiny.RECIPE["links"] | {"masks": same})
    with pytest.raises(ValueError, match="read is 'at' or 'before', got 'after'"):
        QueryFormat("boxes", "boxes", "detect", "[BOX]", read="after")
    with pytest.raises(ValueError, match="0 where tokens are emitted"):
        QueryFormat("boxes", "boxes", "detect", "[BOX]", queries=2, emitted=("[1]",))
    with pytest.raises(ValueError, match="phrase wants two tokens"):
        QueryFormat("boxes", "boxes", "detect", "[BOX]", phrase=("<p>",))
    with pytest.raises(ValueError, match="pool is 'mean' or 'none', got 'max'"):
        built(pool="max")
    with pytest.raises(ValueError, match="did you mean 'detect'"):
        built(decoder="detct")
    with pytest.raises(ValueError, match=r"unknown key 'querys'.*did you mean 'queries'"):
        built(querys=2)
    with pytest.raises(ValueError, match=r"unknown key 'pol' in links.boxes.*did you mean 'pool'"):
        built(pol="none")
    with pytest.raises(ValueError, match=r"links.boxes .type query. lacks the key 'token'"):
        tiny.model(links={"boxes": {"type": "query", "decoder": "detect"}})
