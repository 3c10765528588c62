"""Two processes whose ranks get disjoint tasks, with decoders of different sizes, equal one process that sees both batches."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
import two_processes

from superlens.batch import collate, with_blanks

KINDS = ("ddp", "fsdp", "fsdp-parts")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Everything two processes do, in one start of them; rank -> what it printed, should it fail."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("two_processes.py")), str(folder), *KINDS, "codebook"]
    around = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(command, env=around | {"RANK": rank, "LOCAL_RANK": rank}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=240)[0].decode() for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(words[-3000:] for words in said)
    return {kind: torch.load(folder / f"{kind}.pt") for kind in (*KINDS, "codebook")}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """One process with twice the batch."""
    torch.manual_seed(0)
    return two_processes.link_trainer(tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one(kind, results, reference):
    found = results[kind]
    assert [entry["loss"] for entry in found["losses"]] == pytest.approx([entry["loss"] for entry in reference["losses"]], rel=1e-5)
    assert found.get("missing", []) == []
    assert set(found["weights"]) == set(reference["weights"])
    for name, weight in reference["weights"].items():
        assert torch.allclose(found["weights"][name].reshape(weight.shape), weight, atol=1e-5), name


def test_a_codebook_is_revived_alike_in_both(results):
    found = results["codebook"]
    assert torch.equal(*found["entries"]) and torch.equal(*found["idle"])
    assert not torch.equal(found["entries"][0], found["begun"])


def test_the_logged_losses_are_those_of_both_ranks(results, reference):
    for found, wanted in zip(results["ddp"]["losses"], reference["losses"], strict=True):
        names = {name for name in wanted if name.startswith("loss/")} | {"samples", "dropped_too_long"}
        assert {name: found[name] for name in names} == pytest.approx({name: wanted[name] for name in names}, abs=2e-4)


def test_the_ranks_tasks_are_disjoint():
    model = tiny.model()
    samples = [model.processor.encode(talk) for talk in two_processes.talks()]
    links = [{group.link for sample in samples[start : start + 2] for group in sample.groups} for start in (0, 2, 4, 6)]
    assert links == [{"boxes"}, {"masks"}, {"boxes"}, set()]
    assert [model.rounds(collate(samples[start : start + 2])) for start in (4, 6)] == [2, 1]
    sizes = [sum(parameter.numel() for parameter in decoder.parameters()) for decoder in model.decoders.values()]
    assert sizes[0] != sizes[1]


LINKS = {
    "queries": {"type": "query", "token": "[BOX]", "queries": 2, "words": True, "decoder": "detect"},
    "before": {"type": "query", "token": "[BOX]", "queries": 0, "read": "before", "absent": "[NONE]", "decoder": "detect"},
    "emitted": {"type": "query", "token": "[BOX]", "queries": 0, "emitted": ["[B1]", "[B2]"], "pool": "none", "decoder": "detect"},
    "phrase": {"type": "phrase", "decoder": "detect"},
    "codec": {"type": "codec"},
}


@pytest.mark.parametrize("link", LINKS)
def test_running_together_changes_no_loss_and_reaches_every_parameter(link):
    decoders = {name: entry for name, entry in tiny.RECIPE["decoders"].items() if link != "codec" or name == "segment"}
    model = tiny.model(links={"boxes": LINKS[link], "masks": tiny.RECIPE["links"]["masks"]}, decoders=decoders)
    for talk in (two_processes.talks()[0], two_processes.talks()[-1]):
        batch = collate([model.processor.encode(talk)])
        alone, together = model(batch), model(batch, step_together=3)
        assert torch.equal(alone["loss"], together["loss"]) and alone["losses"].keys() == together["losses"].keys()
        model.zero_grad()
        together["loss"].backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
        assert len(with_blanks(batch, 3, model.processor.canvas.canvas(1, 1)).pictures) == 3
