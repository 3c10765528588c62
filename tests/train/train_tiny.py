"""A tiny recipe on disk, a tiny COCO file, and one call that trains on both."""

from __future__ import annotations

import json

import numpy as np
import tiny
import torch
import yaml
from PIL import Image

from superlens.train import trainer

STAGE = {"name": "all", "train": ["*"], "steps": 2, "lr": 1e-3, "batch": 2, "row_tokens": 640, "save_every": 100}


def stage(**changes) -> dict:
    return STAGE | changes


def recipe_file(folder, *stages: dict, **changes) -> str:
    """A YAML file with the tiny recipe and these stages; the eye drops paths at random, so that random states matter."""
    values = tiny.recipe(stages=list(stages) or [STAGE], **changes)
    values["eye"]["config"]["drop_path_rate"] = 0.2
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def coco_file(folder, pictures: int = 3) -> str:
    """A COCO file of flat rectangles on noise."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, pictures + 1):
        pixels = rng.integers(0, 80, (64, 96, 3), dtype=np.uint8)
        pixels[10:30, 20:60] = (200, 30 * number, 40)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 64})
        corners = [20, 10, 60, 10, 60, 30, 20, 30]
        annotations.append({
            "id": number, "image_id": number, "category_id": 1, "bbox": [20, 10, 40, 20], "area": 800, "iscrowd": 0,
            "segmentation": [corners],
        })
    path = folder / "tiny_coco.json"
    categories = [{"id": 1, "name": "slab"}, {"id": 2, "name": "knob"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return str(path)


def train(recipe: str, out, data=("world",), **options):
    """Train on the CPU in full precision."""
    return trainer.train(recipe, list(data), str(out), device="cpu", dtype="float32", **options)


def history(out, home: str = "1-all") -> list[dict]:
    """What the newest checkpoint of a stage has logged."""
    from pathlib import Path

    return json.loads(Path(trainer.last_checkpoint(Path(out, "stages", home)), "trainer_state.json").read_text())["log_history"]


def same_weights(a, b) -> list[str]:
    """Names of tensors that differ in any bit."""
    before, after = a.state_dict(), b.state_dict()
    assert set(before) == set(after)
    return [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
