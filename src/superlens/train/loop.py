"""Transformers' Trainer with Superlens' losses: (sum, count) pairs, shared over ranks and accumulated steps, logged per link."""

from __future__ import annotations

import fnmatch
import signal
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback

from superlens.model import Superlens


class LinkTrainer(Trainer):
    """rates: {parameter glob: learning rate, "default": learning rate}."""

    def __init__(self, *arguments, rates: dict[str, float], **options):
        super().__init__(*arguments, **options)
        # The loss is already divided by counts shared over accumulated steps and ranks (see compute_loss).
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        self.rates = rates
        self.counts: dict[str, float] = {}
        self.seen: dict[str, list] = {}
        self.dropped = self.samples = 0

    def _get_train_sampler(self, train_dataset=None):
        """Rows are already drawn at random by their number; the order of numbers is the order of training."""
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Fetch the batches of one optimiser step, and add up their counts over steps and ranks before any forward."""
        batches = []
        for _ in range(num_batches):
            try:
                batches.append(next(epoch_iterator))
            except StopIteration:
                break
        model = self.accelerator.unwrap_model(self.model)
        totals: dict[str, float] = {}
        for entry in batches:
            self.dropped += entry["batch"].dropped
            self.samples += entry["batch"].samples
            for name, count in model.counts(entry["batch"]).items():
                totals[name] = totals.get(name, 0.0) + count
        if self.args.world_size > 1:
            names = sorted(model.counts_names())
            values = torch.tensor([totals.get(name, 0.0) for name in names], dtype=torch.float64, device=device)
            torch.distributed.all_reduce(values)
            totals = dict(zip(names, values.tolist()))
        self.counts = totals
        return batches, None

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """sum / shared count, times what Trainer and the gradient average over ranks will divide by."""
        outputs = model(**inputs, counts=self.counts, step_together=self.args.world_size > 1)
        for name, (total, count) in outputs["losses"].items():
            entry = self.seen.setdefault(name, [torch.zeros((), device=total.device), 0.0])
            entry[0] = entry[0] + total
            entry[1] += count
        loss = outputs["loss"] * self.current_gradient_accumulation_steps * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs) -> int:
        """Not estimated: the family's formula knows nothing of eyes and decoders."""
        return 0

    def log(self, logs: dict[str, float], *arguments, **options) -> None:
        """Adds each link's own loss since the last log, and how many samples were dropped as too long."""
        if "loss" in logs:
            for name, (total, count) in sorted(self.seen.items()):
                logs[f"loss/{name}"] = round(float(total) / max(count, 1.0), 4)
            logs["samples"], logs["dropped_too_long"] = self.samples, self.dropped
            self.seen = {}
        super().log(logs, *arguments, **options)

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """AdamW; weights of two or more dimensions decay, and each parameter takes the rate of the first glob that names it."""
        if self.optimizer is None:
            groups: dict[tuple[float, float], list] = {}
            for name, parameter in (self.model if model is None else model).named_parameters():
                if parameter.requires_grad:
                    decay = self.args.weight_decay if parameter.ndim >= 2 else 0.0
                    groups.setdefault((rate_of(name, self.rates), decay), []).append(parameter)
            options = [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]
            betas = (self.args.adam_beta1, self.args.adam_beta2)
            self.optimizer = torch.optim.AdamW(options, lr=self.args.learning_rate, betas=betas, eps=self.args.adam_epsilon, fused=True)
        return self.optimizer


def rate_of(name: str, rates: dict[str, float]) -> float:
    """The learning rate of a parameter: the first glob that matches, else "default"."""
    name = name.removeprefix("module.")
    return next((rate for glob, rate in rates.items() if fnmatch.fnmatchcase(name, glob)), rates["default"])


def choose_trained(model: Superlens, globs: list[str], stage: str) -> int:
    """Freeze everything but what the globs name; returns how many parameters train. ValueError for a glob that matches nothing."""
    names = [name for name, _ in model.named_parameters()]
    for glob in globs:
        if not fnmatch.filter(names, glob):
            sections = sorted({name.split(".")[0] + ".*" for name in names})
            raise ValueError(f"stage '{stage}' trains '{glob}', which matches no parameter; for instance {', '.join(sections)}.")
    trained = 0
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(fnmatch.fnmatchcase(name, glob) for glob in globs))
        if parameter.requires_grad:
            trained += parameter.numel()
            model.left_published.discard(name)
    if not trained:
        raise ValueError(f"stage '{stage}' trains nothing: give it parameter globs, for instance 'links.*'.")
    return trained


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
        if self.stopped:
            control.should_save = control.should_training_stop = True
        return control

    def on_train_end(self, args, state, control, **unused):
        for number, handler in self.before.items():
            signal.signal(number, handler)
