"""Train a recipe, or go on from a model: stages one after another, each with checkpoints, resumable exactly."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from superlens.data.augment import Augment
from superlens.data.mixture import Mixture, parse_weighted
from superlens.data.sources.open import open_source
from superlens.language.causal import keeps_packed_samples_apart
from superlens.model import Superlens
from superlens.recipes.build import build, find_model, load
from superlens.recipes.schema import Stage, read_recipe, recipe_names
from superlens.train.loop import LinkTrainer, StopOnSignal, choose_trained
from superlens.train.rows import Collator, Encoded

logger = logging.getLogger(__name__)


def train(
    recipe: str,
    data: list[str],
    out: str,
    overrides: list[str] = (),
    resume: bool = False,
    seed: int = 0,
    device: str | None = None,
    dtype: str | None = None,
    whole: bool = False,
    report_to: str = "none",
) -> Superlens:
    """Run every stage of a recipe and leave the finished model in `out`.

    recipe: a recipe's name, a YAML file, or a model (`nano`, a directory) whose weights are continued.
    data: FILE or FILE:WEIGHT or world or world:WEIGHT. overrides: `a.b=c`. resume: go on with the run that `out` holds.
    dtype: "bfloat16" or "float16" for mixed precision, "float32"; default bfloat16 where the machine computes it natively.
    Raises ValueError with a sentence before any work for what can not be done.
    """
    folder = Path(out)
    run = {"recipe": recipe, "data": list(data), "overrides": list(overrides), "seed": seed}
    check_folder(folder, run, resume)
    model, plan = open_model(recipe, list(overrides), seed)
    sources = [(parse_weighted(words), words) for words in data]
    opened = {words: open_source(path, **source_options(plan, path, None)) for (path, _), words in sources}
    for stage in plan.stages:
        choose_trained(model, stage.train, stage.name)
    del opened
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run, indent=1))
    for number, stage in enumerate(plan.stages, 1):
        home = folder / "stages" / f"{number}-{stage.name}"
        if (home / "model" / "config.json").is_file():
            model = load(str(home / "model"))
            continue
        mixture = make_mixture(plan, stage, data, seed + 1000 * number)
        finished = run_stage(model, stage, mixture, home, Precision(device, dtype), seed, report_to)
        if not finished:
            raise KeyboardInterrupt(f"stopped in stage '{stage.name}' with a checkpoint; --resume goes on from it")
        model.save_pretrained(str(home / "model"), whole=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    model.save_pretrained(str(folder), whole=whole)
    return model


def check_folder(folder: Path, run: dict, resume: bool) -> None:
    """Refuse to overwrite another run, or to resume what is not this one."""
    record = folder / "run.json"
    if not resume:
        if folder.exists() and any(folder.iterdir()):
            raise ValueError(f"'{folder}' already holds something: choose another --out, or --resume the run in it.")
        return
    if not record.is_file():
        raise ValueError(f"'{folder}' holds no run to resume: run.json is missing.")
    before = json.loads(record.read_text())
    for key, value in run.items():
        if before.get(key) != value:
            raise ValueError(f"'{folder}' was started with {key} {before.get(key)!r}, not {value!r}: resume it as it was started.")


def open_model(recipe: str, overrides: list[str], seed: int):
    """-> (model, Recipe). A model's weights are continued with the stages of its own recipe (or the `tune` stages it brings)."""
    names = recipe_names()
    is_model = Path(recipe).is_dir() or (recipe == "nano" and Path(find_model("nano"), "model.safetensors").is_file())
    if is_model:
        model = load(recipe)
        plan = read_recipe(model.config.recipe, overrides)
        return model, plan
    if recipe not in names and not Path(recipe).is_file():
        from superlens.parts import nearest

        raise ValueError(f"no recipe or model '{recipe}': {nearest(recipe, names)}")
    plan = read_recipe(recipe, overrides)
    return build(plan.to_dict(), seed), plan


def named(options: dict[str, Any] | None, path: str) -> Any:
    """The entry that names a source: as in --data, by its file's stem, or by a folder of its path."""
    for name, value in (options or {}).items():
        if name in (path, Path(path).stem, *Path(path).parts):
            return value
    return None


def source_options(plan, path: str, stage: Stage | None) -> dict[str, Any]:
    """What a source is opened with: augmentation for files, task weights of the stage or the recipe, turns for the world."""
    data = plan.data
    own = named(data.sources, path)
    tasks = stage.tasks if stage is not None else None
    if tasks and any(isinstance(value, dict) for value in tasks.values()):
        tasks = named(tasks, path)
    elif path != "world":
        tasks = None
    tasks = tasks or (own.tasks if own else None) or (data.tasks if path == "world" else None)
    if path == "world":
        return {"tasks": tasks, "turns": data.turns}
    augment = own.augment if own and own.augment else data.augment
    options: dict[str, Any] = {"tasks": tasks, "cache_mb": data.cache_mb}
    if augment:
        options["augment"] = Augment(**augment.model_dump())
    return options


def make_mixture(plan, stage: Stage, data: list[str], seed: int) -> Mixture:
    """The stage's weighted mixture; row i is a pure function of (seed, i)."""
    weighted = []
    for words in data:
        path, weight = parse_weighted(words)
        factor = named(stage.data, path)
        weight *= 1.0 if factor is None else factor
        if weight > 0:
            weighted.append((open_source(path, **source_options(plan, path, stage)), weight))
    rows = stage.steps * stage.batch * stage.accumulate * int(os.environ.get("WORLD_SIZE", "1"))
    return Mixture(weighted, seed, rows)


class Precision:
    """device and dtype as asked, or the machine's best."""

    def __init__(self, device: str | None, dtype: str | None):
        self.cpu = device == "cpu" or not torch.cuda.is_available()
        native = torch.cuda.is_bf16_supported() if not self.cpu else torch.cpu._is_avx512_bf16_supported()
        self.dtype = dtype or ("bfloat16" if native else "float32")


def run_stage(model, stage: Stage, mixture: Mixture, home: Path, precision: Precision, seed: int, report_to: str) -> bool:
    """One stage on Trainer, from its last checkpoint if there is one. False when it was stopped by a signal."""
    trained = choose_trained(model, stage.train, stage.name)
    apart = not keeps_packed_samples_apart(model.language)
    if apart:
        logger.warning("this language model does not keep packed samples apart: one sample a row.")
    rates = dict(stage.lr) if isinstance(stage.lr, dict) else {"default": float(stage.lr)}
    arguments = TrainingArguments(
        output_dir=str(home),
        max_steps=stage.steps,
        per_device_train_batch_size=stage.batch,
        gradient_accumulation_steps=stage.accumulate,
        learning_rate=max(rates.values()),
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.05},
        warmup_steps=round(stage.warmup * stage.steps),
        weight_decay=stage.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=precision.dtype == "bfloat16",
        fp16=precision.dtype == "float16",
        use_cpu=precision.cpu,
        dataloader_num_workers=stage.workers,
        dataloader_prefetch_factor=4 if stage.workers else None,
        dataloader_persistent_workers=stage.workers > 0,
        dataloader_pin_memory=not precision.cpu,
        remove_unused_columns=False,
        logging_steps=min(50, max(1, stage.steps // 10)),
        save_steps=stage.save_every,
        save_total_limit=2,
        report_to=report_to,
        seed=seed,
        data_seed=seed,
        ddp_find_unused_parameters=False,
    )
    stopper = StopOnSignal()
    trainer = LinkTrainer(
        model=model,
        args=arguments,
        train_dataset=Encoded(mixture, model.processor),
        data_collator=Collator(stage.row_tokens, apart),
        callbacks=[stopper],
        rates=rates,
    )
    logger.info("stage %s: %d trained parameters", stage.name, trained)
    last = get_last_checkpoint(str(home)) if home.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    if trainer.dropped:
        logger.warning("%d of %d samples were longer than a row and were dropped", trainer.dropped, trainer.dropped + trainer.samples)
    return not stopper.stopped or trainer.state.global_step >= stage.steps
