"""Eyes that can be inverted: all tokens in order, the way back, and what they learn from pictures alone."""

import numpy as np
import pytest
import tiny
import torch
from sentences import refused

import superlens
from superlens.lessons.inverting import Hiding, Inverting
from superlens.lessons.perceiving import features, network_of
from superlens.outputs import Outputs
from superlens.train.rows import GlanceCollator
from superlens.train.trainer import teacher_of
from superlens.vision.canvas import CanvasRule, EveryToken
from superlens.vision.invertible import MaskedAutoencoderEye, QuantisedEye

MAE = {"model_type": "vit_mae", "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 32, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
       "decoder_intermediate_size": 16}  # fmt: skip
VQGAN = {"block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
         "latent_channels": 4, "num_vq_embeddings": 16, "norm_num_groups": 4, "layers_per_block": 1}  # fmt: skip
RULE = CanvasRule(longest=32, shortest=32, square=True)


def eye(kind="mae", **options):
    torch.manual_seed(0)
    made = {"mae": lambda: MaskedAutoencoderEye(MAE), "vqgan": lambda: QuantisedEye(VQGAN, 32, **options)}[kind]()
    return made.eval()


def pictures(count=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8))


def seen(made, pixels_BHWC):
    return made(pixels_BHWC, [RULE.canvas(32, 32)] * len(pixels_BHWC))


@pytest.mark.parametrize("kind, tokens, channels", [("mae", 17, 24), ("vqgan", 256, 4)])
def test_every_token_and_the_way_back(kind, tokens, channels):
    made = eye(kind)
    scene = seen(made, pictures())
    assert scene.tokens.shape == (2, channels, 1, tokens) and made.tokens == tokens and made.token_channels == channels
    assert EveryToken(made.token_stride, kind == "mae").count((32, 32)) == tokens
    drawn = scene.inverse(scene.tokens.flatten(2).transpose(1, 2))
    assert drawn.shape == (2, 3, 32, 32) and drawn.dtype == torch.float32


def test_nothing_is_masked_and_the_order_is_kept():
    made = eye()
    one, two = (seen(made, pictures()).tokens for _ in range(2))
    assert torch.equal(one, two)
    changed = pictures()
    changed[0, 8:16, 24:32] = 0  # the patch in row 1, column 3
    moved = (seen(made, changed).tokens - one)[0, :, 0].abs().amax(0)
    assert int(moved[1:].argmax()) == 7 and float(moved[1]) < float(moved[8])


def test_the_encoder_is_that_of_transformers():
    from transformers import ViTMAEModel

    made = eye()
    plain = ViTMAEModel(made.backbone.config).eval()
    plain.load_state_dict(made.backbone.vit.state_dict())
    pixels = made.normalise(pictures())
    wanted = plain(pixels, noise=torch.arange(16).float().expand(2, -1)).last_hidden_state
    assert torch.equal(made.features(pixels), wanted)


def test_hiding_is_the_loss_of_transformers():
    made = eye()
    torch.manual_seed(3)
    mine = made.masked_loss(pictures())
    made.backbone.vit.embeddings.config.mask_ratio = 0.75
    torch.manual_seed(3)
    theirs = made.backbone(made.normalise(pictures())).loss
    assert float(mine.mean().detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)


def test_masking_leaves_the_eye_as_it_was():
    made = eye()
    before = seen(made, pictures()).tokens
    made.masked_loss(pictures())
    assert torch.equal(seen(made, pictures()).tokens, before)


def test_evened_out_features_draw_the_same_and_lie_along_no_direction_alone():
    torch.manual_seed(0)
    made, plain = MaskedAutoencoderEye(MAE, even=True).eval(), eye()
    plain.load_state_dict({name: one for name, one in made.state_dict().items() if name not in ("shift_C", "turn_CC")})
    shown = pictures(40)
    before_TC = plain.features(plain.normalise(shown)).detach()
    wanted = seen(plain, shown)
    assert torch.equal(seen(made, shown).tokens, wanted.tokens)
    variance_C = torch.linalg.eigvalsh(before_TC.flatten(0, 1).T.cov(correction=0))
    made.even_out(shown)
    scene = seen(made, shown)
    features_NC = scene.tokens.detach().flatten(2).transpose(1, 2).flatten(0, 1)
    spread_CC = features_NC.T.cov(correction=0)
    assert float(features_NC.mean(0).abs().max()) < 1e-3
    assert float((spread_CC - torch.diag(spread_CC.diagonal())).abs().max()) < 1e-3
    assert torch.allclose(spread_CC.diagonal()[1:], variance_C[1:] ** 0.5, rtol=0.01)
    drawn = [one.inverse(one.tokens.flatten(2).transpose(1, 2)) for one in (scene, wanted)]
    assert torch.allclose(*drawn, atol=1e-5)
    torch.manual_seed(3)
    hidden = made.masked_loss(shown)
    torch.manual_seed(3)
    assert torch.allclose(hidden, plain.masked_loss(shown), atol=1e-4)
    made.even_out(pictures(40, seed=1))  # what has learned from these features goes on with them
    assert torch.equal(seen(made, shown).tokens, scene.tokens)


def test_evening_out_changes_the_way_back_which_is_then_not_as_published():
    class Model:
        eye = MaskedAutoencoderEye(MAE, even=True).eval()
        left_published = {"eye.backbone.decoder.decoder_embed.weight", "eye.backbone.decoder.decoder_pred.weight"}

    Inverting.begin(Model, batch_of(pictures(20)))
    assert Model.left_published == {"eye.backbone.decoder.decoder_pred.weight"}


def test_a_published_vqgan_is_named_filled_in_and_left_out(tmp_path):
    from diffusers import VQModel
    from safetensors.torch import load_file

    torch.manual_seed(7)
    VQModel(**VQGAN).save_pretrained(tmp_path / "published" / "vqvae")
    entry = {"type": "vqgan", "name": str(tmp_path / "published"), "subfolder": "vqvae", "side": 32}
    model = tiny.model(**tiny.FEATURES | {"eye": entry, "projector": {"type": "tokens"}})
    published = load_file(tmp_path / "published" / "vqvae" / "diffusion_pytorch_model.safetensors")
    mine = model.eye.backbone.state_dict()
    assert set(mine) == set(published) and all(torch.equal(mine[name], published[name]) for name in mine)
    model.save_pretrained(tmp_path / "m")
    assert not any(name.startswith("eye.backbone") for name in load_file(tmp_path / "m" / "model.safetensors"))
    again = superlens.load(str(tmp_path / "m"))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_codebook_drawn_by_chance_begins_on_features_once():
    made = eye("vqgan", codes=True)

    class Model:
        eye = made

    def nearest():
        made.codes = False
        said_MC = seen(made, pictures(4)).tokens.movedim(1, -1).flatten(0, -2)
        made.codes = True
        distances_MN = torch.cdist(said_MC, made.backbone.quantize.embedding.weight)
        return len(distances_MN.argmin(1).unique()), float(distances_MN.amin(1).mean())

    used, away = nearest()
    Inverting.begin(Model, batch_of(pictures(4)))
    assert nearest()[0] > used and nearest()[1] < 0.7 * away
    begun = made.backbone.quantize.embedding.weight.clone()
    Inverting.begin(Model, batch_of(pictures(4, seed=1)))
    assert torch.equal(made.backbone.quantize.embedding.weight, begun)


@pytest.mark.parametrize("kind", ["mae", "vqgan"])
def test_inverting_learns_to_draw_what_is_seen(kind):
    made = eye(kind, codes=True) if kind == "vqgan" else eye()
    shown = pictures(2) // 8 * 0 + torch.linspace(40, 220, 32).to(torch.uint8)[None, :, None, None]
    made.train()
    optimiser = torch.optim.Adam(made.parameters(), 3e-3)

    class Model:
        eye = made

    told = []
    for _ in range(25):
        scene = seen(made, shown)
        total, count = Inverting.of(None)(batch_of(shown)).loss(Model, Outputs([scene], [], torch.zeros(1, 1, 1)))
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()
        told.append(float(total.detach()))
    assert count == 2 and told[-1] < 0.8 * told[0]


def batch_of(shown):
    from superlens.batch import Batch, Pictures

    canvas = RULE.canvas(32, 32)
    empty = torch.empty(0)
    return Batch(empty, empty, empty, empty, [Pictures(shown, [canvas] * len(shown), list(range(len(shown))))])


def test_hiding_counts_pictures():
    made = eye()

    class Model:
        eye = made

    lesson = Hiding.of(None)(batch_of(pictures(3)))
    total, count = lesson.loss(Model, Outputs([seen(made, pictures(3))], [], torch.zeros(1, 1, 1)))
    assert count == 3 and total > 0 and not lesson.deep


def test_a_stage_without_the_language_model_teaches_the_way_back():
    from superlens.message import Conversation, Image, Message

    recipe = {"eye": {"type": "mae", "config": MAE}, "canvas": {"square": True, "longest": 32, "shortest": 32},
              "projector": {"type": "tokens", "lead": 1}, "links": {"restore": {"type": "feature", "decoder": "draw"}},
              "decoders": {"draw": {"type": "inverse"}}}  # fmt: skip
    model = tiny.model(**recipe)
    one, two = (Image(pixels.numpy(), of=of, restored=of is not None) for pixels, of in zip(pictures(), (None, 0)))
    sample = model.processor.encode(Conversation((Message("user", (one, "Do it.")), Message("assistant", (two,)))))
    batch = GlanceCollator({"inverting": Inverting.of(model.processor)})([sample])["batch"]
    losses = model(batch)["losses"]
    assert losses["inverting"][1] == 2 and "restore.value" not in losses


def test_a_published_eye_that_was_trained_is_loaded_as_it_was_trained(tmp_path):
    """Transformers knows this family's weights by older names, too: what is saved is not taken for what was left as published."""
    eye().backbone.save_pretrained(tmp_path / "published")
    model = tiny.model(**tiny.FEATURES | {"eye": {"type": "mae", "name": str(tmp_path / "published")}})
    for name, parameter in model.named_parameters():
        if name.startswith("eye.backbone.vit.layers."):
            parameter.data += 1
            model.left_published.discard(name)
    assert model.left_published
    model.save_pretrained(str(tmp_path / "trained"))
    loaded, trained = superlens.load(str(tmp_path / "trained"), device="cpu").state_dict(), model.state_dict()
    assert [name for name in trained if not torch.equal(trained[name], loaded[name])] == []


def test_a_canvas_of_another_size_is_refused():
    with pytest.raises(ValueError, match="32 x 32"):
        eye()(torch.zeros(1, 64, 64, 3, dtype=torch.uint8), [CanvasRule(64, 64, square=True).canvas(64, 64)])
    with pytest.raises(ValueError, match="multiple"):
        QuantisedEye(VQGAN, 33)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny network of pictures, on disk as published ones are."""
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("network")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(image_size=24, patch_size=8, **sizes), add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


def test_perceiving_looks_through_a_network(network):
    made = eye()
    shown = pictures(2)

    class Model:
        eye = made

    def told():
        scene = seen(made, shown)
        return teacher_of(f"perceiving:{network}", None)(batch_of(shown)).loss(Model, Outputs([scene], [], torch.zeros(1, 1, 1)))

    total, count = told()
    assert count == 2 and 0 < float(total.detach()) < 2 * 4
    total.backward()
    assert made.backbone.decoder.decoder_pred.weight.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network_of(network).parameters())
    optimiser = torch.optim.Adam(made.backbone.decoder.parameters(), 3e-3)
    before = float(total.detach())
    for _ in range(15):
        optimiser.zero_grad()
        total, _ = told()
        total.backward()
        optimiser.step()
    assert float(total.detach()) < 0.8 * before


def test_pictures_that_are_alike_are_perceived_alike(network):
    one_B3HW = torch.rand(2, 3, 32, 32)
    for one, two in zip(features(network_of(network), one_B3HW), features(network_of(network), one_B3HW)):
        assert torch.equal(one, two) and torch.allclose(one.norm(dim=1), torch.ones(2, one.shape[2]))


def test_what_is_perceived_through_is_named(tmp_path):
    refused(lambda: teacher_of("perceiving", None), "perceiving:NAME")
    refused(lambda: teacher_of("inverting:3", None), "takes nothing behind a colon")
    refused(lambda: teacher_of(f"perceiving:{tmp_path}", None), "can not load the network", tmp_path)
