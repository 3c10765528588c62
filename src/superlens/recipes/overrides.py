"""`--set a.b=c`: a recipe's values changed from the command line. An unknown path is refused, the nearest offered."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from superlens.parts import BUILT_IN, find_class, nearest
from superlens.recipes.reading import parse_yaml
from superlens.recipes.schema import Data, Recipe, SourceOptions, Stage

SUPPLIED = {  # what the house gives to constructors: not for recipes to set
    "eye": (),
    "projector": ("in_channels", "width", "stride", "scale"),
    "language": (),
    "regions": ("level_channels", "width", "scale"),
    "video": ("grid", "in_channels", "width", "vocabulary", "scale"),
    "links": ("format", "tokens", "width", "embedding_width", "scale", "decoder_width", "vocabulary"),
    "decoders": ("in_channels",),
}
MOST_OFFERED = 24
SCALES = Path(__file__).with_name("scales")
RESCALED = ("eye", "canvas", "projector", "language", "stages")
ADAPTER_KEYS = ("type", "rank", "alpha", "dropout", "targets")
LANGUAGE_KEYS = ("name", "revision", "subfolder", "tokenizer", "template")
EYE_KEYS = ("name", "revision", "subfolder")


def apply(values: dict[str, Any], overrides: Iterable[str]) -> None:
    """Write every "path=value" into `values`, in place.

    A value is read as YAML. Steps of a path are keys; a stage is named by its number from 0, by its name, or `*` for
    all. `scale=NAME` puts the sizes of all recipes at once in place of this one's (`rescale`).
    Raises ValueError with one sentence for a path that leads nowhere or a key that its part does not take.
    """
    for override in overrides:
        path, equals, text = override.partition("=")
        path = path.strip()
        if not equals or not path:
            raise ValueError(f"--set {override}: expected KEY=VALUE, as in stages.0.steps=100.")
        if path == "scale":
            rescale(values, text.strip())
            continue
        _write(values, path.split("."), parse_yaml(text, f"--set {override}"), override, ())


def scale_names() -> list[str]:
    """Names of the scales in the package, sorted."""
    return sorted(path.stem for path in SCALES.glob("*.yaml"))


def rescale(values: dict[str, Any], name: str) -> None:
    """Another size for a whole recipe, in place: eye, canvas, projector, language model and stages are those of the scale; each decoder
    is given the scale's sizes for its type, or becomes the light one for the part that its links write. Links and data stay. Eyes of
    the types that the scale names under `eyes` bring sections of their own.

    Raises ValueError naming the nearest scale, or a part that the scale has no decoder for.
    """
    if name not in scale_names():
        raise ValueError(f"unknown scale '{name}': {nearest(name, scale_names())}")
    scale = parse_yaml((SCALES / f"{name}.yaml").read_text(encoding="utf-8"), name)
    for link, entry in (values.get("links") or {}).items():
        decoder, part = entry.get("decoder"), entry.get("part", link)
        if decoder is None:
            continue
        if part not in scale["light"]:
            raise ValueError(f"the scale '{name}' has no decoder for {part}; it has those for {', '.join(scale['light'])}.")
        kind = (values.get("decoders") or {}).get(decoder, {}).get("type")
        kind = kind if kind in scale["decoders"] else scale["light"][part]
        values["decoders"][decoder] = {"type": kind, **copy.deepcopy(scale["decoders"][kind])}
    own = scale["eyes"].get((values.get("eye") or {}).get("type"), {})
    values.update({section: copy.deepcopy(scale[section]) for section in RESCALED} | copy.deepcopy(own))
    if values.get("regions"):
        values["regions"] = {"type": values["regions"]["type"]}
    if values.get("video"):
        values["video"] = {"type": values["video"]["type"], **copy.deepcopy(scale["video"].get(values["video"]["type"], {}))}


def _write(node: Any, steps: list[str], value: Any, override: str, walked: tuple[str, ...]) -> None:
    """Walk down `steps` from `node` and write `value` at their end."""
    if isinstance(node, list):
        for index in _places(node, steps[0], override, walked):
            if len(steps) == 1:
                node[index] = value
            else:
                _write(node[index], steps[1:], value, override, (*walked, str(index)))
        return
    if not isinstance(node, dict):
        place = ".".join(walked)
        raise ValueError(f"--set {override}: {place} is the value {node!r:.40}, nothing can be set below it.")
    key, rest = _key(node, steps, walked)
    if key not in node:
        _check_new(node, key, rest, value, override, walked)
    if not rest:
        node[key] = value
        return
    if node.get(key) is None:
        node[key] = {}
    _write(node[key], rest, value, override, (*walked, key))


def _key(node: dict, steps: list[str], walked: tuple[str, ...]) -> tuple[str, list[str]]:
    """The longest run of steps that is a key here (globs such as `decoders.*` have dots), and the steps after it."""
    for length in range(len(steps), 0, -1):
        if ".".join(steps[:length]) in node:
            return ".".join(steps[:length]), steps[length:]
    if walked[:1] == ("stages",) and walked[-1] in ("lr", "data"):
        return ".".join(steps), []
    return steps[0], steps[1:]


def _places(node: list, step: str, override: str, walked: tuple[str, ...]) -> list[int]:
    if step == "*":
        return list(range(len(node)))
    names = [str(item["name"]) for item in node if isinstance(item, Mapping) and "name" in item]
    if step in names:
        return [names.index(step)]
    if step.isdigit() and int(step) < len(node):
        return [int(step)]
    choices = [*names, *(str(index) for index in range(len(node)))]
    offer = nearest(step, choices) if choices else "the list is empty."
    raise ValueError(f"--set {override}: there is no {'.'.join((*walked, step))}: {offer}")


def _check_new(node: dict, key: str, rest: list[str], value: Any, override: str, walked: tuple[str, ...]) -> None:
    """A key that the recipe does not write yet must be one that its place takes."""
    allowed = _allowed(node, walked)
    place = ".".join(walked)
    if allowed is None:  # free names: links, decoders, weights
        if walked in (("links",), ("decoders",)) and (rest or not (isinstance(value, Mapping) and "type" in value)):
            known = f": {nearest(key, node)}" if node else "."
            raise ValueError(
                f"--set {override}: there is no {place}.{key}{known} A new one is set whole, with its type, "
                f"as in {place}.{key}={{type: {next(iter(BUILT_IN[place]))}, ...}}"
            )
        return
    if key not in allowed:
        offer = _offer(key, list(dict.fromkeys([*allowed, *node]))) if allowed or node else f"{place} has no keys."
        raise ValueError(f"--set {override}: unknown key '{key}'{f' in {place}' if place else ''}: {offer}")


def _offer(key: str, choices: list[str]) -> str:
    """The nearest of `choices`; of very many, the few that are most like `key` rather than all."""
    if len(choices) > MOST_OFFERED:
        choices = difflib.get_close_matches(key, choices, n=3, cutoff=0.0)
    return nearest(key, choices)


def _allowed(node: dict, walked: tuple[str, ...]) -> Iterable[str] | None:
    """Keys that may be new at this place; None when any name will do."""
    if not walked:
        return Recipe.model_fields
    top = walked[0]
    if walked in (("links",), ("decoders",)):
        return None
    if walked == ("canvas",):
        return Recipe.model_fields["canvas"].annotation.model_fields
    if top == "data":
        return Data.model_fields if len(walked) == 1 else _in_data(walked[1:])
    if top == "stages":
        return Stage.model_fields if len(walked) == 2 else None
    depth = 2 if top in ("links", "decoders") else 1
    if len(walked) == depth:
        return _part_keys(top, node)
    return _nested_keys(walked[depth:], node)


def _in_data(rest: tuple[str, ...]) -> Iterable[str] | None:
    if rest[-1] == "augment":
        from superlens.data.augment import Augment

        return list(Augment.__dataclass_fields__)
    return SourceOptions.model_fields if rest[0] == "sources" and len(rest) == 2 else None


def _part_keys(section: str, part: Mapping[str, Any]) -> list[str]:
    """Keys that the constructor of a part's type takes from a recipe."""
    if "type" not in part:
        return ["type"]
    cls = find_class(section, part["type"])
    keys = [key for key in inspect.signature(cls.__init__).parameters if key not in SUPPLIED[section]]
    if section == "links":
        keys += inspect.signature(cls.format_class.__init__).parameters
    keys += {"language": LANGUAGE_KEYS, "eye": EYE_KEYS}.get(section, ())
    kept = [key for key in dict.fromkeys(keys) if key != "self" and (key != "name" or section in ("language", "eye"))]
    return ["type", *kept]


def _nested_keys(rest: tuple[str, ...], node: Mapping[str, Any]) -> Iterable[str]:
    """Keys below a part's own: of a Transformers config (`config.hidden_size`), of an adapter; else those there."""
    if rest == ("adapter",):
        return ADAPTER_KEYS
    if rest == ("config",) and "model_type" in node:
        from superlens.parts import resolve_config

        return list(resolve_config({"model_type": node["model_type"]}).to_dict())
    return list(node)
