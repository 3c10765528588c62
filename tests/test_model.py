"""The path of a batch: five joints, packed rows, losses as sums and counts, saving and loading."""

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

import superlens
from superlens.batch import collate
from superlens.data.packing import best_fit
from superlens.language.causal import keeps_packed_samples_apart
from superlens.message import Boxes, Conversation, Image, Masks, Message, Text


def encoded(model, count=6, **options):
    return [model.processor.encode(talk) for talk in tiny.conversations(count, **options)]


def gradients(model, batch, counts=None):
    model.zero_grad()
    model(batch, counts=counts)["loss"].backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_packed_equals_alone():
    model = tiny.model()
    samples = encoded(model)
    rows = best_fit([len(sample) for sample in samples], 640)
    assert len(rows) < len(samples)
    alone, packed = model(collate(samples)), model(collate(samples, rows))
    for name, (total, count) in alone["losses"].items():
        assert count == packed["losses"][name][1]
        assert torch.allclose(total, packed["losses"][name][0], rtol=1e-5, atol=1e-4), name


def test_mixed_batch_is_the_sum_of_its_tasks():
    model = tiny.model().double()
    boxes, masks = encoded(model, 3, tasks={"boxes": 1}), encoded(model, 3, start=9, tasks={"masks": 1})
    mixed = collate(boxes + masks)
    counts = model.counts(mixed)
    together = gradients(model, mixed, counts)
    apart = [gradients(model, collate(part), counts) for part in (boxes, masks)]
    for name, gradient in together.items():
        summed = sum(part.get(name, torch.zeros_like(gradient)) for part in apart)
        assert torch.allclose(gradient, summed, atol=1e-8), name


def test_counts_are_known_before_the_forward():
    model = tiny.model()
    batch = collate(encoded(model))
    found = {name: count for name, (_, count) in model(batch)["losses"].items()}
    known = model.counts(batch)
    assert {name: known[name] for name in found} == found
    assert set(known) == set(model.counts_names())


def test_gradients_of_boxes_reach_queries_language_model_and_eye():
    model = tiny.model()
    batch = collate(encoded(model, 3, tasks={"boxes": 1}))
    outputs = model.answer(batch)
    losses = model.losses(outputs, batch)
    (losses["detect.class"][0] + losses["detect.giou"][0]).backward()
    for name in ("links.boxes.query_rows", "links.boxes.project.0.weight", "eye.backbone.embeddings.patch_embeddings.weight"):
        assert dict(model.named_parameters())[name].grad.abs().sum() > 0, name
    attention = [p for n, p in model.language.named_parameters() if "self_attn.v_proj" in n]
    assert attention and all(p.grad.abs().sum() > 0 for p in attention)
    assert model.links["masks"].query_rows.grad is None


def test_the_head_runs_on_labelled_positions_only():
    model = tiny.model()
    batch = collate(encoded(model))
    assert 0 < len(batch.labelled_P) < batch.ids_RT.numel() / 2
    assert model.logits(torch.zeros(3, 32)).shape == (3, 2048 + sum(len(link.tokens) for link in model.links.values()))


def test_features_are_computed_once_per_picture(monkeypatch):
    model = tiny.model()
    seen = []
    forward = model.eye.forward
    monkeypatch.setattr(model.eye, "forward", lambda pixels, canvases: seen.append(len(pixels)) or forward(pixels, canvases))
    talk = tiny.conversations(1, tasks={"boxes": 1, "masks": 1}, turns=(4, 4))
    model(collate([model.processor.encode(talk[0])]))
    assert seen == [1]


def test_loss_falls_on_the_world():
    model = tiny.model()
    model.train()
    batch = collate(encoded(model, 6, tasks={"boxes": 1, "masks": 1, "exists": 1}))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = None
    for _ in range(25):
        optimiser.zero_grad()
        out = model(batch)
        out["loss"].backward()
        optimiser.step()
        first = first or {name: float(total) for name, (total, _) in out["losses"].items()}
    last = {name: float(total) for name, (total, _) in out["losses"].items()}
    for name in ("words", "segment.dice", "segment.vote", "detect.giou"):
        assert last[name] < first[name], name
    assert sum(last.values()) < 0.7 * sum(first.values())


def test_save_and_load_are_bit_equal(tmp_path):
    model = tiny.model()
    model.save_pretrained(tmp_path / "m")
    again = superlens.load(str(tmp_path / "m"))
    before, after = model.state_dict(), again.state_dict()
    assert set(before) == set(after)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    batch = collate(encoded(model, 2))
    assert torch.equal(model(batch)["loss"], again(batch)["loss"])
    assert again.processor.token_ids == model.processor.token_ids
    assert not (tmp_path / "m" / "pytorch_model.bin").exists()


def test_only_trained_tensors_are_written(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = {k: v for k, v in tiny.RECIPE["language"]["config"].items() if k != "model_type"}
    torch.manual_seed(5)
    LlamaForCausalLM(LlamaConfig(**config)).save_pretrained(tmp_path / "published")
    adapter = {"type": "lora", "rank": 2, "alpha": 4}
    language = {"type": "causal_lm", "name": str(tmp_path / "published"), "tokenizer": "nano", "adapter": adapter}
    model = tiny.model(language=language)
    published = load_file(tmp_path / "published" / "model.safetensors")
    inside = dict(model.language.model.named_parameters())
    assert torch.equal(inside["model.layers.0.self_attn.q_proj.base_layer.weight"], published["model.layers.0.self_attn.q_proj.weight"])
    model.save_pretrained(tmp_path / "m")
    written = load_file(tmp_path / "m" / "model.safetensors")
    assert any("lora_A" in name for name in written)
    assert not any("base_layer" in name or "embed_tokens" in name for name in written)
    again = superlens.load(str(tmp_path / "m"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    again.save_pretrained(tmp_path / "whole", whole=True)
    assert any("base_layer" in name for name in load_file(tmp_path / "whole" / "model.safetensors"))


def test_tokens_of_pictures_begin_among_published_words(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = {k: v for k, v in tiny.RECIPE["language"]["config"].items() if k != "model_type"}
    published = LlamaForCausalLM(LlamaConfig(**config))
    with torch.no_grad():
        published.get_input_embeddings().weight.add_(0.5)
    published.save_pretrained(tmp_path / "published")
    language = {"type": "causal_lm", "name": str(tmp_path / "published"), "tokenizer": "nano"}
    model = tiny.model(**tiny.FEATURES | {"language": language})
    mean_D = model.language.words().mean(0).detach()
    assert float(mean_D.mean()) == pytest.approx(0.5, abs=0.01) and torch.allclose(model.projector.layers.bias, mean_D)


def test_a_multi_picture_conversation_points_at_its_pictures():
    model = tiny.model()
    rng = np.random.default_rng(0)
    pictures = [Image(rng.integers(0, 256, size, dtype=np.uint8)) for size in ((96, 96, 3), (70, 120, 3))]
    talk = Conversation((
        Message("user", (pictures[0], pictures[1], Text("Find both."))),
        Message("assistant", (Boxes("a", [[1, 2, 30, 40]], image=1), Masks("b", np.ones((1, 96, 96), bool), image=0))),
    ))
    batch = collate([model.processor.encode(talk)])
    assert [placed.picture for placed in batch.groups] == [1, 0]
    assert len(batch.pictures) == 2
    assert torch.isfinite(model(batch)["loss"])


@pytest.mark.parametrize("family, apart", [("llama", True), ("gpt2", True), ("opt", False)])
def test_the_packing_probe_tells_who_leaks(family, apart):
    from superlens.language.causal import CausalLanguage

    sizes = {
        "llama": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
        "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
        "opt": {"hidden_size": 16, "ffn_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 16},
    }
    torch.manual_seed(0)
    language = CausalLanguage({"model_type": family, "vocab_size": 64, **sizes[family]})
    assert keeps_packed_samples_apart(language) is apart


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    """Another version's checkpoint: what it lacks must not be taken from wherever memory lies."""
    tiny.model().save_pretrained(tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    weights = load_file(file)
    lost = next(name for name in weights if name.startswith("decoders."))
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"lacks 1 of its model's weights \({lost} first\)"):
        superlens.load(str(tmp_path / "m"), device="cpu")
