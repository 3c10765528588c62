"""Language models: the head is the family's own, packing is exact where the probe says so, LoRA, building without weights."""

import pytest
import torch

from superlens.language.causal import CausalLanguage, keeps_packed_samples_apart, linear_names

SIZES = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
GATED = SIZES | {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FAMILIES = {
    "llama": GATED,
    "gemma2": GATED | {"head_dim": 8, "final_logit_softcapping": 3.0},
    "cohere": GATED | {"logit_scale": 0.25},
    "granite": GATED | {"logits_scaling": 4.0, "embedding_multiplier": 3.0, "residual_multiplier": 0.3},
    "opt": SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 32, "pad_token_id": 0},
    "opt, projected": SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 16, "pad_token_id": 0},
    "gpt2": SIZES | {"bos_token_id": 1, "eos_token_id": 2},
    "qwen3": GATED | {"head_dim": 8},
    "mistral": GATED | {"sliding_window": 4},
    "gpt_neox": SIZES | {"intermediate_size": 48},
    "mixtral": GATED | {"num_local_experts": 2, "num_experts_per_tok": 1},
}
APART = {"opt": False, "opt, projected": False}
ADAPTER = {"type": "lora", "rank": 2, "alpha": 4}


def config_of(family):
    return {"model_type": family.split(",")[0], "tie_word_embeddings": True} | FAMILIES[family]


def language_of(family, **options):
    torch.manual_seed(0)
    language = CausalLanguage(config_of(family), **options).eval()
    with torch.no_grad():
        for parameter in language.parameters():  # away from zero biases and unit scales
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    return language


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@torch.no_grad()
def test_the_head_is_the_familys_own(family):
    language = language_of(family)
    ids_RT = torch.randint(0, 64, (2, 7))
    theirs_RTV = language.model(input_ids=ids_RT, use_cache=False).logits
    hidden_RTD = language(language.embed(ids_RT), torch.arange(7).expand(2, -1))
    assert hidden_RTD.shape == (2, 7, language.width) and language.vocabulary == 64
    assert language.embed(ids_RT).shape == (2, 7, language.embedding_width)
    some_P = torch.tensor([0, 3, 9, 13])
    ours_PV = language.logits(hidden_RTD.flatten(0, 1)[some_P])
    assert torch.allclose(ours_PV, theirs_RTV.flatten(0, 1)[some_P], atol=1e-5)
    assert language.logits(hidden_RTD[0, :0]).shape == (0, 64)


@torch.no_grad()
def test_packed_samples_are_kept_apart_where_the_probe_says_so(family):
    language = language_of(family)
    assert keeps_packed_samples_apart(language) is APART.get(family, True)
    lengths = [3, 6, 1, 4]
    embeds = [language.embed(torch.randint(0, 64, (1, length))) for length in lengths]
    position_ids_RT = torch.cat([torch.arange(length) for length in lengths])[None]
    packed = language(torch.cat(embeds, 1), position_ids_RT).split(lengths, 1)
    alone = [language(one, torch.arange(one.shape[1])[None]) for one in embeds]
    away = max(float((a - b).abs().max()) for a, b in zip(packed, alone))
    assert (away < 1e-4) is APART.get(family, True)


def test_gradients_flow_through_head_and_packed_rows(family):
    language = language_of(family).train()
    embeds_RTD = language.embed(torch.randint(0, 64, (1, 6))).detach().requires_grad_()
    hidden_RTD = language(embeds_RTD, torch.tensor([[0, 1, 2, 0, 1, 2]]))
    language.logits(hidden_RTD[0, 3:]).square().sum().backward()
    assert embeds_RTD.grad[0, 3:].abs().sum() > 0
    if APART.get(family, True):
        assert not embeds_RTD.grad[0, :3].any()


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_lora(family):
    """It starts as nothing, its weights alone are new, the published ones keep their names under base_layer, packing stays exact."""
    plain, adapted = language_of(family), language_of(family, adapter=ADAPTER)
    names = {name for name, _ in adapted.named_parameters()}
    assert linear_names(plain.model)
    lora = {name for name in names if "lora_" in name}
    assert lora and not any("lm_head" in name or "embed" in name for name in lora)
    assert {name.replace(".base_layer", "") for name in names - lora} == {name for name, _ in plain.named_parameters()}
    adapted.load_state_dict(
        {name: plain.state_dict().get(name.replace(".base_layer", ""), t) for name, t in adapted.state_dict().items()}
    )
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
        embeds, positions = plain.embed(torch.randint(0, 64, (1, 5))), torch.arange(5)[None]
        assert torch.allclose(plain(embeds, positions), adapted(embeds, positions), atol=1e-5)
    assert keeps_packed_samples_apart(adapted) is APART.get(family, True)
    for mistake, sentence in (({"type": "dora"}, "unknown adapter type 'dora'"), (ADAPTER | {"rnk": 2}, "unknown key 'rnk'")):
        with pytest.raises(ValueError, match=sentence):
            CausalLanguage(config_of(family), adapter=mistake)


def test_nothing_needs_weights_to_be_there(family):
    """from_pretrained builds on the meta device: everything a build asks for must answer there."""
    with torch.device("meta"):
        language = CausalLanguage(config_of(family), adapter=ADAPTER if family == "llama" else None)
    assert language.model.get_input_embeddings().weight.is_meta
    assert language.embedding_scale() == 0.02 and keeps_packed_samples_apart(language)
    assert language.width in (16, 32) and language.vocabulary == 64 and language.max_positions == 64


def test_holes_in_the_cache():
    gemma = {"head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]}
    cases = [
        (config_of("llama"), True),
        (config_of("gpt2"), True),
        (config_of("mistral"), False),
        (config_of("mistral") | {"sliding_window": 4096}, True),
        (config_of("mistral") | {"sliding_window": None}, True),
        ({"model_type": "gemma3_text"} | GATED | gemma | {"sliding_window": 8}, False),
        ({"model_type": "qwen3"} | GATED | {"head_dim": 8, "sliding_window": 8, "use_sliding_window": False}, True),
        ({"model_type": "lfm2"} | GATED | {"layer_types": ["conv", "full_attention"]}, False),
        ({"model_type": "mpt", "vocab_size": 64, "d_model": 32, "n_heads": 4, "n_layers": 2}, False),
        ({"model_type": "gpt_neo", "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]} | SIZES, False),
    ]  # fmt: skip
    for config, exact in cases:
        assert CausalLanguage(config).reads_past_holes is exact, config


def test_unknown_families_are_named():
    with pytest.raises(ValueError, match="language models of type 'mamba' take no embeddings"):
        CausalLanguage({"model_type": "mamba", "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "state_size": 4})
    with pytest.raises(ValueError, match="unknown model_type 'lama': did you mean 'llama'"):
        CausalLanguage({"model_type": "lama"})
