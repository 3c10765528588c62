"""Does the number of super-link queries matter, and does sharing them between tasks hurt? After VisionLLM v2 (arXiv 2406.08394).

    python benchmarks/query_counts.py [--steps 240] [--seeds 3] [--limit 100] [--out runs/query-counts]

Four arms: 1, 4 and 8 queries, boxes and keypoints each with queries of their own, and 4 queries shared by both. Shared are the vectors
that are fed in behind [BOX], [POSE] and [POINT]: one parameter in place of two. Routing tokens and projections stay each part's own.

Equal in all arms: eye, language model, decoders, steps, and for one seed every training question, its order, and every weight at the
start but the queries. Not equal: the tokens of an answer, and so the seconds of a step. Parts and weights are those of --start, links
left out: these start fresh, and so does the decoder of keypoints where --start has none (its finder of things is then a copy of the box
decoder). The eye is frozen (--train-eye: it learns too) for all arms alike; language model, projector, links and decoders are trained.

Links read no words of their labels, as in VisionLLM v2: what a decoder is told has to come through the queries. With --words they do,
as nano's links do. Half of the conversations start with boxes, half with keypoints, all of the drawn world. Measured are generated
answers in its validation split. Models are trained in this process and not saved. results.json in --out is written after every run; a
run that it holds is not done again. Progress goes to stderr; prints a Markdown table, mean ± standard deviation over the seeds.
"""

import argparse
import json
import sys
import time
import zlib
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

import superlens
from superlens.data.sources.open import open_source
from superlens.evaluate.runner import evaluate
from superlens.message import Message
from superlens.model import Superlens
from superlens.recipes.build import build
from superlens.recipes.schema import read_recipe
from superlens.train.precision import Precision
from superlens.train.trainer import make_mixture, make_trainer

# Arm -> (queries, shared, what VisionLLM v2 reports: COCO box AP and pose AP, table 5; figure 4 for sharing).
ARMS = {
    "1": (1, False, ("50.4", "43.0")),
    "4": (4, False, ("52.0", "71.0")),
    "8": (8, False, ("52.1", "71.6")),
    "4, shared": (4, True, ("", "falls in training")),
}
# Column -> (part, metric, its key).
MEASURES = {
    "boxes AP50": ("boxes", "ap", "AP50"),
    "keypoints PCK@0.05": ("keypoints", "pck:0.05", "PCK"),
    "keypoints AP50": ("keypoints", "oks", "AP50"),
    "keypoints routing": ("keypoints", "routing", "routing"),
}
EXAM = 4000  # seed of the measured questions
# No answer of 8 queries is longer: a dropped one would be missing from that arm alone.
ROW_TOKENS = 1024
TASKS = {"boxes": 1.0, "keypoints": 1.0}


def recipe_of(parts: dict, queries: int, options) -> dict:
    """Eye, projector, language model and decoders of `parts`; links for boxes and keypoints; one stage."""
    box, pose = (parts["links"].get(part, {}) for part in TASKS)
    if box.get("decoder") is None:
        raise SystemExit("the parts to start from have no decoder of boxes.")
    detect, points = box["decoder"], pose.get("decoder", "pose")
    sizes = {key: value for key, value in parts["decoders"][detect].items() if key in ("channels", "depth", "width")}
    decoders = {detect: parts["decoders"][detect], points: parts["decoders"].get(points, {"type": "keypoint_detector", **sizes})}
    own = {"queries": queries, "words": options.words}
    links = {
        "boxes": {"type": "query", "token": "[BOX]", "decoder": detect, **own},
        "keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "decoder": points, **own},
    }
    layers, eye = "language.model.model.layers.*", ["eye.*"] if options.train_eye else []
    stage = {
        "name": "arm", "train": ["language.*", "projector.*", "links.*", "decoders.*", *eye], "steps": options.steps,
        "lr": {layers: 4e-3, "language.*": 8e-4, "default": 1e-3}, "muon": [layers], "batch": options.batch,
        "row_tokens": ROW_TOKENS, "workers": 1, "turns": [1, 2], "tasks": TASKS,
    }
    kept = {key: parts[key] for key in ("eye", "canvas", "projector", "language")}
    return read_recipe(kept | {"links": links, "decoders": decoders, "stages": [stage]}).to_dict()


def weights_at_start(parts: dict, trained: dict[str, Tensor], seed: int, options) -> dict[str, Tensor]:
    """What every arm of a seed begins with: fresh weights, those of --start in their places, links left out."""
    recipe = recipe_of(parts, 1, options)
    detect, points = (recipe["links"][part]["decoder"] for part in TASKS)
    known = {name: tensor for name, tensor in trained.items() if not name.startswith("links.")}
    finder = {name.replace(detect, f"{points}.things", 1): tensor for name, tensor in known.items()
              if name.startswith(f"decoders.{detect}.")}
    fresh = build(recipe, seed).state_dict()
    fits = {name: tensor for name, tensor in (finder | known).items() if name in fresh and tensor.shape == fresh[name].shape}
    return fresh | fits


def model_of(recipe: dict, begin: dict[str, Tensor], shared: bool, seed: int) -> Superlens:
    """An arm's model before training."""
    model = build(recipe, seed)
    model.load_state_dict({name: tensor for name, tensor in begin.items() if not name.endswith(".query_rows")}, strict=False)
    if shared:
        model.links["keypoints"].query_rows = model.links["boxes"].query_rows
    return model


def train(model: Superlens, recipe: dict, seed: int, options) -> dict[str, float]:
    """One stage in this process; nothing is saved. -> seconds a step, samples dropped as too long."""
    plan = read_recipe(recipe)
    stage = plan.stages[0]
    mixture = make_mixture(plan, stage, ["world"], seed)
    precision = Precision(options.device, options.dtype)
    trainer = make_trainer(model, stage, mixture, Path(options.out, "trainer"), precision, seed, "none")
    trainer.args.save_strategy = "no"
    start = time.perf_counter()
    trainer.train()
    return {"seconds a step": (time.perf_counter() - start) / stage.steps, "dropped": trainer.dropped}


class Remembering:
    """A model that is asked every question once: several metrics look at the same answers."""

    def __init__(self, model: Superlens):
        self.model, self.processor = model, model.processor
        self.said: dict[tuple[str, bytes], Message | Exception] = {}

    def ask(self, questions: list, **asking) -> list[Message | Exception]:
        keys = [(question.messages[-1].text, question.images[0].pixels.tobytes()) for question in questions]
        new = {key: question for key, question in zip(keys, questions) if key not in self.said}
        self.said |= zip(new, self.model.ask(list(new.values()), **asking)) if new else ()
        return [self.said[key] for key in keys]


def measure(model: Superlens, limit: int) -> dict[str, float]:
    """Column -> figure."""
    asked, world = Remembering(model), open_source("world")
    return {
        column: evaluate(asked, world, part, metric, limit=limit, seed=EXAM, task=part)[key] or 0.0
        for column, (part, metric, key) in MEASURES.items()
    }


def run(parts: dict, trained: dict[str, Tensor], arm: str, seed: int, options) -> dict[str, float]:
    """Train one arm with one seed, and measure it."""
    queries, shared, _ = ARMS[arm]
    recipe = recipe_of(parts, queries, options)
    model = model_of(recipe, weights_at_start(parts, trained, seed, options), shared, seed)
    spent = train(model, recipe, seed, options)
    rows = [model.links[part].query_rows for part in TASKS]
    assert (rows[0] is rows[1]) == shared, "training has changed what is shared"
    start = time.perf_counter()
    figures = measure(model.eval(), options.limit)
    return figures | spent | {"seconds measured": time.perf_counter() - start}


def earlier(path: Path, settings: dict) -> dict[str, dict[str, dict[str, float]]]:
    """Arm -> seed -> figures of the runs that are done. SystemExit where they were made with other settings."""
    if not path.is_file():
        return {}
    saved = json.loads(path.read_text(encoding="utf8"))
    if saved["settings"] != settings:
        other = [key for key, value in settings.items() if saved["settings"].get(key) != value]
        raise SystemExit(f"'{path}' was made with another {', '.join(other)}: choose another --out, or run it as it was.")
    return saved["runs"]


def fingerprint(trained: dict[str, Tensor]) -> int:
    """Of the weights to start from: what is called nano today may be another model tomorrow."""
    mark = 0
    for name in sorted(trained):
        mark = zlib.crc32(trained[name].numpy().tobytes(), mark)
    return mark


def write(path: Path, settings: dict, runs: dict) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"settings": settings, "runs": runs}, indent=1), encoding="utf8")
    partial.replace(path)


def spread(values: list[float], digits: int = 3) -> str:
    """Mean ± standard deviation; the mean alone of a single value."""
    more = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{more}"


def table(runs: dict[str, dict[str, dict[str, float]]], seeds: int) -> str:
    """A row for each arm, the figures of the paper beside ours."""
    columns = [*MEASURES, "seconds a step"]
    lines = [f"| queries | {' | '.join(columns)} | VisionLLM v2: box AP | pose AP |", "|---" * (len(columns) + 3) + "|"]
    for arm, (_, _, paper) in ARMS.items():
        mine = [runs[arm][str(seed)] for seed in range(seeds)]
        figures = [spread([figure[column] for figure in mine], 3 if column in MEASURES else 2) for column in columns]
        lines.append(f"| {' | '.join([arm, *figures, *paper])} |")
    return "\n".join(lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--start", default="nano", metavar="MODEL", help="whose parts and weights the arms begin with")
    begin.add_argument("--recipe", help="instead: the parts of a recipe (a name or a YAML file), all fresh, the eye trained")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seeds", type=int, default=3, help="how many: 0, 1, 2 ...")
    parser.add_argument("--limit", type=int, default=100, help="measured questions of boxes, and of keypoints")
    parser.add_argument("--out", default="runs/query-counts")
    parser.add_argument("--batch", type=int, default=8, help="conversations a step")
    parser.add_argument("--words", action="store_true", help="links also read the words of their labels")
    parser.add_argument("--train-eye", action="store_true", help="the eye learns too")
    parser.add_argument("--device")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], help="of training; default: as `superlens train`")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    if options.recipe:
        options.start, options.train_eye = None, True
    return options


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    if options.recipe:
        parts, trained = read_recipe(options.recipe).to_dict(), {}
    else:
        model = superlens.load(options.start, device="cpu")
        parts, trained = read_recipe(model.config.recipe).to_dict(), model.state_dict()
    settings = {key: value for key, value in vars(options).items() if key not in ("out", "seeds", "threads", "device")}
    settings["weights"] = fingerprint(trained)
    results = Path(options.out, "results.json")
    runs = earlier(results, settings)
    results.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for arm in ARMS:
            done = runs.setdefault(arm, {})
            if str(seed) in done:
                continue
            print(f"queries {arm}, seed {seed}", file=sys.stderr)
            done[str(seed)] = figures = run(parts, trained, arm, seed, options)
            write(results, settings, runs)
            print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()), file=sys.stderr)
    print(f"{options.start or options.recipe}, {options.steps} steps of {options.batch} conversations, {options.seeds} seeds, "
          f"{options.limit} questions a part, {options.threads} threads, eye {'trained' if options.train_eye else 'frozen'}\n")
    print(table(runs, options.seeds))


if __name__ == "__main__":
    main()
