"""`superlens train`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from superlens.commands.common import (
    Device,
    Dtype,
    Seed,
    StoppedError,
    available_device,
    checked_device,
    checked_dtype,
    open_checked,
    quiet,
    say,
)

Recipe = Annotated[
    str,
    typer.Argument(
        help="A recipe's name, a YAML file, or a model whose weights are continued.", show_default=False
    ),
]
Files = Annotated[
    list[str],
    typer.Option(
        "--data", metavar="FILE[:WEIGHT]", help="COCO JSON, VOC, DeepLabCut CSV, LLaVA JSON, our JSONL, or world; several times.",
        show_default=False,
    ),
]
Out = Annotated[str, typer.Option("--out", help="Folder of the run and the finished model.", show_default=False)]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Change a value of the recipe.")]


def train(
    recipe: Recipe,
    data: Files,
    out: Out,
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that --out holds.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Write published weights into the model too.")] = False,
    report_to: Annotated[str, typer.Option(help="Log to tensorboard, wandb, trackio ... (Transformers).")] = "none",
    device: Device = None,
    dtype: Dtype = None,
    seed: Seed = 0,
) -> None:
    """Train RECIPE on data, stage by stage; --resume continues a stopped run exactly."""
    device, dtype = checked_device(device), checked_dtype(dtype)
    _check_recipe(recipe, settings or [])
    _check_folder(Path(out), resume)
    _check_data(data)
    quiet()
    available_device(device)
    from superlens.train import trainer

    logging.basicConfig(format="%(message)s")
    logging.getLogger("superlens").setLevel(logging.INFO)
    try:
        trainer.train(recipe, data, out, settings or [], resume, seed, device, dtype, whole, report_to)
    except KeyboardInterrupt as stop:
        words = str(stop) or "stopped; --resume goes on from the last checkpoint"
        raise StoppedError(f"{words} (in '{out}').") from stop
    finally:
        import torch

        if torch.distributed.is_initialized():  # else a process may be aborted while it ends, its threads still talking
            torch.distributed.destroy_process_group()
    say(f"The model is in {out}")


def _check_recipe(recipe: str, settings: list[str]) -> None:
    """A recipe is read whole before anything else; a model brings its own, read when it is loaded."""
    from superlens.recipes.schema import read_recipe, recipe_names

    path = Path(recipe)
    is_file = path.suffix in (".yaml", ".yml")
    is_hub_name = recipe.count("/") == 1 and not recipe.startswith((".", "/", "~"))
    is_model = not is_file and (recipe == "nano" or path.is_dir() or is_hub_name)
    if not is_model or (recipe in recipe_names() and recipe != "nano"):
        read_recipe(recipe, settings)


def _check_folder(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out: '{folder}' is a file; give a folder.")
    if not resume and folder.is_dir() and any(folder.iterdir()):
        held = "another run" if (folder / "run.json").exists() else f"'{next(folder.iterdir()).name}' and maybe more"
        raise ValueError(f"--out: '{folder}' holds {held}; choose another folder, or --resume the run in it.")


def _check_data(data: list[str]) -> None:
    from superlens.data.mixture import parse_weighted

    for path in dict.fromkeys(parse_weighted(words)[0] for words in data):
        open_checked(path)
