"""Eyes with a codebook: entries that are revived; BEiT, which predicts them."""

import numpy as np
import pytest
import tiny
import torch
from sentences import refused

import superlens
from superlens.lessons.inverting import Tokenizing
from superlens.outputs import Outputs
from superlens.recipes.schema import Stage
from superlens.train.trainer import check_stages
from superlens.vision.canvas import CanvasRule
from superlens.vision.codebook import HIDDEN, CodePredictingEye, QuantisedEye

RULE = CanvasRule(longest=32, shortest=32, square=True)


def quantised(**options):
    torch.manual_seed(0)
    return QuantisedEye(tiny.VQGAN, 32, **options).eval()


def predicting(config=tiny.BEIT, codes=tiny.VQGAN):
    torch.manual_seed(0)
    return CodePredictingEye(config, codes).eval()


def pictures(count=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8))


def test_a_published_vqgan_is_named_filled_in_and_left_out(tmp_path):
    from diffusers import VQModel
    from safetensors.torch import load_file

    torch.manual_seed(7)
    VQModel(**tiny.VQGAN).save_pretrained(tmp_path / "published" / "vqvae")
    entry = {"type": "vqgan", "name": str(tmp_path / "published"), "subfolder": "vqvae", "side": 32}
    model = tiny.model(**tiny.FEATURES | {"eye": entry, "projector": {"type": "tokens"}})
    published = load_file(tmp_path / "published" / "vqvae" / "diffusion_pytorch_model.safetensors")
    mine = model.eye.backbone.state_dict()
    assert set(mine) == set(published) and all(torch.equal(mine[name], published[name]) for name in mine)
    model.save_pretrained(tmp_path / "m")
    assert not any(name.startswith("eye.backbone") for name in load_file(tmp_path / "m" / "model.safetensors"))
    again = superlens.load(str(tmp_path / "m"))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def used(made, shown):
    """How many entries pictures are made of, and how far from them what they stand for is, in the mean."""
    latents = made.backbone.encode(made.normalise(shown)).latents.detach().movedim(1, -1).flatten(0, -2)
    distances_MN = torch.cdist(latents, made.entries.weight.detach())
    return len(distances_MN.argmin(1).unique()), float(distances_MN.amin(1).mean())


def told(made, shown, times):
    for _ in range(times):
        made.quantiser_loss(shown)
    return made.entries.weight.detach().clone()


def test_entries_that_nothing_chooses_are_revived_as_features():
    made, shown = quantised(codes=True).train(), pictures(1)
    begun, (count, away) = told(made, shown, 0), used(made, shown)  # 256 features of 16 entries
    revived = told(made, shown, 1)
    assert used(made, shown)[0] > 2 * count and used(made, shown)[1] < 0.7 * away
    same_N = (revived == begun).all(1)
    assert same_N.sum() == count  # those that were chosen stay
    assert not made.idle_N.any()


def test_an_entry_is_dead_after_ten_times_as_many_features_as_entries():
    made, shown = quantised(codes=True).train(), pictures(1)
    made.idle_N = made.idle_N.new_full((16,), -256)  # as if it took one picture more
    begun = told(made, shown, 0)
    assert torch.equal(told(made, shown, 1), begun) and not torch.equal(told(made, shown, 1), begun)


def test_a_codebook_that_does_not_learn_stays_as_it_is():
    for made in (quantised(codes=True), quantised(codes=True).train().requires_grad_(False)):
        begun = told(made, pictures(1), 0)
        assert torch.equal(told(made, pictures(1), 3), begun)


def test_the_codebook_follows_the_encoder_four_times_as_fast_as_the_encoder_keeps_to_it():
    """Equation 3 as it is written."""
    made = quantised(codes=True)
    made.quantiser_loss(pictures()).backward()
    mine = [made.entries.weight.grad.clone(), made.backbone.quant_conv.weight.grad.clone()]
    made.zero_grad()
    said_MD = made.backbone.encode(made.normalise(pictures())).latents.movedim(1, -1).flatten(0, -2)
    chosen_MD = made.entries(torch.cdist(said_MD, made.entries.weight).argmin(1))
    wanted = (chosen_MD - said_MD.detach()).square().mean() + 0.25 * (said_MD - chosen_MD.detach()).square().mean()
    assert float(made.quantiser_loss(pictures()).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    wanted.backward()
    for gradient, tensor in zip(mine, (made.entries.weight, made.backbone.quant_conv.weight), strict=True):
        assert gradient.abs().sum() > 0 and torch.allclose(gradient, tensor.grad, atol=1e-6)


def test_the_encoder_is_beit_of_transformers():
    from transformers import BeitModel

    made = predicting()
    plain = BeitModel(made.backbone.config, add_pooling_layer=False).eval()
    plain.load_state_dict(made.backbone.beit.state_dict())
    pixels = made.normalise(pictures())
    assert torch.equal(made.features(pixels), made.backbone.layernorm(plain(pixels).last_hidden_state[:, 1:]))


def test_the_picture_is_drawn_from_the_entries_that_the_head_chooses():
    made = predicting()
    features_BTC = made.features(made.normalise(pictures()))
    codes_BT = made.backbone(made.normalise(pictures())).logits.argmax(2)
    wanted = made.book.drawn(made.book.entries(codes_BT))
    assert torch.allclose(made.drawn(features_BTC), wanted, atol=1e-6)
    assert len(codes_BT.unique()) > 2 and made.book.chosen(made.normalise(pictures())).shape == codes_BT.shape
    made.drawn(features_BTC.detach()).sum().backward()
    assert made.backbone.lm_head.weight.grad.abs().sum() > 0


def test_codes_are_those_of_the_nearest_entries():
    made = quantised(codes=True)
    pixels = made.normalise(pictures())
    entries_BTD = made.entries(made.chosen(pixels))
    assert torch.allclose(entries_BTD, made.features(pixels), atol=1e-6)


def test_hiding_is_cross_entropy_of_the_hidden_codes_alone():
    made = predicting()
    pixels = made.normalise(pictures())
    torch.manual_seed(3)
    mine = made.masked_loss(pictures())
    torch.manual_seed(3)
    hidden_BT = torch.rand(2, made.tokens).argsort(1) < round(HIDDEN * made.tokens)
    theirs = made.backbone(pixels, bool_masked_pos=hidden_BT, labels=made.book.chosen(pixels)[hidden_BT]).loss
    assert mine.shape == (2,) and float(mine.mean().detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)


def test_tokenizing_teaches_the_codebook_alone():
    made = predicting().train()
    shown = torch.linspace(40, 220, 32).to(torch.uint8)[None, :, None, None].expand(2, -1, 32, 3)
    batch = tiny.pictures_alone(shown, RULE)

    class Model:
        eye = made

    optimiser = torch.optim.Adam(made.parameters(), 3e-3)
    told = []
    for _ in range(25):
        scene = made(shown, batch.pictures[0].canvases)
        total, count = Tokenizing.of(None)(batch).loss(Model, Outputs([scene], [], torch.zeros(1, 1, 1)))
        optimiser.zero_grad()
        (total / count).backward()
        assert all(parameter.grad is None for parameter in made.backbone.parameters())
        optimiser.step()
        told.append(float(total.detach()))
    assert count == 2 and told[-1] < 0.8 * told[0]


def test_patches_and_codes_that_do_not_fit_are_refused():
    refused(lambda: predicting(tiny.BEIT | {"patch_size": 4}), "patches of 4 pixels", "2 pixels")
    refused(lambda: predicting(tiny.BEIT | {"vocab_size": 20}), "20 words", "16 entries")
    refused(lambda: predicting(tiny.MAE), "model_type beit", "vit_mae")


def test_a_lesson_that_an_eye_can_not_be_taught_is_refused():
    model = tiny.model(**tiny.FEATURES)
    stage = Stage(name="tokenize", train=["eye.*"], think=False, lessons=["tokenizing"], steps=1, lr=1e-3, batch=1)
    refused(lambda: check_stages(model, [stage], ["photos"]), "the lesson tokenizing", "beit")
    vqgan = {"eye": {"type": "vqgan", "config": tiny.VQGAN, "side": 32}, "projector": {"type": "tokens"}}
    model = tiny.model(**tiny.FEATURES | vqgan)
    hide = stage.model_copy(update={"name": "hide", "lessons": ["hiding"]})
    refused(lambda: check_stages(model, [hide], ["photos"]), "the lesson hiding", "mae, beit")
    check_stages(model, [stage.model_copy(update={"lessons": ["inverting"]})], ["photos"])


def test_a_published_beit_is_filled_in_and_its_codebook_kept(tmp_path):
    from safetensors.torch import load_file

    published = predicting().backbone
    published.beit.embeddings.mask_token.data.normal_()
    published.save_pretrained(tmp_path / "published")
    entry = {"type": "beit", "name": str(tmp_path / "published"), "codes": tiny.VQGAN}
    model = tiny.model(seed=5, **tiny.FEATURES | {"eye": entry, "projector": {"type": "tokens"}})
    mine = model.eye.backbone.state_dict()
    assert all(torch.equal(tensor, mine[name]) for name, tensor in published.state_dict().items())
    model.save_pretrained(tmp_path / "m")
    kept = {name for name in load_file(tmp_path / "m" / "model.safetensors") if name.startswith("eye.")}
    assert any(name.startswith("eye.book.") for name in kept) and not any(name.startswith("eye.backbone.") for name in kept)
    again = superlens.load(str(tmp_path / "m")).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())
