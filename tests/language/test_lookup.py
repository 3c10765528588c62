"""The wired heads look where they should, before any training; what they can not be wired into is said."""

import math

import pytest
import torch

from superlens.language.causal import CausalLanguage
from superlens.recipes.schema import read_recipe
from superlens.vision.projector import TokenProjector

CONFIG = {
    "model_type": "llama", "vocab_size": 512, "hidden_size": 256, "intermediate_size": 320, "num_hidden_layers": 3,
    "num_attention_heads": 8, "max_position_embeddings": 128, "tie_word_embeddings": True,
}

WIDE = {"num_attention_heads": 4, "rope_parameters": {"rope_type": "default", "rope_theta": 1e8}, "max_position_embeddings": 512}


def language_of(start, **changes):
    torch.manual_seed(0)
    return CausalLanguage(CONFIG | changes, start=start)


def attentions(language, ids):
    language.model.config._attn_implementation = "eager"
    return language.eval().model(input_ids=ids, output_attentions=True).attentions


@torch.no_grad()
def test_heads_look_at_the_token_before_and_at_what_came_next():
    words = torch.randint(5, 500, (16, 12), generator=torch.Generator().manual_seed(1))
    ids = torch.cat([words, torch.full((16, 1), 2), words], 1)
    later = torch.arange(13, 25)
    for start, before, next_one in (("lookup", (0.75, 1.0), (0.12, 1.0)), (None, (0.0, 0.3), (0.0, 0.1))):
        first, second, _ = attentions(language_of(start), ids)
        for head in range(4):
            assert before[0] <= first[:, head].diagonal(-1 - head, 1, 2).mean() <= before[1]
        for head in (0, 1):
            assert next_one[0] <= second[:, head, later, later - 12].mean() <= next_one[1]


@torch.no_grad()
def test_quiet_and_wide_heads_look_things_up_over_two_hundred_tokens():
    words = torch.stack([torch.randperm(500, generator=torch.Generator().manual_seed(row))[:200] for row in range(2)])
    ids, later = torch.cat([words, words], 1), torch.arange(200, 399)

    def found(start, **changes):
        second = attentions(language_of(start, **({"max_position_embeddings": 512} | changes)), ids)[1]
        return float(second[:, 0, later, later - 199].mean())

    assert found({"type": "lookup", "quiet": 0.1}, **WIDE) > 0.5
    assert max(found("lookup"), found("lookup", **WIDE), found({"type": "lookup", "quiet": 0.1})) < 0.35


@torch.no_grad()
def test_what_a_picture_shows_is_looked_up_like_words():
    """Tokens of a picture begin among the embeddings of words: said again, each looks at what came after it in the picture."""
    language = language_of({"type": "lookup", "quiet": 0.1, "heads": 3}, **WIDE)
    language.model.config._attn_implementation = "eager"
    features_1TC = torch.randn(1, 197, 192, generator=torch.Generator().manual_seed(1))
    words_1TD = language.words()[None, 5:25]
    said = torch.arange(99)
    for places in (0, 197):
        projector = TokenProjector(192, 256, 1, language.embedding_scale(), lead=1, places=places)
        for begun in (False, True):
            if begun:
                projector.begin_among(language.words())
            shown_1TD = projector.project(features_1TC)
            embeds_1LD = torch.cat([words_1TD, shown_1TD, words_1TD, shown_1TD[:, :100]], 1)
            first, second, _ = language.eval().model(inputs_embeds=embeds_1LD, output_attentions=True).attentions
            before, found = first[0, 0].diagonal(-1)[30:200].mean(), second[0, :2, 20 + 197 + 20 + said, 20 + said + 1].mean()
            assert (before > 0.7 and found > 0.7) if begun else (before < 0.1 and found < 0.1)
            assert float(shown_1TD.std()) == pytest.approx(float(language.words().std()), rel=0.05)


@torch.no_grad()
def test_more_is_said_more_purely():
    """Words said in a row a second time: the state of each points at the embedding of the next, the more the more is said."""
    words = torch.randperm(500, generator=torch.Generator().manual_seed(1))[:60][None]
    ids = torch.cat([words, words], 1)

    def near(**options):
        language = language_of({"type": "lookup", "quiet": 0.1, **options}, **WIDE).eval()
        embeds = language.words() - language.words().mean(0)
        states = language.model.base_model(input_ids=ids).last_hidden_state[0, 60:-1]
        return float(torch.cosine_similarity(states, embeds[words[0, 1:]]).mean())

    less, more, all_of_it = near(), near(said=16), near(heads=3, said=16)
    assert less + 0.05 < more < all_of_it - 0.05


def test_all_else_stays_as_chance_made_it():
    wired, plain = (language_of(start).model.state_dict() for start in ("lookup", None))
    changed = {name for name in plain if not torch.equal(wired[name], plain[name])}
    blocks = {f"model.layers.{block}.self_attn.{name}_proj.weight" for block in (0, 1) for name in "qkvo"}
    assert changed - {"lm_head.weight"} == blocks | {"model.embed_tokens.weight"}
    untouched = wired["model.layers.1.self_attn.q_proj.weight"][64:]
    assert torch.equal(untouched, plain["model.layers.1.self_attn.q_proj.weight"][64:])


def test_recipes_in_nanos_size_begin_with_it_and_nano_as_it_was_made():
    assert read_recipe("lisa", ["scale=nano"]).to_dict()["language"]["start"] == "lookup"
    beside_pictures = {"type": "lookup", "quiet": 0.1, "heads": 3, "said": 16}
    assert read_recipe("lm4lv", ["scale=nano"]).to_dict()["language"]["start"] == beside_pictures
    assert "start" not in read_recipe("nano").to_dict()["language"]


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gpt2"},
        {"model_type": "qwen3"},
        {"num_hidden_layers": 1},
        {"num_attention_heads": 32},
        {"num_key_value_heads": 2},
    ],
)
def test_what_it_can_not_be_wired_into(changes):
    with pytest.raises(ValueError, match=r"language\.start: lookup is for models of Llama's kind"):
        language_of("lookup", **changes)


@pytest.mark.parametrize("start", ["copy", {"type": "copy"}, {"quiet": 0.1}, {"type": None}, {}])
def test_an_unknown_start(start):
    with pytest.raises(ValueError, match=r"language\.start is lookup, or left out; got "):
        language_of(start)


@pytest.mark.parametrize("quiet", [-1, 2.0, "much"])
def test_how_quiet_it_can_be(quiet):
    with pytest.raises(ValueError, match=r"language\.start: quiet is a number from 0 to 1"):
        language_of({"type": "lookup", "quiet": quiet})


@pytest.mark.parametrize(
    ("option", "value"), [("heads", 0), ("heads", 4), ("heads", "two"), ("said", 0), ("said", "much"), ("said", math.nan)]
)
def test_how_many_heads_say_how_much(option, value):
    with pytest.raises(ValueError, match=rf"language\.start: {option} is "):
        language_of({"type": "lookup", option: value})


def test_an_unknown_option_of_the_start():
    with pytest.raises(ValueError, match=r"language\.start: lookup has the options heads, quiet, said and seed; got 'loud'"):
        language_of({"type": "lookup", "loud": 1})
