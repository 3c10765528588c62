"""Recipes against each other: the same eye, language model, data, order and steps for all; only how an answer is written differs.

Every arm is a recipe at nano's size with its own links and decoders for one part. The eye is nano's, frozen, its features kept on disk.
The language model and the projector are those of a base: one that is trained here on questions answered in words alone, before any
link, or those of a model that is named. Arms of one seed see the same conversations in the same order.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback

from superlens.data.sources.base import Source
from superlens.data.sources.open import open_source
from superlens.data.world.source import PART_TASKS
from superlens.evaluate.baselines import Blind, ColourThreshold, MeanBox, MeanMoment, MeanPose
from superlens.evaluate.runner import evaluate
from superlens.model import Superlens
from superlens.recipes.build import build, load
from superlens.recipes.schema import Recipe, Stage, read_recipe, these_write
from superlens.train.precision import Precision
from superlens.train.trainer import fill, make_mixture, make_trainer, run_stage, save_stage
from superlens.vision.cache import FeatureCache
from superlens.whole import write_whole_json

logger = logging.getLogger(__name__)

LEADING = {"boxes": "AP50", "masks": "mIoU", "moments": "mIoU", "keypoints": "AP50"}  # what a curve shows, and what decides
# At the end; the first is that of the curve. "refusal": who answers everything also answers what is not there.
METRICS = {"boxes": ("ap", "refusal"), "masks": ("miou", "refusal"), "moments": ("tiou",), "keypoints": ("oks",)}
# What the base is asked. "echo", "echo_marked": the names of things, said back, and with something behind each. No other answer repeats
# its question, and every link's does, with what stands for boxes or masks between the names.
WORDS = {"echo": 1.0, "echo_marked": 2.0, "exists": 2.0,
         **dict.fromkeys(("describe", "count", "colour", "relation", "place", "side"), 1.0)}  # fmt: skip
# Higher rates wash out what random weights were given and what the base has learned, before links make use of it.
RATES = {"language.model.model.layers.*": 5e-4, "language.*": 7e-4, "projector.*": 7e-4, "default": 2e-3}
# The base has seen no clip: what goes on in one is learned from nothing, and slowly at such rates.
PART_RATES = {"moments": {"language.model.model.layers.*": 2.5e-3}}
MUON = ["language.model.model.layers.*", "links.*", "decoders.*"]
# All are told what visual tokens show and where what questions name lies. States of answers are taught nothing beside the answers: only
# some recipes read any.
TAUGHT = ["names", "phrases"]
# The base is asked much of each picture: answers of one word teach little of looking.
BASE = {"lr": {"language.model.model.layers.*": 7e-4, "default": 1e-3}, "muon": MUON[:1], "turns": [4, 6], "lessons": TAUGHT}
# Of nano: its eye, and how large visual tokens are. Little tells a base that size: left to itself it falls far below that of words.
SEEN = ("eye.", "projector.out_scale")
IN_WORDS = "words"  # the base that is trained here
MOST_CACHE = 8e9  # bytes
# Who is asked the same questions without a language model: a prior of the training data, which never looks, and what needs no training.
REFERENCES: dict[str, dict[str, Callable[[Source], Any]]] = {
    "boxes": {"mean box": MeanBox.fit}, "masks": {"mean box, filled": partial(MeanBox.fit, part="masks")},
    "moments": {"mean moment": MeanMoment.fit}, "keypoints": {"mean pose": MeanPose.fit},
}  # fmt: skip
DRAWN_REFERENCES = {"boxes": {"colour threshold": lambda source: ColourThreshold()}}  # that know the drawn world
WATCHED = {"moments": 2.0, "timeline": 1.0}  # what is asked of clips: the seconds of an event, and in words in which parts it goes on
CLIPS = 4000  # different ones of the drawn world that arms are trained on
# What arms of one comparison must have been taught by alike.
TEACHING = {"muon": MUON, "lessons": TAUGHT, "words": WORDS, "base": BASE, "watched": WATCHED, "clips": CLIPS}
REFERENCE_FILE = "references.json"
SEED = 5  # of the questions that all are measured by


@dataclass(frozen=True)
class Budget:
    """What every arm is given.

    steps, batch, row_tokens: of training. base: a model whose language model and projector all begin with, or "words": one trained here
    for base_steps on questions answered in words. minutes: an arm's training is stopped after as many. points: of the
    learning curve, each with `curve_limit` questions. limit: questions at the end.
    """

    steps: int = 1000
    batch: int = 16
    row_tokens: int = 512
    base: str = IN_WORDS
    base_steps: int = 600
    minutes: float = 60.0
    points: int = 5
    curve_limit: int = 32
    limit: int = 100


@dataclass
class Arm:
    """What came of one recipe and seed. quality: of the metrics; blind: the leading figure of the trained model that is shown grey.
    curve: (step, leading figure), from step 0 on, before training. base: the fingerprint of the language model it began with."""

    recipe: str
    seed: int
    quality: dict[str, Any] = field(default_factory=dict)
    leading: float = 0.0
    blind: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)
    language_steps: float = 0.0
    seconds_per_answer: float = 0.0
    trained_parameters: int = 0
    samples_per_second: float = 0.0
    steps: int = 0
    base: str = ""

    @property
    def untrained(self) -> float:
        """The leading figure before training."""
        return self.curve[0][1]


def kept_references(out: Path) -> dict[str, dict[str, Any]]:
    """Who was asked without a language model -> the figures of the end; none where a comparison is not done."""
    file = out / REFERENCE_FILE
    return json.loads(file.read_text()) if file.is_file() else {}


def kept_arms(out: Path) -> list[Arm]:
    """Those that are done in a comparison's folder, seed after seed."""
    arms = [Arm(**json.loads(file.read_text())) for file in sorted(out.glob("arms/*/result.json"))]
    return sorted(arms, key=lambda arm: arm.seed)


class Comparison:
    """recipes: names or files that write `part`. data: as for training. val: what all are measured on, a data set that is not trained
    on; by default the drawn world's validation scenes. out: where everything is kept; what is done there already is not done again.

    Raises ValueError with a sentence for a recipe without a link for the part, and for two recipes of one name.
    """

    def __init__(
        self, recipes: list[str], data: list[str], out: str, part: str = "boxes", budget: Budget | None = None, val: str = "world"
    ):
        self.recipes, self.data, self.out, self.part, self.val = list(recipes), list(data), Path(out), part, val
        self.budget = budget or Budget()
        names = [Path(name).stem for name in self.recipes]
        if len(set(names)) < len(names):
            raise ValueError(f"recipes that are compared need names of their own, got {', '.join(names)}.")
        if part not in METRICS:
            raise ValueError(f"recipes are compared by boxes, masks, moments or keypoints, got '{part}'.")
        self.plans = {name: plan_of(name, part) for name in self.recipes}

    def run(self, seeds: int, tell: Callable[[str], None] = logger.info) -> list[Arm]:
        """Every recipe with every seed, arms of one seed one after another."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._check_settings()
        arms = []
        for seed in range(seeds):
            for name in self.recipes:
                arms.append(self._arm(name, seed, tell))
        if not (self.out / REFERENCE_FILE).is_file():
            write_whole_json(self.out / REFERENCE_FILE, self._references(tell))
        return arms

    def _references(self, tell: Callable[[str], None]) -> dict[str, dict[str, Any]]:
        """Name -> what the metrics of the end say of it. Priors are those of the first data set."""
        plan = next(iter(self.plans.values()))
        source = make_mixture(plan, stage_of("compare", ["*"], 1, self.budget), self.data, 0).sources[0]
        wanted = REFERENCES[self.part] | (DRAWN_REFERENCES.get(self.part, {}) if self.val == "world" else {})
        tell(f"without a language model: {', '.join(wanted)}")
        return {name: self.measure(fit(source), self.budget.limit, METRICS[self.part]) for name, fit in wanted.items()}

    def _check_settings(self) -> None:
        """What is in `out` was made with these settings, or ValueError."""
        file = self.out / "settings.json"
        teaching = TEACHING | {"rates": part_rates(self.part)}
        settings = {"data": self.data, "val": self.val, "part": self.part, "budget": asdict(self.budget), "teaching": teaching}
        if not file.is_file():
            write_whole_json(file, settings)
        elif json.loads(file.read_text()) != settings:
            raise ValueError(f"'{self.out}' holds a comparison with other settings: choose another --out, or the same settings.")

    def _arm(self, name: str, seed: int, tell: Callable[[str], None]) -> Arm:
        home = self.out / "arms" / f"{Path(name).stem}-{seed}"
        record = home / "result.json"
        if record.is_file():
            return Arm(**json.loads(record.read_text()))
        tell(f"{name}, seed {seed}")
        plan = self.plans[name]
        model = self._fresh(plan, seed)
        trained = sum(p.numel() for key, p in model.named_parameters() if not key.startswith("eye."))
        arm = Arm(name, seed, trained_parameters=trained, base=fingerprint(model.language.model))
        self._check_base(arm, plan)
        if not (home / "model").is_dir():
            self._train(model, plan, home, seed, tell)
        fill(model, home / "model")
        told = json.loads((home / "training.json").read_text())
        arm.curve, arm.steps = [(0, told["untrained"]), *told["curve"]], told["steps"]
        arm.samples_per_second = told["samples_per_second"]
        model.eval().to(Precision(None, None).device)
        counter = LanguageSteps(model)
        arm.quality = self.measure(model, self.budget.limit, METRICS[self.part])
        arm.leading = arm.quality[LEADING[self.part]] or 0.0
        arm.blind = self.measure(Blind(model), self.budget.curve_limit)[LEADING[self.part]] or 0.0
        arm.language_steps, arm.seconds_per_answer = counter.alone(self._questions(min(10, self.budget.limit)))
        write_whole_json(record, asdict(arm))
        return arm

    def _check_base(self, arm: Arm, plan: Recipe) -> None:
        """ValueError where the folder holds arms that began with another language model."""
        for other in kept_arms(self.out):
            mine = other.recipe in self.plans and self.plans[other.recipe].projector == plan.projector
            alike = mine or self.budget.base != IN_WORDS  # bases made here differ with their projector
            if alike and other.base and other.base != arm.base:
                raise ValueError(f"'{self.out}' holds arms that began with another language model ({other.recipe}: {other.base}, now "
                                 f"{arm.base}): choose another --out, or the same base.")

    def _fresh(self, plan: Recipe, seed: int) -> Superlens:
        """The arm's model: fresh links and decoders, nano's eye, the base's language model and projector."""
        model = build(plan.to_dict(), seed)
        _borrow(model, load("nano", device="cpu"), SEEN)
        if self.budget.base == IN_WORDS:
            # A base that reads pictures through another projector is another base.
            base = self.out / f"base-{plan.projector.type}" / "model"
            if not base.is_dir():
                self._train_base(plan, base)
            fill(model, base)
        else:
            _borrow(model, load(self.budget.base, device="cpu"), ("language.model.", "projector."))
        self._cache(model)
        return model

    def _cache(self, model: Superlens) -> None:
        # What another eye saw (nano's weights change) is of no use here.
        folder = self.out / "features" / fingerprint(model.eye)
        model.eye.cache = FeatureCache(folder, levels=bool(model.decoders), most=MOST_CACHE)

    def _train_base(self, plan: Recipe, path: Path) -> None:
        """Language model and projector learn to answer in words. Links and decoders are left out of what is kept."""
        values = plan.to_dict() | {"links": {}, "decoders": {}}
        stage = stage_of("base", ["language.*", "projector.*"], self.budget.base_steps, self.budget, tasks=WORDS, **BASE)
        bare = read_recipe(values)
        model = build(bare.to_dict(), 0)
        _borrow(model, load("nano", device="cpu"), SEEN)
        self._cache(model)
        mixture = make_mixture(bare, stage, ["world"], 77)
        run_stage(make_trainer(model, stage, mixture, path.parent, Precision(None, None), 0, "none"), path.parent, last=True)

    def _train(self, model: Superlens, plan: Recipe, home: Path, seed: int, tell: Callable[[str], None]) -> None:
        rates = part_rates(self.part)
        stage = stage_of("compare", trained_globs(model), self.budget.steps, self.budget, lr=rates, muon=MUON, lessons=TAUGHT)
        mixture = make_mixture(plan, stage, self.data, 1000 * seed)
        trainer = make_trainer(model, stage, mixture, home, Precision(None, None), seed, "none")
        told_before = home / "training.json"
        told = json.loads(told_before.read_text()) if told_before.is_file() else {"curve": [], "seconds": 0.0}
        told.setdefault("untrained", self.measure(model.eval(), self.budget.curve_limit)[LEADING[self.part]] or 0.0)
        home.mkdir(parents=True, exist_ok=True)
        trainer.add_callback(Curve(self, model, told, told_before, tell))
        run_stage(trainer, home, last=True)
        if not (home / "model").is_dir():  # the time was over before the steps were
            save_stage(trainer, home / "model")

    def measure(self, model: Any, limit: int, metrics: Sequence[str] = ()) -> dict[str, Any]:
        """Metrics, by default that of the curve, over `limit` questions of `val`."""
        return evaluate(model, self.val, self.part, metrics or METRICS[self.part][:1], limit=limit, batch_size=8, seed=SEED)

    def _questions(self, count: int) -> list:
        return [example.question for example in open_source(self.val).examples(self.part, seed=SEED, limit=count)]


class Curve(TrainerCallback):
    """Measures the model in training at equal distances, and stops it when its time is over. The time of measuring does not count."""

    def __init__(self, comparison: Comparison, model: Superlens, told: dict, file: Path, tell: Callable[[str], None]):
        self.comparison, self.model, self.told, self.file, self.tell = comparison, model, told, file, tell
        self.every = max(1, comparison.budget.steps // comparison.budget.points)
        self.started = time.perf_counter()

    def on_train_begin(self, args, state, control, **unused):
        self.started = time.perf_counter()
        self.told["curve"] = [point for point in self.told["curve"] if point[0] <= state.global_step]

    def on_step_end(self, args, state, control, **unused):
        budget = self.comparison.budget
        if state.global_step % self.every == 0 and state.global_step < budget.steps:
            self._pause(state.global_step)
        spent = self.told["seconds"] + time.perf_counter() - self.started
        if spent > 60 * budget.minutes:
            control.should_training_stop = True

    def on_train_end(self, args, state, control, **unused):
        self.write(state.global_step)  # also of a run that was stopped, whose time goes on counting

    def _pause(self, step: int) -> None:
        self.told["seconds"] += time.perf_counter() - self.started
        self.model.eval()
        part = self.comparison.part
        figure = self.comparison.measure(self.model, self.comparison.budget.curve_limit)[LEADING[part]] or 0.0
        self.model.train()
        self.told["curve"].append((step, figure))
        self.tell(f"  step {step}: {LEADING[part]} {figure:.3f}")
        self.started = time.perf_counter()
        self.write(step)

    def write(self, step: int) -> None:
        """What is known so far, on disk."""
        seconds = self.told["seconds"] + time.perf_counter() - self.started
        samples = step * self.comparison.budget.batch
        write_whole_json(self.file, self.told | {"steps": step, "samples_per_second": samples / seconds, "seconds": seconds})


class LanguageSteps:
    """Counts forwards of a model's language model."""

    def __init__(self, model: Superlens):
        self.model, self.count = model, 0
        model.language.register_forward_hook(self._one)

    def _one(self, *unused: Any) -> None:
        self.count += 1

    def alone(self, questions: list) -> tuple[float, float]:
        """(forwards, seconds) an answer, of questions asked one by one; the first is asked twice and counted once."""
        self.model.ask(questions[0])
        self.count, start = 0, time.perf_counter()
        for question in questions:
            self.model.ask(question)
        return self.count / len(questions), (time.perf_counter() - start) / len(questions)


def plan_of(name: str, part: str) -> Recipe:
    """A recipe at nano's size with its links for one part alone, without stages. ValueError where it has none."""
    values = read_recipe(name, ["scale=nano"]).to_dict()
    links = {key: entry for key, entry in values["links"].items() if entry.get("part", key) == part}
    if not links:
        written = ", ".join(sorted({entry.get("part", key) for key, entry in values["links"].items()}))
        raise ValueError(f"the recipe '{name}' has no link that writes {part}; it writes {written}.{these_write(part)}")
    wanted = {entry.get("decoder") for entry in links.values()}
    values["links"], values["decoders"] = links, {key: entry for key, entry in values["decoders"].items() if key in wanted}
    values.pop("regions", None)
    # Of the drawn world arms are taught what they are measured on: lists, referring expressions, things to be reasoned out.
    values["data"] = copy.deepcopy(values["data"]) | {"tasks": dict(PART_TASKS[part]), "turns": [1, 3]}
    if part == "moments":  # frames are costly to look at: more is asked of a clip, and clips come again, their features on disk by then
        values["data"] |= {"tasks": WATCHED, "turns": [2, 3], "sources": {"world": {"length": CLIPS}}}
    return read_recipe(values | {"stages": [], "tune": []})


def trained_globs(model: Superlens) -> list[str]:
    """Everything that has weights, but for the eye."""
    return [f"{part}.*" for part in dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters()) if part != "eye"]


def part_rates(part: str) -> dict[str, float]:
    """{glob: learning rate} of all arms that are compared by a part."""
    return RATES | PART_RATES.get(part, {})


def stage_of(name: str, train: list[str], steps: int, budget: Budget, **more: Any) -> Stage:
    """One stage of the budget's sizes. more: as in a recipe's stage."""
    sizes = {"steps": steps, "batch": budget.batch, "row_tokens": budget.row_tokens, "save_every": max(1, steps // 4), "workers": 1}
    return Stage(name=name, train=train, **sizes, **more)


def fingerprint(module: nn.Module) -> str:
    """A name for a module's weights."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _borrow(model: Superlens, other: Superlens, prefixes: tuple[str, ...]) -> None:
    """Copy what two models have under these prefixes. ValueError where it is not alike: the models are built of other parts."""
    mine, theirs = ({name: tensor for name, tensor in of.state_dict().items() if name.startswith(prefixes)} for of in (model, other))
    if {name: tensor.shape for name, tensor in mine.items()} != {name: tensor.shape for name, tensor in theirs.items()}:
        kinds = " or ".join(prefix.partition(".")[0] for prefix in prefixes)
        raise ValueError(f"arms can not begin with the {kinds} of a model whose parts are not of nano's kind and size.")
    model.load_state_dict(theirs, strict=False)
