"""Eyes of every family: levels, strides, tokens; a picture is seen alike whatever stands beside it; canvases that do not fit."""

import pytest
import tiny
import torch

from superlens.recipes.build import build
from superlens.vision.canvas import Canvas
from superlens.vision.eye import BackboneEye, HiddenStateEye

PLAIN = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 16,
    "image_size": 64,
}
DINO = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 14, "image_size": 56, "mlp_ratio": 2}
STAGES = {"hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 1, 1]}
EYES = {
    "convnext": (BackboneEye, STAGES, [4, 8, 16, 32], None),
    "swin": (BackboneEye, {"embed_dim": 8, "depths": [1] * 4, "num_heads": [1, 2, 2, 4], "window_size": 4}, [4, 8, 16, 32], None),
    "resnet": (BackboneEye, STAGES | {"embedding_size": 8, "layer_type": "basic"}, [4, 8, 16, 32], None),
    "dinov2": (BackboneEye, DINO, [14, 14, 14], None),
    "clip_vision_model": (HiddenStateEye, PLAIN, [4, 8, 16, 32], 64),
    "siglip_vision_model": (HiddenStateEye, PLAIN, [4, 8, 16, 32], 64),
    "vit": (HiddenStateEye, PLAIN, [4, 8, 16, 32], 64),
    "vit_mae": (HiddenStateEye, PLAIN, [4, 8, 16, 32], 64),
    "dinov2_with_registers": (HiddenStateEye, DINO, [3.5, 7, 14, 28], None),
}


@pytest.fixture(params=EYES)
def case(request):
    """-> (eye, its strides, a canvas it can see)"""
    kind, config, strides, fixed = EYES[request.param]
    torch.manual_seed(0)
    eye = kind({"model_type": request.param} | config, channels=16).eval()
    assert eye.strides == strides and eye.fixed_size == fixed
    height, width = (fixed, fixed) if fixed else (2 * eye.multiple, 4 * eye.multiple)
    return eye, strides, Canvas((height, width), (height, width), (height, width))


def pictures(count, canvas, seed=0):
    return torch.randint(0, 256, (count, *canvas.size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_levels_and_tokens(case):
    eye, strides, canvas = case
    scene = eye(pictures(2, canvas), [canvas, canvas])
    for level, (stride, map_BChw) in enumerate(zip(strides, scene.levels)):
        assert map_BChw.shape == (2, 16, canvas.size[0] / stride, canvas.size[1] / stride)
        assert scene.stride(level) == stride
    assert len(scene.levels) == len(strides)
    assert scene.tokens.shape == (2, eye.token_channels, *(side // eye.token_stride for side in canvas.size))


@pytest.mark.parametrize("training", [False, True])
def test_a_picture_does_not_depend_on_its_neighbours(case, training):
    eye, _, canvas = case
    eye.train(training)
    pixels = pictures(3, canvas)
    together, alone = eye(pixels, [canvas] * 3), eye(pixels[1:2], [canvas])
    for one, two in zip([*together.levels, together.tokens], [*alone.levels, alone.tokens]):
        assert torch.allclose(one[1:2], two, atol=1e-4)
    assert not torch.allclose(together.tokens[0], together.tokens[1], atol=1e-3)


def test_tokens_lie_where_the_picture_has_them(case):
    """A change in the lower right corner is felt most in the last cell (pyramids and norms over a whole map blur that)."""
    eye, _, canvas = case
    if isinstance(eye, BackboneEye):
        return
    pixels = pictures(1, canvas)
    changed = pixels.clone()
    changed[:, -eye.token_stride :, -eye.token_stride :] = 255 - changed[:, -eye.token_stride :, -eye.token_stride :]
    away_hw = (eye(pixels, [canvas]).tokens - eye(changed, [canvas]).tokens)[0].abs().sum(0)
    assert away_hw.argmax() == away_hw.numel() - 1


def test_mean_and_deviation_are_taken_out():
    eye = BackboneEye({"model_type": "convnext"} | STAGES, channels=16)
    grey_BHWC = torch.tensor([[[[0.485, 0.456, 0.406]]]]).mul(255).round().to(torch.uint8).expand(1, 4, 4, 3)
    assert eye.normalise(grey_BHWC).abs().max() < 0.01


def test_canvases_that_do_not_fit_are_refused_with_a_sentence():
    eye = HiddenStateEye({"model_type": "clip_vision_model"} | PLAIN, channels=16)
    wide = Canvas((64, 96), (64, 96), (64, 96))
    with pytest.raises(ValueError, match=r"sees 64 x 64 pixels only, got a canvas of 96 x 64 pixels.*square: true, longest: 64"):
        eye(pictures(1, wide), [wide])
    plain = {"type": "hf", "config": {"model_type": "vit"} | PLAIN, "channels": 16}
    with pytest.raises(ValueError, match="square: true, longest: 64"):
        build(tiny.recipe(eye=plain))
    with pytest.raises(ValueError, match=r"multiples of 28.*canvas.multiple: 28"):
        build(tiny.recipe(eye={"type": "hf", "config": {"model_type": "dinov2"} | DINO, "channels": 16}))
    with pytest.raises(ValueError, match="multiples of 32"):
        build(tiny.recipe(canvas={"longest": 128, "shortest": 64, "multiple": 16}))
    with pytest.raises(ValueError, match="token_level is one of the 4 levels"):
        build(tiny.recipe(eye=tiny.RECIPE["eye"] | {"token_level": 4}))


def published(tmp_path, family):
    """A tiny model written as hubs hold them -> (folder, recipe entry)."""
    from transformers import AutoModel, CLIPConfig, CLIPModel

    torch.manual_seed(7)
    folder = str(tmp_path / family)
    if family == "clip":
        words = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20}
        CLIPModel(CLIPConfig(vision_config=PLAIN, text_config=words)).save_pretrained(folder)
        return folder, {"type": "hf", "name": folder, "channels": 16}
    from superlens.parts import resolve_config

    AutoModel.from_config(resolve_config({"model_type": family} | STAGES)).save_pretrained(folder)
    return folder, {"type": "backbone", "name": folder, "channels": 16}


@pytest.mark.parametrize("family", ["clip", "convnext"])
def test_published_eyes_by_name(tmp_path, family):
    """Weights are found by name, left out of the checkpoint, and come back bit by bit."""
    from safetensors.torch import load_file

    import superlens

    folder, entry = published(tmp_path, family)
    canvas = {"longest": 64, "square": True}
    model = build(tiny.recipe(eye=entry, canvas=canvas), seed=1).eval()
    theirs = {name: tensor for name, tensor in load_file(f"{folder}/model.safetensors").items() if "text" not in name}
    ours = model.eye.backbone.state_dict()
    found = [
        name
        for name, tensor in theirs.items()
        if any(torch.equal(tensor, mine) for mine in ours.values() if mine.shape == tensor.shape)
    ]
    assert len(found) >= 0.8 * len(theirs)
    model.save_pretrained(tmp_path / "m")
    written = load_file(tmp_path / "m" / "model.safetensors")
    assert sum("eye.backbone" in name for name in written) < 0.3 * len(ours)
    again = superlens.load(str(tmp_path / "m"), device="cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
