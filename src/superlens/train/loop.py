"""Transformers' Trainer with Superlens' losses: (sum, count) pairs, shared over ranks and accumulated steps, logged per link."""

from __future__ import annotations

import fnmatch
import itertools
import signal
import sys
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import ProgressCallback, Trainer, TrainerCallback

from superlens.model import Superlens
from superlens.parts import nearest
from superlens.train.optimizer import MuonWithAdamW, hidden_matrices

ALL_TOO_LONG = 64  # samples that may be dropped before the first one that fits


class LinkTrainer(Trainer):
    """rates: {parameter glob: learning rate, "default": learning rate}. muon: globs of the hidden matrices that Muon trains."""

    def __init__(self, *arguments, rates: dict[str, float], muon: list[str] = (), **options):
        super().__init__(*arguments, **options)
        # The loss is already divided by counts shared over accumulated steps and ranks (see compute_loss).
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = True
        self.rates, self.muon = rates, list(muon)
        self.counts: dict[str, float] = {}
        self.rounds = 0
        self.seen: dict[str, list] = {}
        self.dropped = self.samples = 0

    def _get_train_sampler(self, train_dataset=None):
        """Rows are already drawn at random by their number; the order of numbers is the order of training."""
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Fetch the batches of one optimiser step, and agree on their counts over steps and ranks before any forward."""
        batches = list(itertools.islice(epoch_iterator, num_batches))
        model = self.accelerator.unwrap_model(self.model)
        totals: dict[str, float] = {}
        for entry in batches:
            self.dropped += entry["batch"].tally.dropped
            self.samples += entry["batch"].tally.samples
            for name, count in model.counts(entry["batch"]).items():
                totals[name] = totals.get(name, 0.0) + count
        if not self.samples and self.dropped >= ALL_TOO_LONG:
            raise ValueError(f"the first {self.dropped} samples are all longer than a row, or than the model reads: "
                             "raise row_tokens, or shorten them.")
        self.counts = totals
        if self.args.world_size > 1:
            names = model.counts_names()
            summed = self._over_ranks([totals.get(name, 0.0) for name in names], torch.distributed.ReduceOp.SUM)
            self.counts = dict(zip(names, summed))
            most = max((model.rounds(entry["batch"]) for entry in batches), default=1)
            self.rounds = int(self._over_ranks([most], torch.distributed.ReduceOp.MAX)[0])
        return batches, None

    def _over_ranks(self, values: list[float], how) -> list[float]:
        """The values, summed (or whatever `how` says) over all processes."""
        shared = torch.tensor(values, dtype=torch.float64, device=self.args.device)
        torch.distributed.all_reduce(shared, how)
        return shared.tolist()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """sum / shared count, times the number of ranks, over which gradients and the logged loss are averaged."""
        outputs = model(**inputs, counts=self.counts, step_together=self.rounds)
        for name, (total, count) in outputs["losses"].items():
            entry = self.seen.setdefault(name, [torch.zeros((), device=total.device), 0.0])
            entry[0] = entry[0] + total
            entry[1] += count
        loss = outputs["loss"] * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs) -> int:
        """Not estimated: the family's formula knows nothing of eyes and decoders."""
        return 0

    def log(self, logs: dict[str, float], *arguments, **options) -> None:
        """Adds each link's own loss since the last log, and how many samples were read, and dropped as too long, since the
        process was started."""
        if "loss" in logs:
            names = self.accelerator.unwrap_model(self.model).counts_names()
            values = [float(value) for name in names for value in self.seen.get(name, (0.0, 0.0))]
            values += [self.samples, self.dropped]
            if self.args.world_size > 1:
                values = self._over_ranks(values, torch.distributed.ReduceOp.SUM)
            for name, total, count in zip(names, values[0:-2:2], values[1:-2:2]):
                if count:
                    logs[f"loss/{name}"] = round(total / count, 4)
            logs["samples"], logs["dropped_too_long"] = int(values[-2]), int(values[-1])
            self.seen = {}
        super().log(logs, *arguments, **options)

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """AdamW; weights of two or more dimensions decay, and each parameter takes the rate of the first glob that names it.

        With `muon`, hidden matrices whose names fit one of its globs are Muon's.
        """
        if self.optimizer is None:
            model = self.model if model is None else model
            hidden = {name for name in hidden_matrices(model) if matches(name.removeprefix("module."), self.muon)}
            groups: dict[tuple, list] = {}
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    decay = self.args.weight_decay if parameter.ndim >= 2 else 0.0
                    groups.setdefault((rate_of(name, self.rates), decay, name in hidden), []).append(parameter)
            options = [{"params": p, "lr": rate, "weight_decay": decay, "muon": muon} for (rate, decay, muon), p in groups.items()]
            betas = (self.args.adam_beta1, self.args.adam_beta2)
            self.optimizer = MuonWithAdamW(options, betas=betas, eps=self.args.adam_epsilon, fused=True)
        return self.optimizer


def matches(name: str, globs: list[str]) -> bool:
    """Whether one of the globs names this parameter."""
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def rate_of(name: str, rates: dict[str, float]) -> float:
    """The learning rate of a parameter: the first glob that matches, else "default"."""
    name = name.removeprefix("module.")
    return next((rate for glob, rate in rates.items() if fnmatch.fnmatchcase(name, glob)), rates["default"])


def check_globs(model: Superlens, globs: Iterable[str], words: str) -> None:
    """ValueError, beginning with `words`, for a glob that matches no parameter; it names something near."""
    names = [name for name, _ in model.named_parameters()]
    for glob in globs:
        if not fnmatch.filter(names, glob):
            choices = {".".join([*name.split(".")[:depth], "*"]) for name in names for depth in range(1, name.count(".") + 1)}
            choices = {choice for choice in choices if choice.count(".") <= glob.count(".")} or choices
            raise ValueError(f"{words} '{glob}', which matches no parameter: {nearest(glob, choices)}")


def choose_trained(model: Superlens, globs: list[str], stage: str) -> int:
    """Freeze everything but what the globs name; returns how many parameters train. ValueError for a glob that matches nothing."""
    check_globs(model, globs, f"stage '{stage}' trains")
    trained = 0
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(fnmatch.fnmatchcase(name, glob) for glob in globs))
        if parameter.requires_grad:
            trained += parameter.numel()
            model.left_published.discard(name)
    # Buffers may move without being trained (running means): they are always saved.
    model.left_published -= {name for name, _ in model.named_buffers()}
    return trained


class Progress(ProgressCallback):
    """Trainer's bar, its log lines shortened and on stderr beside it: stdout is for results."""

    def on_log(self, args, state, control, logs=None, **unused):
        if state.is_world_process_zero and self.training_bar is not None and "loss" in logs:
            named = {"lr": logs["learning_rate"], "loss": logs["loss"]}
            named |= {key.removeprefix("loss/"): value for key, value in logs.items() if key.startswith("loss/")}
            words = "  ".join(f"{name} {value:.4g}" for name, value in named.items())
            self.training_bar.write(f"step {state.global_step}  {words}", file=sys.stderr)


class StopOnSignal(TrainerCallback):
    """Ctrl-C (or a polite kill) ends training after the step in progress, with a checkpoint; a second one ends it at once."""

    def __init__(self):
        self.stopped = False
        self.before: dict[int, Any] = {}

    def on_train_begin(self, args, state, control, **unused):
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self.before[number] = signal.signal(number, self._ask)
            except ValueError:  # not the main thread: signals are somebody else's
                return

    def _ask(self, number, frame):
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def on_step_end(self, args, state, control, **unused):
        if args.world_size > 1:  # the signal reaches processes at different moments; all stop after the same step
            stopped = torch.tensor(float(self.stopped), device=args.device)
            torch.distributed.all_reduce(stopped, torch.distributed.ReduceOp.MAX)
            self.stopped = bool(stopped)
        if self.stopped:
            control.should_save = control.should_training_stop = True
        return control

    def on_train_end(self, args, state, control, **unused):
        for number, handler in self.before.items():
            signal.signal(number, handler)
