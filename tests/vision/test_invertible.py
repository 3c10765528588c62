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
from superlens.vision.codebook import CodePredictingEye, QuantisedEye
from superlens.vision.invertible import MaskedAutoencoderEye

MAE = {"model_type": "vit_mae", "image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 32, "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
       "decoder_intermediate_size": 16}  # fmt: skip
RULE = CanvasRule(longest=32, shortest=32, square=True)


def eye(kind="mae", **options):
    torch.manual_seed(0)
    make = {
        "mae": lambda: MaskedAutoencoderEye(MAE), "vqgan": lambda: QuantisedEye(tiny.VQGAN, 32, **options),
        "beit": lambda: CodePredictingEye(tiny.BEIT, tiny.VQGAN),
    }  # fmt: skip
    return make[kind]().eval()


def pictures(count=2, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8))


def seen(made, pixels_BHWC):
    return made(pixels_BHWC, [RULE.canvas(32, 32)] * len(pixels_BHWC))


@pytest.mark.parametrize("kind, tokens, channels", [("mae", 17, 24), ("vqgan", 256, 4), ("beit", 256, 16)])
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

    Inverting.begin(Model, tiny.pictures_alone(pictures(20), RULE))
    assert Model.left_published == {"eye.backbone.decoder.decoder_pred.weight"}


@pytest.mark.parametrize("kind", ["mae", "vqgan", "beit"])
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
        total, count = Inverting.of(None)(tiny.pictures_alone(shown, RULE)).loss(Model, Outputs([scene], [], torch.zeros(1, 1, 1)))
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()
        told.append(float(total.detach()))
    assert count == 2 and told[-1] < 0.8 * told[0]


def test_hiding_counts_pictures():
    made = eye()

    class Model:
        eye = made

    lesson = Hiding.of(None)(tiny.pictures_alone(pictures(3), RULE))
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
        QuantisedEye(tiny.VQGAN, 33)


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
        lesson = teacher_of(f"perceiving:{network}", None)(tiny.pictures_alone(shown, RULE))
        return lesson.loss(Model, Outputs([scene], [], torch.zeros(1, 1, 1)))

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
