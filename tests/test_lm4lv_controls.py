"""The controls of LM4LV that `benchmarks/lm4lv.py` trains: of equal size, answering with pictures, their table to the letter."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "lm4lv.py"


@pytest.fixture(scope="module")
def controls():
    spec = importlib.util.spec_from_file_location("lm4lv_controls", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    return build(read_recipe("lm4lv", ["scale=nano"]).to_dict(), 0).eval()


def trained(arm):
    return sum(parameter.numel() for parameter in arm.parameters() if parameter.requires_grad)


def test_controls_have_as_many_trained_parameters(controls, model):
    wanted = trained(controls.make("lm4lv", model, 0))
    for arm in ("random", "mlp", "transformer"):
        assert trained(controls.make(arm, model, 0)) == pytest.approx(wanted, rel=0.01), arm


@pytest.mark.parametrize("arm", ["lm4lv", "one-pass", "linear", "mlp", "transformer"])
def test_every_arm_learns_and_answers_with_pictures(controls, model, arm, tmp_path):
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (120, 150, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    lessons = controls.Lessons([str(tmp_path / "a.png")], 112, ["noise", "flip"], 2, 0)
    learner = controls.make(arm, model, 0)
    lesson = lessons[0]
    assert [task for task, _ in lesson] == [task for task, _ in lessons[0]]  # the same for every arm
    loss = learner.loss(lesson)
    loss.backward()
    moved = [parameter for parameter in learner.parameters() if parameter.requires_grad and parameter.grad is not None]
    assert torch.isfinite(loss) and moved and all(torch.isfinite(parameter.grad).all() for parameter in moved)
    if arm != "lm4lv":  # 197 steps of a language model; tests/links/test_feature.py asks a smaller one
        (answer, _) = learner.eval().answers(lesson)
        assert answer.shape == (112, 112, 3) and answer.dtype == np.uint8


@torch.no_grad()
def test_one_pass_sees_everything_and_no_order(controls, model):
    """No causal mask: the first answer depends on the last token. No positions: tokens in another order are answered in that order."""
    net = controls.make("one-pass", model, 0).net.eval()
    shown_BTC, task_B = torch.randn(1, 197, model.eye.token_channels, generator=torch.Generator().manual_seed(0)), torch.tensor([1])
    changed_BTC = shown_BTC.clone()
    changed_BTC[:, -1] += 3
    assert (net(shown_BTC, task_B) - net(changed_BTC, task_B))[:, 0].abs().max() > 1e-5
    net.into.place_PD.zero_()
    order_T = torch.randperm(197, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(net(shown_BTC, task_B)[:, order_T], net(shown_BTC[:, order_T], task_B), atol=1e-4)


@torch.no_grad()
def test_tokens_begin_among_the_words_of_the_trained_language_model(controls):
    model = build(read_recipe("lm4lv", ["scale=nano"]).to_dict(), 0).eval()
    model.language.words().add_(0.5)  # as training moves them
    mean_D = model.language.words().mean(0)
    for arm, projector in (("lm4lv", lambda made: made.model.projector), ("one-pass", lambda made: made.net.into)):
        assert torch.allclose(projector(controls.make(arm, model, 0)).layers.bias, mean_D), arm


@pytest.mark.parametrize("arm", ["lm4lv", "one-pass", "linear", "mlp", "transformer"])
def test_matrices_learn_by_muon_and_layers_in_slowly(controls, model, arm):
    learner = controls.make(arm, model, 0)
    optimiser = controls.optimiser_of(learner, 1e-2)
    names = {id(parameter): name for name, parameter in learner.named_parameters() if parameter.requires_grad}
    grouped = [(names[id(parameter)], group) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(name for name, _ in grouped) == sorted(names.values())  # each once
    slow = {
        "lm4lv": {"model.projector.layers.weight", "model.projector.layers.bias", "model.projector.place_PD"},
        "one-pass": {"net.into.layers.weight", "net.into.layers.bias", "net.into.place_PD"},
        "linear": {"net.into.weight", "net.into.bias"},
    }.get(arm, set())
    assert {name for name, group in grouped if group["lr"] == pytest.approx(1e-3)} == slow
    assert all(group["lr"] == pytest.approx(1e-3 if name in slow else 1e-2) for name, group in grouped)
    hidden = {name for name, group in grouped if "momentum" in group}
    wanted = {
        "lm4lv": {"model.projector.layers.weight", "model.links.restore.out.weight"},
        "one-pass": {"into.layers.weight", "out.weight"}, "linear": {"into.weight", "out.weight"},
        "mlp": {"net.first.weight", "net.second.weight"},
        "transformer": {
            "net.layer.self_attn.in_proj_weight", "net.layer.self_attn.out_proj.weight",
            "net.layer.linear1.weight", "net.layer.linear2.weight",
        },
    }[arm]  # fmt: skip
    assert {name.removeprefix("net.") for name in hidden} == {name.removeprefix("net.") for name in wanted}


def test_pairs_are_learned_by_heart_and_measured(controls, tmp_path):
    files = []
    for index in range(3):
        files.append(str(tmp_path / f"{index}.png"))
        Pil.fromarray(np.full((64, 64, 3), 60 * index, np.uint8)).save(files[-1])
    lessons = controls.ByHeart(files, 32, ["noise", "flip"], 3, 0, pairs=4)
    exam = lessons.exam()
    assert {task: len(talks) for task, talks in exam.items()} == {"noise": 2, "flip": 2}
    learned = [talk for step in range(20) for _, talk in lessons[step]]
    assert {id(talk) for talk in learned} == {id(talk) for talks in exam.values() for talk in talks}


def test_the_table_has_differences_seed_by_seed(controls):
    floor = {"noise": {"psnr": 20.0}, "flip": {"psnr": 30.0}}
    runs = {"lm4lv": {"0": {"noise": {"psnr": 21.0}, "flip": {"psnr": 25.0}}, "1": {"noise": {"psnr": 23.0}, "flip": {"psnr": 25.0}}},
            "mlp": {"0": {"noise": {"psnr": 20.5}, "flip": {"psnr": 12.0}}}}  # fmt: skip
    lines = controls.table(floor, {"psnr": 31.0}, runs, "psnr")
    assert lines[0] == "| psnr | noise | flip | mean of restoring |"
    assert "| way back (clean pictures: 31.00) | 20.00 | 30.00 | 20.00 |" in lines
    assert "| lm4lv (2) | 22.00 ± 1.41 | 25.00 ± 0.00 | 22.00 ± 1.41 |" in lines
    assert "| lm4lv - way back (2) | +2.00 ± 1.41 | -5.00 ± 0.00 | +2.00 ± 1.41 |" in lines
    assert lines[-1] == "| lm4lv - mlp (1) | +0.50 | +13.00 | +0.50 |"  # of the seed that both have
