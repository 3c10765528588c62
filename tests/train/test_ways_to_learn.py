"""Stages without the language model, Muon beside AdamW, and the stages a finished model takes along."""

import copy

import pytest
import tiny
import torch

from superlens.recipes.schema import read_recipe
from superlens.train.optimizer import MuonWithAdamW, hidden_matrices
from superlens.train.rows import GlanceCollator


def with_words():
    links = {name: link | {"words": True} for name, link in tiny.RECIPE["links"].items()}
    return tiny.model(links=links)


def test_a_glance_teaches_eye_and_decoders_and_no_text():
    model = with_words()
    talks = tiny.conversations(4, tasks={"boxes": 1, "masks": 1})
    batch = GlanceCollator()([model.processor.encode(talk) for talk in talks])["batch"]
    assert batch.ids_RT.numel() == 1 and len(batch.wanted_P) == 0
    assert len(batch.groups) == sum(len(message.outputs) for talk in talks for message in talk.messages)
    assert {placed.picture for placed in batch.groups} == {0, 1, 2, 3}
    model(batch)["loss"].backward()
    taught = dict(model.named_parameters())
    for name in ("links.boxes.project_words.1", "eye.backbone.embeddings.patch_embeddings", "decoders.detect.cells"):
        assert taught[f"{name}.weight"].grad.abs().sum() > 0, name


def test_words_change_what_is_asked_for():
    model = with_words()
    batch = GlanceCollator()([model.processor.encode(talk) for talk in tiny.conversations(2, tasks={"boxes": 1})])["batch"]
    for placed in batch.groups:
        placed.group.words = model.processor.words(" red circle")
    same = model.answer(batch).asked[0].requests.vectors_KnC
    assert torch.allclose(same, same[:1].expand_as(same), atol=1e-6)
    batch.groups[0].group.words = model.processor.words(" blue star")
    assert not torch.allclose(model.answer(batch).asked[0].requests.vectors_KnC[0], same[0], atol=1e-3)


def test_muon_takes_the_matrices_it_is_given_and_comes_back_from_its_state():
    layers = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Linear(8, 6))
    assert hidden_matrices(layers) == {"0.weight", "1.weight"}

    def optimizer(of):
        plain = {"params": [of[0].bias, of[1].bias], "lr": 1e-2, "weight_decay": 0.0, "muon": False}
        return MuonWithAdamW([plain, {"params": [of[0].weight, of[1].weight], "lr": 1e-2, "weight_decay": 0.0, "muon": True}])

    def step(of, by):
        by.zero_grad()
        of(torch.arange(12.0).reshape(2, 6)).square().mean().backward()
        by.step()

    first = optimizer(layers)
    before = layers[0].weight.detach().clone()
    step(layers, first)
    change = layers[0].weight.detach() - before
    # Orthogonalised: singular values alike, which no AdamW step on this rank-two gradient has.
    values = torch.linalg.svdvals(change)[:2]
    assert values[1] > 0.5 * values[0]
    again = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Linear(8, 6))
    again.load_state_dict(layers.state_dict())
    second = optimizer(again)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # as from a file: torch itself shares the tensors
    step(layers, first)
    step(again, second)
    assert all(torch.equal(one, two) for one, two in zip(layers.parameters(), again.parameters()))
    for group in first.param_groups:
        group["lr"] = 0.0
    still = layers[1].weight.detach().clone()
    assert all(group["lr"] == 0 for one in first.state_dict()["optimizers"] for group in one["param_groups"])  # also before a step
    step(layers, first)
    assert torch.equal(layers[1].weight, still), "a scheduler's rate must reach Muon"


@pytest.mark.parametrize("fast", [True, False])
def test_muon_trains_kernels_as_the_matrices_that_they_are(fast, monkeypatch):
    """As torch's own Muon does; where bfloat16 is slow all is float32, near to that."""
    monkeypatch.setattr("superlens.train.optimizer.has_bfloat16", lambda device: fast)
    wide = torch.nn.Conv2d(16, 16, 3)
    model = torch.nn.ModuleList([torch.nn.Conv2d(3, 16, 3), wide, torch.nn.Conv2d(32, 32, 3, groups=32), torch.nn.Conv2d(16, 3, 1)])
    assert hidden_matrices(model) == {"1.weight"}
    matrix = torch.nn.Parameter(wide.weight.detach().flatten(1).clone())
    entry = {"lr": 1e-2, "weight_decay": 0.1, "muon": True}
    kernels, plain = MuonWithAdamW([{"params": [wide.weight]} | entry]), torch.optim.Muon(
        [matrix], lr=1e-2, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    wide.double().float()  # elsewhere in memory, as after a move to another device
    for seed in range(3):
        kernels.zero_grad()
        assert wide.weight.grad is None
        wide.weight.grad = torch.randn(wide.weight.shape, generator=torch.Generator().manual_seed(seed))
        matrix.grad = wide.weight.grad.flatten(1).clone()
        before = matrix.detach().clone()
        kernels.step()
        plain.step()
        if fast:
            assert torch.equal(wide.weight.detach().flatten(1), matrix)
        else:
            off = (wide.weight.detach().flatten(1) - matrix).abs().max() / (matrix - before).abs().max()
            assert 1e-5 < off < 0.05
            matrix.data = wide.weight.detach().flatten(1).clone()


def test_half_precision_is_unscaled_for_kernels_too():
    """A scaler divides the gradients of the groups' own tensors, and looks for infinities in them."""
    kernel = torch.nn.Conv2d(16, 16, 3)
    optimiser = MuonWithAdamW([{"params": [kernel.weight], "lr": 1e-2, "weight_decay": 0.0, "muon": True},
                               {"params": [kernel.bias], "lr": 1e-2, "weight_decay": 0.0, "muon": False}])  # fmt: skip
    assert {id(one) for group in optimiser.param_groups for one in group["params"]} == {id(kernel.weight), id(kernel.bias)}
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)
    picture = torch.ones(1, 16, 8, 8)
    scaler.scale(kernel(picture).mean()).backward()
    scaled = kernel.weight.grad.clone()
    scaler.unscale_(optimiser)
    assert torch.allclose(kernel.weight.grad, scaled / 65536)
    before = kernel.weight.detach().clone()
    scaler.step(optimiser)
    scaler.update()
    assert not torch.equal(kernel.weight, before)
    optimiser.zero_grad()
    scaler.scale(kernel(picture * torch.inf).mean()).backward()
    before = kernel.weight.detach().clone()
    scaler.step(optimiser)
    assert torch.equal(kernel.weight, before)  # left out


def test_tune_stages_are_read_and_named_apart():
    plan = read_recipe(tiny.recipe(tune=[{"name": "tune", "train": ["*"], "steps": 1}]))
    assert [stage.name for stage in plan.tune] == ["tune"] and plan.to_dict()["tune"][0]["steps"] == 1
    with pytest.raises(ValueError, match="two stages are called 'tune'"):
        read_recipe(tiny.recipe(tune=[{"name": "tune", "train": ["*"]}] * 2))
