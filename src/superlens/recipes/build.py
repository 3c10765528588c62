"""Recipes and saved models -> models. Only this file knows names, and loads weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from superlens.assemble import begin_among_words, make_processor
from superlens.model import Superlens, SuperlensConfig
from superlens.parts import nearest
from superlens.published import fill_published, resolve_names

NANO = Path(__file__).resolve().parent.parent / "nano"


def build(recipe: dict[str, Any], seed: int | None = None) -> Superlens:
    """A model from a recipe: parts from config, published weights filled in, fresh parts drawn from `seed`; processor attached."""
    recipe = resolve_names(recipe)
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        model = Superlens(SuperlensConfig(recipe))
    fill_published(model, recipe)
    if recipe["language"].get("name"):
        begin_among_words(model.projector, model.language)
    model.processor = make_processor(recipe, find_tokenizer(recipe), model)
    return model


def load(name: str, device: str | None = None, dtype: str | torch.dtype | None = None) -> Superlens:
    """`nano`, a directory written by save_pretrained, or a hub name -> a model ready to be asked.

    device: "cpu", "cuda", ...; default cuda where there is one. dtype: "float32", "bfloat16", "float16"; default float32 on the CPU.
    ValueError when there is no such model.
    """
    path = find_model(name)
    model = Superlens.from_pretrained(path, dtype=torch.float32)
    for tensor in [*model.parameters(), *model.buffers()]:
        # Memory of its own: weights that lie in a file's pages are aligned by chance, and sums over them differ in the last bit.
        tensor.data = tensor.data.clone()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(dtype, str):
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
    return model.to(device=device, dtype=dtype or torch.float32).eval()


def find_model(name: str) -> str:
    """Path of a saved model. ValueError with a sentence when there is none."""
    if name == "nano":
        return str(NANO)
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(f"'{name}' holds no model: config.json is missing (save_pretrained and `superlens train` write one).")
        if json.loads((path / "config.json").read_text()).get("model_type") != "superlens":
            raise ValueError(f"'{name}' holds another kind of model: its config.json is not a Superlens one.")
        return str(path)
    if path.suffix or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ValueError(f"no model '{name}': {nearest(name, ['nano'])} Or give a directory written by training, or a hub name.")
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name)
    except Exception as error:
        raise ValueError(f"no model '{name}' here, and the hub did not give one ({type(error).__name__}).") from error


def find_tokenizer(recipe: dict[str, Any]):
    """nano's tokenizer, a directory's, or a published one, as the recipe names it."""
    from transformers import AutoTokenizer

    name = recipe["language"].get("tokenizer") or recipe["language"].get("name")
    if name is None:
        raise ValueError("the recipe names no tokenizer: set language.tokenizer (nano, a directory or a hub name).")
    return AutoTokenizer.from_pretrained(str(NANO / "tokenizer") if name == "nano" else name)
