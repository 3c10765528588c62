"""A run that is stopped and resumed equals one that is not; what can not be resumed is refused."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from train_tiny import coco_file, recipe_file, same_weights, stage, train

from superlens.train import loop, trainer


def interrupt_at(monkeypatch, home, step):
    """Ctrl-C in a stage, while the optimiser step after `step` others is under way."""

    class Interrupted(loop.StopOnSignal):
        def on_step_begin(self, args, state, control, **unused):
            if args.output_dir.endswith(home) and state.global_step == step:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer, "StopOnSignal", Interrupted)


def test_two_interruptions_equal_none_bit_for_bit(tmp_path, monkeypatch):
    recipe = recipe_file(
        tmp_path,
        stage(name="first", steps=4, save_every=3),
        stage(name="second", steps=4, accumulate=2, train=["links.*", "decoders.*", "eye.*"]),
    )
    data = ["world:2", coco_file(tmp_path)]
    straight = train(recipe, tmp_path / "straight", data)
    for home, step in (("1-first", 1), ("2-second", 2)):
        interrupt_at(monkeypatch, home, step)
        with pytest.raises(KeyboardInterrupt, match=f"step {step + 1} of {home}"):
            train(recipe, tmp_path / "stopped", data, resume=home == "2-second")
    assert (tmp_path / "stopped" / "stages" / "2-second" / "checkpoint-3").is_dir()
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    interrupt_at(monkeypatch, "nowhere", 0)
    resumed = train(recipe, tmp_path / "stopped", data, resume=True)
    assert same_weights(straight, resumed) == []
    written = [load_file(tmp_path / name / "model.safetensors") for name in ("straight", "stopped")]
    assert set(written[0]) == set(written[1])
    assert len(same_weights(straight, tiny.model())) > 100  # and it did learn


def test_a_stop_in_the_last_step_of_a_stage_goes_on_with_the_next(tmp_path, monkeypatch):
    recipe = recipe_file(tmp_path, stage(name="first"), stage(name="second"))
    interrupt_at(monkeypatch, "", 1)
    with pytest.raises(KeyboardInterrupt, match="step 2 of 1-first"):
        train(recipe, tmp_path / "run")
    assert (tmp_path / "run" / "stages" / "1-first" / "model").is_dir()
    assert not (tmp_path / "run" / "stages" / "2-second").exists()
    train(recipe, tmp_path / "run", resume=True)  # stopped in the last step of all: finished
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_checkpoint_cut_off_while_written_is_passed_over(tmp_path):
    for number, files in ((2, ["trainer_state.json"]), (10, ["trainer_state.json"]), (12, ["model.safetensors"])):
        (tmp_path / f"checkpoint-{number}").mkdir()
        for name in files:
            (tmp_path / f"checkpoint-{number}" / name).touch()
    assert trainer.last_checkpoint(tmp_path).endswith("checkpoint-10")
    assert trainer.last_checkpoint(tmp_path / "nowhere") is None


def test_what_is_not_the_same_run_is_refused(tmp_path):
    recipe = recipe_file(tmp_path, stage(steps=1))
    train(recipe, tmp_path / "run")
    with pytest.raises(ValueError, match="already holds something"):
        train(recipe, tmp_path / "run")
    others = [({"seed": 1}, "seed 0, not 1"), ({"overrides": ["stages.0.lr=1"]}, "overrides"), ({"data": ["world:3"]}, "data")]
    for options, words in others:
        with pytest.raises(ValueError, match=words):
            train(recipe, tmp_path / "run", resume=True, **options)
    recipe_file(tmp_path, stage(steps=2))  # the file changed under the run
    with pytest.raises(ValueError, match="other settings in the recipe"):
        train(recipe, tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"run\.json is missing"):
        train(recipe, tmp_path / "elsewhere", resume=True)


def test_ctrl_c_leaves_a_checkpoint_and_one_sentence(tmp_path):
    recipe, out = recipe_file(tmp_path, stage(steps=100000, save_every=100000, workers=1)), tmp_path / "run"
    command = [sys.executable, "-m", "superlens", "train", recipe, "--data", "world", "--out", str(out), "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    said, deadline = b"", time.monotonic() + 240
    while not re.search(rb"\b[1-9]\d*/100000", said):
        assert process.poll() is None and time.monotonic() < deadline, said.decode()
        said += process.stderr.read1(4096)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the process that prepares batches gets it too
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    last = stderr.decode().strip().splitlines()[-1]
    assert re.search(r"Stopped after step \d+ of 1-all; --resume goes on", last) and "Traceback" not in stderr.decode()
    assert stdout == b""
    assert trainer.last_checkpoint(out / "stages" / "1-all") is not None


def test_weights_under_other_names_are_not_gone_on_with(tmp_path):
    save_file({"eye.backbone.older.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"holds other weights \('eye.backbone.older.weight'\): remove it"):
        trainer.fill(tiny.model(), tmp_path)
