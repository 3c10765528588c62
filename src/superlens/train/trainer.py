"""Train a recipe, or go on from a model: stages one after another, each with checkpoints, resumable exactly."""

from __future__ import annotations

import fnmatch
import inspect
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import ProgressCallback, TrainingArguments

from superlens.assemble import begin_among_words
from superlens.data.augment import Augment
from superlens.data.mixture import Mixture, parse_weighted
from superlens.data.sources.base import Source
from superlens.data.sources.open import open_source
from superlens.data.templates import link_of, slots_of
from superlens.language.causal import keeps_packed_samples_apart
from superlens.model import Superlens
from superlens.parts import find_class, nearest
from superlens.recipes.build import build, find_model, load
from superlens.recipes.schema import Recipe, Stage, read_recipe, recipe_names, these_write
from superlens.train.loop import LinkTrainer, Progress, StopOnSignal, check_globs, choose_trained
from superlens.train.precision import Precision
from superlens.train.rows import Collator, Encoded, GlanceCollator
from superlens.whole import write_whole_json

logger = logging.getLogger(__name__)
BEGUN_WITH = 64  # samples that lessons are shown before a stage starts


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

    recipe: a recipe's name, a YAML file, or a model (`nano`, a directory, a hub name) whose weights are continued.
    data: FILE or FILE:WEIGHT or world or world:WEIGHT. overrides: `a.b=c`. resume: go on with the run that `out` holds.
    dtype: "bfloat16" or "float16" for mixed precision, "float32"; default bfloat16 where the machine computes it natively.
    whole: also write published weights that were not trained. report_to: Transformers' name of a logger.
    Raises ValueError with a sentence before any work for what can not be done; KeyboardInterrupt, with a sentence on how to go on,
    when Ctrl-C stopped it.
    """
    folder, precision = Path(out), Precision(device, dtype)
    plan, weights = read_plan(recipe, list(overrides))
    run = {"recipe": recipe, "data": list(data), "overrides": list(overrides), "seed": seed, "dtype": dtype}
    run |= {"processes": int(os.environ.get("WORLD_SIZE", "1")), "settings": plan.to_dict()}
    main = os.environ.get("RANK", "0") == "0"
    if main:
        check_folder(folder, run, resume)
    model = open_model(plan, weights, seed)
    for path in dict.fromkeys(parse_weighted(words)[0] for words in data):
        open_taught(plan, path, None)
    check_stages(model, plan.stages, data)
    left = model.left_published
    if main:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole_json(folder / "run.json", run)
    for number, stage in enumerate(plan.stages, 1):
        home = folder / "stages" / f"{number}-{stage.name}"
        if not (home / "model").is_dir():
            mixture = make_mixture(plan, stage, data, seed + 1000 * number)
            trainer = make_trainer(model, stage, mixture, home, precision, seed, report_to)
            if last_checkpoint(home) is None:
                if weights is None and number == first_to_train(model, "projector.", plan.stages):
                    begin_among_words(model.projector, model.language)  # a stage before may have trained it
                begin_lessons(trainer, stage)
            run_stage(trainer, home, last=number == len(plan.stages))
            if not trainer.is_fsdp_enabled:
                continue
            model = open_model(plan, weights, seed)  # the one that was trained is scattered over the processes
            model.left_published = left
        fill(model, home / "model")
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    if plan.tune:
        model.config.recipe = model.config.recipe | {"stages": plan.to_dict()["tune"]}
    if main:
        model.save_pretrained(str(folder), whole=whole)
    return model


def check_stages(model: Superlens, stages: Sequence[Stage], data: list[str]) -> None:
    """ValueError, before any work is done, for a stage that names parameters that there are not, is taught by none of the data, or
    lacks what a lesson needs."""
    for stage in stages:
        check_globs(model, rates_of(stage).keys() - {"default"}, f"stage '{stage.name}' has a learning rate for")
        choose_trained(model, stage.train, stage.name)
        weights_of(stage, data)
        for name in stage.lessons:
            teacher_of(name, model.processor)
            if hasattr(lesson_class(name), "check"):
                lesson_class(name).check(model)


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
            was = "other settings in the recipe" if key == "settings" else f"{key} {before.get(key)!r}, not {value!r}"
            raise ValueError(f"'{folder}' was started with {was}: resume it as it was started.")


def read_plan(recipe: str, overrides: list[str]) -> tuple[Recipe, str | None]:
    """-> (recipe, directory of the model whose weights are continued, or None). A model is continued by its own recipe's stages."""
    names = recipe_names()
    shipped = recipe == "nano" and Path(find_model("nano"), "model.safetensors").is_file()
    if Path(recipe).suffix in (".yaml", ".yml") or (recipe in names and not shipped):
        plan, path = read_recipe(recipe, overrides), None
    else:
        if not recipe or ("/" not in recipe and not Path(recipe).is_dir() and not shipped):
            raise ValueError(f"no recipe or model '{recipe}': {nearest(recipe, {*names, 'nano'})}")
        path = find_model(recipe)
        saved = read_recipe(json.loads(Path(path, "config.json").read_text())["recipe"])
        plan = read_recipe(saved.to_dict(), overrides)
        for section in ("eye", "projector", "canvas", "language", "regions", "links", "decoders"):
            if getattr(plan, section) != getattr(saved, section):
                raise ValueError(f"{section} can not be set in a model whose weights are continued, only stages and data.")
    if not plan.stages:
        raise ValueError(f"'{recipe}' has no stages to train.")
    return plan, path


def open_model(plan: Recipe, weights: str | None, seed: int) -> Superlens:
    """The model to be trained: built from the recipe, or loaded from the directory `weights`."""
    if weights is None:
        return build(plan.to_dict(), seed)
    model = load(weights, device="cpu")
    model.config.recipe = model.config.recipe | {key: plan.to_dict()[key] for key in ("data", "stages")}
    return model


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
        options = {"tasks": tasks, "turns": stage.turns if stage is not None and stage.turns else data.turns}
        if plan.regions is None and spells_boxes(plan):
            options["regions"] = ("box",)
        return options | ({"length": own.length} if own and own.length else {})
    augment = own.augment if own and own.augment else data.augment
    options: dict[str, Any] = {"tasks": tasks, "cache_mb": data.cache_mb}
    if augment:
        options["augment"] = Augment(**augment.model_dump())
    return options


def open_taught(plan, path: str, stage: Stage | None) -> Source:
    """A source that asks only what this recipe can be asked and can answer.

    ValueError where nothing is left, or where more was wished for.
    """
    options = source_options(plan, path, stage)
    source = open_source(path, **options)
    written = {"text", *(entry.get("part", name) for name, entry in plan.to_dict()["links"].items())}
    asked = getattr(source, "tasks", None) or {}
    beyond = {task: f"link that writes {link_of(task)}" for task in asked if link_of(task) not in written}
    if plan.regions is None and not (path == "world" and spells_boxes(plan)):
        beyond |= {task: "region encoder" for task in asked if {"region", "examples"} & set(slots_of(task))}
    if plan.video is None:
        beyond |= {task: "`video` section" for task in asked if link_of(task) == "moments" and task not in beyond}
    if beyond:
        left = {task: weight for task, weight in source.tasks.items() if task not in beyond}
        if options["tasks"] or not left:
            task, lacking = next(iter(beyond.items()))
            those = these_write(link_of(task)) if "link" in lacking else ""
            raise ValueError(f"'{path}' is to teach the task '{task}', but this recipe has no {lacking}.{those}")
        logger.info("%s: without %s, which this recipe has no parts for", path, ", ".join(beyond))
        source.tasks = left
    return source


def spells_boxes(plan) -> bool:
    """Whether a codec writes boxes, and with it those that a user draws: such a model is pointed at things without a region encoder."""
    links = plan.to_dict()["links"].items()
    return any(entry["type"] == "codec" and entry.get("part", name) == "boxes" for name, entry in links)


def weights_of(stage: Stage, data: list[str]) -> list[tuple[str, float]]:
    """(path, weight) of the data that teach a stage. ValueError where none do."""
    weighted, shares = [], stage.data or {}
    for path, weight in map(parse_weighted, data):
        share = named(shares, path)
        weight *= shares.get("default", 1.0) if share is None else share
        if weight > 0:
            weighted.append((path, weight))
    if shares and not weighted:
        names = ", ".join(name for name, share in shares.items() if share > 0) or f"otherwise than {', '.join(shares)}"
        raise ValueError(f"stage '{stage.name}' is taught by data named {names} (by file or folder), and none of --data is.")
    return weighted


def make_mixture(plan, stage: Stage, data: list[str], seed: int) -> Mixture:
    """The stage's weighted mixture; row i is a pure function of (seed, i)."""
    weighted = [(open_taught(plan, path, stage), weight) for path, weight in weights_of(stage, data)]
    rows = stage.steps * stage.batch * stage.accumulate * int(os.environ.get("WORLD_SIZE", "1"))
    return Mixture(weighted, seed, rows)


def rates_of(stage: Stage) -> dict[str, float]:
    """{glob: learning rate, "default": learning rate}"""
    return dict(stage.lr) if isinstance(stage.lr, dict) else {"default": float(stage.lr)}


def lesson_class(name: str) -> type:
    """The class behind "names", or behind "perceiving:NETWORK"."""
    return find_class("lessons", name.partition(":")[0])


def teacher_of(name: str, processor) -> Callable[[Any], Any]:
    """Batch -> lesson, of "names", or of "perceiving:NETWORK", what it needs behind a colon. ValueError where it takes nothing."""
    kind, _, needed = name.partition(":")
    lesson = lesson_class(name)
    if needed and len(inspect.signature(lesson.of).parameters) < 2:
        raise ValueError(f"the lesson {kind} takes nothing behind a colon, got '{name}'.")
    return lesson.of(processor, *([needed] if needed else []))


def make_trainer(model, stage: Stage, mixture: Mixture, home: Path, precision: Precision, seed: int, report_to: str) -> LinkTrainer:
    """Transformers' Trainer for one stage; only what the stage names is trained."""
    trained = choose_trained(model, stage.train, stage.name)
    logger.info("stage %s: %d trained parameters", stage.name, trained)
    apart = not keeps_packed_samples_apart(model.language)
    if apart:
        logger.warning("this language model does not keep packed samples apart: one sample a row.")
    rates = rates_of(stage)
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
        disable_tqdm=False,
        report_to=report_to,
        seed=seed,
        data_seed=seed,
        ddp_find_unused_parameters=False,
    )
    if arguments.n_gpu > 1:  # several devices are several processes (torchrun), never Trainer's threads
        arguments._n_gpu = 1
    teachers = {name: teacher_of(name, model.processor) for name in stage.lessons}
    model.lessons = tuple(teachers)
    collator = Collator(min(stage.row_tokens, model.processor.max_tokens), apart, teachers) if stage.think else GlanceCollator(teachers)
    rows = Encoded(mixture, model.processor)
    trainer = LinkTrainer(model=model, args=arguments, train_dataset=rows, data_collator=collator, rates=rates, muon=stage.muon)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Progress)
    return trainer


def first_to_train(model: Superlens, prefix: str, stages: Sequence[Stage]) -> int:
    """Number, from 1, of the first stage that trains a parameter whose name begins so; 0 for none."""
    names = [name for name, _ in model.named_parameters() if name.startswith(prefix)]
    trained = (any(fnmatch.fnmatchcase(name, glob) for name in names for glob in stage.train) for stage in stages)
    return next((number for number, trains in enumerate(trained, 1) if trains), 0)


def begin_lessons(trainer: LinkTrainer, stage: Stage) -> None:
    """What lessons have to know of the stage's first samples, before it starts: the same in every process."""
    for name in stage.lessons:
        lesson = lesson_class(name)
        if hasattr(lesson, "begin"):
            samples = [trainer.train_dataset[index] for index in range(min(BEGUN_WITH, len(trainer.train_dataset)))]
            lesson.begin(trainer.model, GlanceCollator({})(samples)["batch"].to(trainer.model.device))


def run_stage(trainer: LinkTrainer, home: Path, last: bool) -> None:
    """Train from the last checkpoint if there is one, then save the whole model. KeyboardInterrupt when a signal stopped it."""
    stopper = StopOnSignal()
    trainer.add_callback(stopper)
    trainer.train(resume_from_checkpoint=last_checkpoint(home))
    if trainer.dropped:
        total = trainer.dropped + trainer.samples
        logger.warning("%d of %d samples were longer than a row, or than the model reads, and were dropped", trainer.dropped, total)
    finished = trainer.state.global_step >= trainer.args.max_steps
    if finished:
        save_stage(trainer, home / "model")
    if stopper.stopped and not (finished and last):
        raise KeyboardInterrupt(f"stopped after step {trainer.state.global_step} of {home.name}; --resume goes on from there")


def save_stage(trainer: LinkTrainer, path: Path) -> None:
    """The whole model in `path`, which appears only when it is complete."""
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        partial = path.with_name("model.partial")
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(str(partial), whole=True, state_dict=state)
        partial.rename(path)
    trainer.accelerator.wait_for_everyone()


def fill(model: Superlens, path: Path) -> None:
    """Copy the weights in `path` into the model. Into its own memory: sums may differ in the last bit where tensors lie elsewhere.
    ValueError where there are none, or others than the model's."""
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise ValueError(f"'{path}' holds no weights: remove it, and the same command makes it again.")
    for file in files:
        if others := model.load_state_dict(load_file(file), strict=False).unexpected_keys:
            raise ValueError(f"'{path}' holds other weights ('{others[0]}'): remove it, and the same command makes it again.")


def last_checkpoint(home: Path) -> str | None:
    """The newest complete checkpoint in `home`: the state is written last, so a checkpoint without one was cut off."""
    complete = [state.parent for state in home.glob("checkpoint-*/trainer_state.json")]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
