"""One behaviour suite over every kind of link, decoder, eye, projector and language model, and every recipe of the package, all tiny.

Each case: builds, shapes, the loss falls on the drawn world, saving and loading are bit-equal (outputs and buffers), answers at batch 1
are those at batch 8. The last test asserts what was seen, so that a new part can not be forgotten here.
"""

from __future__ import annotations

import copy
import inspect
from functools import cache

import numpy as np
import pytest
import tiny
import torch

import superlens
from superlens.batch import collate
from superlens.data.world import World
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message, Moments
from superlens.parts import BUILT_IN, find_class
from superlens.recipes.schema import read_recipe, recipe_names

PLAIN = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 16,
    "image_size": 64,
}
DINO = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 16, "image_size": 64, "mlp_ratio": 2}
SQUARE = {"longest": 64, "square": True}
SWIN = {"model_type": "swin", "embed_dim": 8, "depths": [1] * 4, "num_heads": [1, 2, 2, 4], "window_size": 4}
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1] * 4, "layer_type": "basic"}


def eye(kind, config, **options):
    return {"type": kind, "config": config, "channels": 16} | options


def query(part, **options):
    token, decoder = {"boxes": ("[BOX]", "detect"), "masks": ("[SEG]", "segment")}[part]
    return {"type": "query", "token": token, "queries": 2, "decoder": decoder} | options


def both(**options):
    return {part: query(part, **options) for part in ("boxes", "masks")}


def language(family, adapter=None, **config):
    """The tiny language model of another family."""
    sizes = {"vocab_size": 2048, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 1024}
    gated = {} if family in ("gpt2", "opt") else {"intermediate_size": 64, "num_key_value_heads": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 4, "pad_token_id": 0, "tie_word_embeddings": True}
    entry = {"type": "causal_lm", "config": {"model_type": family} | sizes | gated | ends | config, "tokenizer": "nano"}
    return {"language": entry | ({"adapter": adapter} if adapter else {})}


LINKS = {
    "queries, read at": both(),
    "queries, read before": both(read="before"),
    "queries, not pooled": both(pool="none", depth=1),
    "queries, words read too": both(words=True),
    "queries, absent token": {"boxes": query("boxes", absent="[NO]"), "masks": query("masks", absent="[REJ]")},
    "no queries, read at": both(queries=0),
    "no queries, read before": both(queries=0, read="before"),
    "no phrase tokens": both(phrase=None, queries=0),
    "emitted": {"boxes": query("boxes", queries=0, emitted=["[B1]"]), "masks": query("masks", queries=0, emitted=["[S1]", "[S2]"])},
    "codec": {"boxes": {"type": "codec", "options": {"most": 99}}, "masks": query("masks")},
    "phrase": {
        "boxes": {"type": "phrase", "decoder": "detect"},
        "masks": {"type": "phrase", "phrase": ["<cut>", "</cut>"], "decoder": "segment", "hidden": 16},
    },
    "boxes alone": {"boxes": query("boxes")},
    "keypoints": {
        "keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "queries": 2, "words": True, "decoder": "pose"},
        "boxes": query("boxes"),
    },
}
PICTURES = {"type": "picture", "queries": 3, "pool": "none", "decoder": "paint"}
LINKS["pictures"] = {
    "new": PICTURES | {"part": "image", "token": "[GEN]"},
    "edit": PICTURES | {"part": "edit", "token": "[EDIT]"},
    "restore": PICTURES | {"part": "restore", "token": "[RESTORE]", "decoder": "restore"},
    "boxes": query("boxes"),
}
RESTORE = {"restore": {"type": "restorer", "width": 16, "channels": [8, 8], "depth": [1, 1], "tile": 64}}
PAINT = {"paint": {"type": "flow_painter", "width": 16, "side": 32, "shrink": 1, "patch": 8, "channels": [8, 16], "heads": 2,
                   "steps": 2, "finder": [8, 1]}}  # fmt: skip
POSE = {"pose": {"type": "keypoint_detector", "channels": 16, "depth": 1, "width": 16}}
TOKENS = {"projector": {"type": "tokens"}}
INVERTIBLE = {
    "mae": tiny.FEATURES,
    "vqgan": tiny.FEATURES | TOKENS | {"eye": {"type": "vqgan", "config": tiny.VQGAN, "side": 32, "codes": True}},
    "beit": tiny.FEATURES | TOKENS | {"eye": {"type": "beit", "config": tiny.BEIT, "codes": tiny.VQGAN}},
}
EYES = {
    "swin": {"eye": eye("backbone", SWIN, token_level=2), "projector": {"type": "linear", "max_tokens": 16}},
    "resnet": {"eye": eye("backbone", RESNET, token_level=2), "projector": {"type": "mlp", "max_tokens": 16}},
    "clip": {"eye": eye("hf", {"model_type": "clip_vision_model"} | PLAIN), "canvas": SQUARE, "projector": {"type": "mlp"}},
    "siglip": {"eye": eye("hf", {"model_type": "siglip_vision_model"} | PLAIN), "canvas": SQUARE, "projector": {"type": "linear"}},
    "vit": {"eye": eye("hf", {"model_type": "vit"} | PLAIN, layer=-1), "canvas": SQUARE},
    "dinov2": {"eye": eye("hf", {"model_type": "dinov2"} | DINO), "projector": {"type": "merge", "max_tokens": 9}},
}
LANGUAGES = {
    "gpt2": language("gpt2"),
    "opt": language("opt", ffn_dim=64, word_embed_proj_dim=32),
    "opt, projected": language("opt", ffn_dim=64, word_embed_proj_dim=16),
    "qwen3": language("qwen3", head_dim=8),
    "gemma2": language("gemma2", head_dim=8, final_logit_softcapping=20.0),
    "mistral, narrow window": language("mistral", sliding_window=8),
    "llama, LoRA": language("llama", adapter={"type": "lora", "rank": 2, "alpha": 4}),
    "llama, untied": language("llama", tie_word_embeddings=False),
}


def shrunk(name: str) -> dict:
    """A recipe of the package, its parts of the same types, tiny."""
    recipe = read_recipe(name).to_dict()
    sizes = tiny.RECIPE["eye"]["config"] | PLAIN | tiny.RECIPE["language"]["config"] | {"num_key_value_heads": 2, "head_dim": 8}
    if recipe["eye"]["type"] == "mae":
        recipe["eye"] = {"type": "mae", "config": tiny.MAE}
    for part, stand_in in (("eye", {"hf": eye("hf", {"model_type": "clip_vision_model"} | PLAIN)}), ("language", {})):
        entry = recipe[part]
        if entry["type"] == "mae":
            continue
        if "config" in entry:
            entry["config"] = {key: sizes.get(key, value) if key != "model_type" else value for key, value in entry["config"].items()}
        else:
            recipe[part] = stand_in.get(entry["type"], copy.deepcopy(tiny.RECIPE[part]))
    if recipe["canvas"]["square"]:
        recipe["canvas"] = SQUARE if recipe["eye"]["type"] != "mae" else tiny.FEATURES["canvas"]
    else:
        recipe["canvas"] = recipe["canvas"] | {"longest": 128}
    if recipe["eye"]["type"] != "mae":
        recipe["eye"]["channels"] = 16
    small = {"sampling": {"type": "uniform", "frames": 5}, "queries": 2, "window": 3, "stride": 3, "hidden": 16, "layers": 2}
    if recipe["projector"]["type"] == "qformer":
        recipe["projector"].update({key: small[key] for key in ("queries", "hidden", "layers")})
    elif recipe["projector"]["type"] != "tokens":
        recipe["projector"]["max_tokens"] = 16
    if "video" in recipe:
        accepted = inspect.signature(find_class("video", recipe["video"]["type"]).__init__).parameters
        recipe["video"].update({key: value for key, value in small.items() if key in accepted})
    recipe["language"]["config"]["max_position_embeddings"] = 2048  # outlines are long
    for entry in recipe["decoders"].values():
        own = next((one for one in (PAINT["paint"], RESTORE["restore"]) if one["type"] == entry["type"]), None)
        if own is not None:
            entry.update(own)
            continue
        accepted = inspect.signature(find_class("decoders", entry["type"]).__init__).parameters
        tiny_sizes = {"channels": 16, "width": 16, "depth": 1, "heads": 2, "feedforward": 16}
        entry.update({key: value for key, value in tiny_sizes.items() if key in accepted})
    return recipe


def cases() -> dict[str, dict]:
    """Name -> a whole recipe."""
    more = {"keypoints": POSE, "pictures": PAINT | RESTORE}
    decoders = {name: tiny.RECIPE["decoders"] | more.get(name, {}) for name in LINKS}
    found = {f"links: {name}": tiny.recipe(links=links, decoders=decoders[name]) for name, links in LINKS.items()}
    found |= {f"eye: {name}": tiny.recipe(**changes) for name, changes in EYES.items()}
    found |= {f"eye: {name}": tiny.recipe(**changes) for name, changes in INVERTIBLE.items()}
    found["regions"] = tiny.recipe(regions={"type": "region_encoder", "channels": 8})
    found |= {f"language: {name}": tiny.recipe(**changes) for name, changes in LANGUAGES.items()}
    return found | {f"recipe: {name}": shrunk(name) for name in recipe_names()}


CASES = cases()


@cache
def built(name: str):
    return tiny.build(CASES[name], seed=0).eval()


@pytest.fixture(params=CASES)
def model(request):
    return copy.deepcopy(built(request.param))


def batch_of(model, count=3):
    parts = {form.part for form in model.processor.formats.values()}
    tasks = {part: 1 for part in ("boxes", "masks", "keypoints", "moments") if part in parts}
    if model.regions is not None:
        tasks |= {"region_masks": 2, "region_text": 1}
    talks = tiny.conversations(count, tasks=tasks, turns=(2, 2)) if tasks else []
    if "moments" in parts:
        talks += tiny.conversations(1, tasks={"describe": 1})
    if "image" in parts:
        talks += [pictures_talk(seed, "restore" in parts) for seed in range(count)]
    elif "restore" in parts:
        talks += [restore_talk(seed) for seed in range(count)]
    return collate([model.processor.encode(talk) for talk in talks])


def pictures_talk(seed, restore):
    """A new picture, a changed copy of it, and, where that can be, that one restored."""
    new = np.full((32, 32, 3), 60 * seed, np.uint8)
    changed = new.copy()
    changed[8:16, 8:16] = 255
    messages = (
        Message("user", "Draw it."), Message("assistant", (Image(new),)),
        Message("user", "Add a square."), Message("assistant", (Image(changed, of=0),)),
        Message("user", "Remove it again."), Message("assistant", (Image(new, of=1, restored=True),)),
    )  # fmt: skip
    return Conversation(messages if restore else messages[:4])


def restore_talk(seed):
    """A noisy picture, and what it was."""
    clean = np.full((32, 32, 3), 60 * seed + 20, np.uint8)
    noisy = clean + np.random.default_rng(seed).integers(0, 20, clean.shape, np.uint8)
    return Conversation((
        Message("user", (Image(noisy), "Remove the noise.")), Message("assistant", (Image(clean, of=0, restored=True),)),
    ))  # fmt: skip


def test_shapes(model):
    batch = batch_of(model)
    outputs = model.answer(batch)
    R, T = batch.ids_RT.shape
    assert outputs.hidden_RTD.shape == (R, T, model.language.width)
    added = sum(len(link.tokens) for link in model.links.values())
    assert model.logits(outputs.hidden_RTD[0, :2]).shape == (2, model.vocabulary + added)
    decoded = [placed for one in outputs.asked for placed in one.placed]
    assert len(decoded) == len(batch.groups) and {p.group.link for p in decoded} == {p.group.link for p in batch.groups}
    for one in outputs.asked:
        decoder = model.decoders[one.decoder]
        assert one.requests.vectors_KnC.shape[::2] == (len(one.placed), decoder.width)
        parts = decoder.parts(one.raw, outputs.scenes[one.scene] if one.scene >= 0 else None, one.requests)
        if decoder.part == "image":
            assert all(isinstance(part, Image) for part in parts) and len(parts) == len(one.placed)
            continue
        kind = {"boxes": Boxes, "masks": Masks, "keypoints": Keypoints}[decoder.part]
        alone = [placed.group.parent is None for placed in one.placed]  # members are inside the part of their thing
        assert [type(part) for part in parts] == [kind if stands else type(None) for stands in alone]
        assert [part.label for part in parts if part] == [p.group.label for p, stands in zip(one.placed, alone) if stands]
    losses = model.losses(outputs, batch)
    assert {name: count for name, (_, count) in losses.items()}.items() <= model.counts(batch).items()
    assert all(torch.isfinite(total) and total >= 0 for total, _ in losses.values())


def test_loss_falls_on_the_world(model):
    model.train()
    batch = batch_of(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3)
    told = []
    for _ in range(10):
        optimiser.zero_grad()
        out = model(batch)
        out["loss"].backward()
        optimiser.step()
        told.append(float(out["loss"].detach()))
    assert min(told[-3:]) < 0.85 * told[0], told
    unused = [name for name, p in model.named_parameters() if p.grad is None and name.startswith(("links", "decoders", "projector"))]
    used = {placed.group.link for placed in batch.groups}
    assert not [name for name in unused if name.split(".")[1] in used or name.startswith("projector")], unused


def test_saving_and_loading_are_bit_equal(model, tmp_path):
    model.save_pretrained(tmp_path / "m")
    again = superlens.load(str(tmp_path / "m"), device="cpu")
    before, after = model.state_dict(), again.state_dict()
    assert set(before) == set(after) and all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    buffers = dict(again.named_buffers())  # those that are rebuilt, not stored, count too
    assert all(torch.equal(tensor, buffers[name]) for name, tensor in model.named_buffers())
    batch = batch_of(model, 2)
    with torch.no_grad():
        torch.manual_seed(0)  # painters draw noise
        one = model(batch)["losses"]
        torch.manual_seed(0)
        two = again(batch)["losses"]
    assert set(one) == set(two) and all(torch.equal(one[name][0], two[name][0]) for name in one)
    assert again.processor.token_ids == model.processor.token_ids


def test_batch_1_equals_batch_8(model):
    tiny.talkative(model)
    with torch.no_grad():
        for link in model.links.values():
            link.head_rows.mul_(0.4)
    world = World()
    asked = [example.question for example in [*world.examples("boxes", limit=5), *world.examples("masks", limit=3)]]
    if not any(form.part in ("boxes", "masks", "moments") for form in model.processor.formats.values()):
        asked = [Conversation(restore_talk(seed).messages[:1]) for seed in range(4)]
        asked += [Conversation((Message("user", (Image(np.full((24, 32, 3), 9, np.uint8)), "Mirror it.")),))]
    elif model.video is not None:
        asked[2:6] = [example.question for example in world.examples("moments", limit=4)]
    options = {"max_new_tokens": 10, "min_score": 0.0}
    together, alone = model.ask(asked, batch_size=8, **options), model.ask(asked, batch_size=1, **options)
    for one, two in zip(together, alone):
        assert one.text == two.text and one.notes == two.notes
        assert [type(part) for part in one.content] == [type(part) for part in two.content]
        # Random weights blow up the last bit of features that are fed back: tests/links/test_feature.py compares such answers.
        for first, second in zip(one.images, two.images) if not hasattr(model.eye, "inverse") else ():
            assert np.abs(first.pixels.astype(int) - second.pixels).max() <= 1
        for first, second in zip(one.outputs, two.outputs):
            assert first.label == second.label and first.count == second.count
            assert not first.count or np.abs(np.sort(first.scores) - np.sort(second.scores)).max() < 1e-4
            if isinstance(first, Moments):
                assert first.seconds == pytest.approx(second.seconds, abs=1e-3)
    ways = {(answer.text, tuple(map(type, answer.content)), answer.notes) for answer in together}
    assert len(ways) > 1, "the samples must take different ways"


def test_every_kind_was_seen():
    assert (len(LINKS), len(EYES), len(LANGUAGES), len(recipe_names())) == (14, 6, 8, 19) and len(CASES) == 32 + 19
    assert recipe_names()
    for section, known in BUILT_IN.items():
        entries = [recipe[section] for recipe in CASES.values() if recipe.get(section)]
        parts = [part for entry in entries for part in ([entry] if "type" in entry else entry.values())]
        assert {part["type"] for part in parts} == set(known), f"a kind of {section} has no case here"
