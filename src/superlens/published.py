"""Published parts: a recipe names them, their configs are fetched once, their weights are filled in, and left out of checkpoints."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from superlens.parts import find_class

PUBLISHED = {"eye": "backbone", "language": "model"}  # part -> the module in it that carries the published weights


def resolve_names(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe in which every named part carries its config, so that a model can be built from it without any download."""
    recipe = copy.deepcopy(recipe)
    for part in PUBLISHED:
        entry = recipe[part]
        if entry.get("name") and "config" not in entry:
            own = getattr(find_class(part, entry["type"]), "published_config", _config_of_transformers)
            entry["config"] = own(entry["name"], **where(entry))
    return recipe


def where(entry: dict[str, Any]) -> dict[str, str]:
    """Which revision of what was published under a name, and which of its folders, as `from_pretrained` takes them."""
    return {key: entry[key] for key in ("revision", "subfolder") if entry.get(key)}


def _config_of_transformers(name: str, **where: str) -> dict[str, Any]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(name, **where)
    config = getattr(config, "vision_config", config)  # of an eye that was published with a reader of words
    return config.to_dict() | {"model_type": config.model_type}


def published_modules(model, recipe: dict[str, Any]) -> dict[str, nn.Module]:
    """Prefix of parameter names -> module, for every part that was published under a name."""
    modules = {}
    for part, inner in PUBLISHED.items():
        if recipe[part].get("name"):
            modules[f"{part}.{inner}."] = getattr(getattr(model, part), inner)
    return modules


@torch.no_grad()
def fill_published(model, recipe: dict[str, Any], saved: set[str] = frozenset()) -> None:
    """Copy published weights into the named parts, except into tensors that `saved` names (a checkpoint brought them).

    The names filled in are kept in `model.left_published`: as long as they are not trained, checkpoints leave them out.
    """
    left: set[str] = set()
    for prefix, module in published_modules(model, recipe).items():
        entry = recipe[prefix.split(".")[0]]
        source, found = type(module).from_pretrained(
            entry["name"], **where(entry), dtype=torch.float32, output_loading_info=True
        )
        # What was not published (a pooler, a norm of a feature map) is drawn at random: ours, not to be found again by name.
        values = {name: tensor for name, tensor in source.state_dict().items() if name not in set(found["missing_keys"])}
        for name, tensor in [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]:
            # LoRA wraps a layer and moves its own weights under `base_layer`.
            plain = name.replace(".base_layer.", ".")
            if prefix + name not in saved and plain in values:
                tensor.copy_(values[plain])
                left.add(prefix + name)
    model.left_published = left


def saved_names(path: str) -> set[str]:
    """Names of the tensors a saved model holds."""
    index = Path(path) / "model.safetensors.index.json"
    if index.is_file():
        return set(json.loads(index.read_text())["weight_map"])
    with safe_open(str(Path(path) / "model.safetensors"), "pt") as file:
        return set(file.keys())


def check_whole(model, missing: Iterable[str], path: str) -> None:
    """ValueError when a checkpoint lacks weights that its model has and nobody published: what memory held would be taken for them.

    missing: names that were looked for and not found (`output_loading_info` of Transformers).
    """
    published = tuple(published_modules(model, model.config.recipe))
    lost = sorted(name for name in missing if not (published and name.startswith(published)))
    if lost:
        raise ValueError(
            f"'{path}' lacks {len(lost)} of its model's weights ({lost[0]} first): it was saved by another version of Superlens; "
            "load it with that one, or train it again."
        )
