"""Put a trained model into the package as nano: half precision, nothing else changed.

    python tools/ship_nano.py runs/nano

The shipped file is what `superlens.load("nano")` reads and what the model card measures.
"""

import argparse
import shutil
from pathlib import Path

import torch

import superlens
from superlens.recipes.schema import read_recipe

HOME = Path(__file__).resolve().parents[1] / "src" / "superlens" / "nano"


def ship(run: str) -> Path:
    """Halve, save, and leave the recipe's `tune` stages with the weights."""
    model = superlens.load(run, device="cpu")
    plan = read_recipe("nano").to_dict()
    model.config.recipe = model.config.recipe | {"stages": plan["tune"], "tune": plan["tune"], "data": plan["data"]}
    waiting = HOME.with_name("nano-new")
    model.to(torch.float16).save_pretrained(str(waiting), whole=True)
    for file in ("config.json", "model.safetensors"):
        shutil.move(waiting / file, HOME / file)
    shutil.rmtree(waiting)
    return HOME


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    print(f"shipped to {ship(parser.parse_args().run)}")
