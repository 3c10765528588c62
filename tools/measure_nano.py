"""Measure every figure of nano's model card, and print its table.

    SUPERLENS_DATA=... python tools/measure_nano.py [--model nano] [--limit 500] [--out table.md]

Each row is one `superlens evaluate` command, printed beside its figures. The blind rows ask the same model with every picture replaced
by grey; the colour-threshold row is a detector that only looks for the colour a phrase names.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import superlens
from superlens.data.sources.open import open_source
from superlens.data.world import World
from superlens.evaluate.baselines import Blind, ColourThreshold, MeanPose, PriorText
from superlens.evaluate.runner import evaluate
from superlens.message import Region

# data, part, metric, task, the key to show, floor and target of the issue that asked for it
ROWS = [
    ("bccd/instances_val.json", "boxes", "ap", None, "AP50", 0.72, 0.85),
    ("camvid/semantic_val.json", "masks", "miou", None, "mIoU", 0.42, 0.55),
    ("deeppcb/instances_val.json", "boxes", "ap", None, "AP50", 0.50, 0.80),
    ("world", "boxes", "ap", None, "AP50", 0.75, 0.90),
    ("world", "masks", "miou", None, "mIoU", 0.65, 0.85),
    ("world", "boxes", "p50", None, "P@0.5", 0.50, 0.85),
    ("world", "boxes", "ap", "reason_boxes", "AP50", None, None),
    ("world", "text", "accuracy", None, "accuracy", 0.70, 0.95),
    ("world", "text", "accuracy", "count", "accuracy", None, None),
    ("world", "text", "accuracy", "colour", "accuracy", None, None),
    ("world", "text", "accuracy", "exists", "accuracy", None, None),
    ("world", "text", "accuracy", "relation", "accuracy", None, None),
    ("world", "boxes", "routing", None, "routing", 0.97, 1.00),
    ("world", "masks", "routing", None, "routing", 0.97, 1.00),
    ("world", "text", "routing", None, "routing", 0.97, 1.00),
    ("world", "boxes", "absent", None, "silent", 0.80, 0.95),
    ("world", "boxes", "absent", None, "recall", None, None),
    ("world", "masks", "absent", None, "silent", None, None),
    ("world", "keypoints", "pck:0.05", None, "PCK", 0.75, 0.90),
    ("lspet/person_keypoints_val.json", "keypoints", "pck:0.1", None, "PCK", 0.32, 0.50),
    ("dlc_mouse/keypoints_val.json", "keypoints", "pck:0.1", None, "PCK", 0.80, 0.95),
    ("aerial_cars/instances_val.json", "boxes", "ap", None, "AP50", 0.35, 0.60),
    ("world", "masks", "interactive", "region_masks", "per_prompt/box mIoU", 0.70, 0.85),
    ("world", "masks", "interactive", "region_masks", "per_prompt/point mIoU", 0.60, 0.80),
    ("world", "masks", "interactive", "region_masks", "per_prompt/scribble mIoU", 0.65, 0.80),
    ("world", "masks", "interactive", "region_masks", "per_prompt/refined mIoU", None, None),
    ("world", "text", "accuracy", "region_text", "accuracy", 0.80, 0.95),
    ("world", "masks", "miou", "context_masks", "mIoU", 0.50, 0.75),
    ("world", "masks", "pq", "panoptic_masks", "PQ", None, None),
    *[("photos/images_val.json", "restore", "psnr", *row) for row in (
        ("noise:25", "psnr", 28.5, 30.0), ("noise:15", "psnr", 31.0, 32.5),
        ("blur:7", "psnr", None, None), ("blur:7", "gain", 3.0, None), ("pepper:0.05", "psnr", None, None),
        ("pepper:0.05", "gain", 3.0, None), ("rain:10", "psnr", None, None), ("rain:10", "gain", 3.0, None),
        ("mask:0.1", "psnr", None, None), ("mask:0.1", "gain", 3.0, None), ("blur:3,noise:15", "gain", None, None),
        ("rain:10,noise:15", "gain", None, None), ("mask:0.1,blur:3", "gain", None, None), ("pepper:0.05,blur:5", "gain", None, None),
        ("pepper:0.05,rotate:90", "psnr", None, None), ("noise:15,flip", "psnr", None, None),
        ("rotate:90,noise:15", "psnr", None, None),
        ("none", "psnr", 45.0, None), ("noise:0", "psnr", 37.0, None), ("rotate:90", "psnr", None, None), ("flip", "psnr", None, None),
    )],
    *[("photos/images_val.json", "restore", "ssim", spoil, key, None, None)
      for spoil in ("noise:25", "noise:15", "blur:7", "pepper:0.05", "rain:10", "mask:0.1") for key in ("ssim", "gain")],
    ("world", "image", "geneval", None, "per_task/colour_image", 0.60, 0.90),
    ("world", "image", "geneval", None, "per_task/relation_image", 0.30, 0.70),
    ("world", "edit", "edit", "edit_image", "made", 0.60, 0.85),
    ("world", "edit", "edit", "edit_image", "kept", 25, 30),
]


def mean_pose(model) -> MeanPose:
    """Of the train split of lspet."""
    return MeanPose.fit(open_source(str(Path(os.environ["SUPERLENS_DATA"]) / "lspet/person_keypoints_train.json")))


class OneClick:
    """A model that is not told what is not meant: regions that take something back are left out of the question."""

    def __init__(self, model):
        self.model = model

    def ask(self, questions, **options):
        return self.model.ask([replace(question, messages=(*question.messages[:-1], self.told(question.messages[-1])))
                               for question in questions], **options)

    @staticmethod
    def told(message):
        kept = (part for part in message.content if not isinstance(part, Region) or part.positive)
        return replace(message, content=tuple(kept))


POINTING = ("region_", "context_")  # tasks that need a region encoder
BASELINES = [
    ("blind nano", lambda model: Blind(model), ("world", "text", "accuracy", None, "accuracy")),
    ("best constant answer", lambda model: PriorText.fit(World(tasks=QUESTIONS)), ("world", "text", "accuracy", None, "accuracy")),
    ("blind nano", lambda model: Blind(model), ("world", "boxes", "ap", None, "AP50")),
    ("colour threshold", lambda model: ColourThreshold(), ("world", "boxes", "ap", None, "AP50")),
    ("colour threshold", lambda model: ColourThreshold(), ("world", "boxes", "p50", None, "P@0.5")),
    ("nano without the second click", OneClick, ("world", "masks", "interactive", "region_masks", "per_prompt/refined mIoU")),
    ("mean pose in the middle", mean_pose, ("lspet/person_keypoints_val.json", "keypoints", "pck:0.1", None, "PCK")),
]
QUESTIONS = {"count": 1, "colour": 1, "exists": 1, "relation": 1}


def command(model: str, row: tuple, limit: int) -> str:
    """The shell command behind a row."""
    data, part, metric, task, *_ = row
    where = data if data == "world" else f"$SUPERLENS_DATA/{data}"
    if part == "restore":
        other = "" if metric == "psnr" else f" --metric {metric}"
        return f"superlens evaluate {model} --data {where} --part image --degrade {task}{other}"
    part = "image" if part == "edit" else part
    asked = f" --task {task}" if task else ""
    limited = f" --limit {limit}" if data == "world" else ""
    return f"superlens evaluate {model} --data {where} --part {part} --metric {metric}{asked}{limited}"


def can(model, row: tuple) -> bool:
    """Whether the model has what a row asks for."""
    parts = {"text", *(form.part for form in model.processor.formats.values())}
    return row[1] in parts and (model.regions is not None or not (row[3] or "").startswith(POINTING))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--only", default="", help="rows whose command contains this")
    parser.add_argument("--out")
    options = parser.parse_args()
    folder = Path(os.environ.get("SUPERLENS_DATA", ""))
    model = superlens.load(options.model)
    lines = ["| what | figure | floor / target | command |", "|---|---|---|---|"]
    known: dict[tuple, dict] = {}

    def measure(asked, row, name: str = "") -> float:
        key = (name, *row[:4])
        if key not in known:
            limit = options.limit if row[0] == "world" else None
            spoil = {"spoil": row[3]} if row[1] == "restore" else {}
            source = open_source("world" if row[0] == "world" else str(folder / row[0]), **spoil)
            part, task = ("image" if row[1] in ("edit", "restore") else row[1]), (None if spoil else row[3])
            known[key] = evaluate(asked, source, part, metric=row[2], task=task, limit=limit)
            if spoil and known[key]["before"] is not None:
                known[key]["gain"] = known[key][row[2]] - known[key]["before"]
        found = known[key]
        for key in row[4].split("/"):
            found = found.get(key, float("nan"))
        return found

    def show(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    print("\n".join(lines))
    for row in ROWS:
        shell = command(options.model, row, options.limit)
        if can(model, row) and options.only in shell and (row[0] == "world" or (folder / row[0]).is_file()):
            figure = measure(model, row)
            bar = " / ".join(f"{one:.2f}" for one in row[5:7] if one)
            of = "ssim " if row[2] == "ssim" and row[4] == "gain" else ""
            what = f"{row[0].split('/')[0]} {row[3] or row[1]} {of}{row[4].rpartition('/')[2]}"
            show(f"| {what} | {figure:.3f} | {bar} | `{shell}` |")
    for name, make, row in BASELINES:
        there = row[0] == "world" or (folder / row[0]).is_file()
        if options.only in command(options.model, row, options.limit) and there and can(model, row):
            show(f"| {name}: {row[0]} {row[1]} {row[4]} | {measure(make(model), row, name):.3f} | | `python tools/measure_nano.py` |")
    if options.out:
        Path(options.out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
