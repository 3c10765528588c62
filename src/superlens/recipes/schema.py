"""What a recipe may say: strict sections, overrides from the command line, and sentences for every mistake.

Nothing heavy is imported here: a recipe is read and checked before any model is. The keys of a part (an eye, a link, a
decoder) are those of its class's constructor, and are checked when it is built (`superlens.parts.construct`).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from superlens.data.augment import Augment
from superlens.data.templates import TASKS
from superlens.parts import BUILT_IN, LESSONS, nearest
from superlens.recipes.reading import header_of, parse_yaml
from superlens.vision.canvas import CanvasRule

FOLDER = Path(__file__).resolve().parent


class Strict(BaseModel):
    """A section whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            raise ValueError(f"expected keys and values, got {type(values).__name__}")
        for key in values:
            if key not in cls.model_fields:
                raise ValueError(f"unknown key '{key}': {nearest(key, cls.model_fields)}")
        return values


def _section_of(kind: type) -> type[Strict]:
    """A section with the fields, defaults and checks of a dataclass, so that they are written once."""
    hints = get_type_hints(kind)
    fields = {field.name: (hints[field.name], field.default) for field in dataclasses.fields(kind)}

    def checked(section):
        kind(**section.model_dump())
        return section

    validators = {"checked": model_validator(mode="after")(checked)}
    return create_model(kind.__name__, __base__=Strict, __validators__=validators, **fields)


class Part(BaseModel):
    """An eye, a projector, a language model, a link or a decoder: a type and that type's own keys."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            raise ValueError(f"expected a type and its keys, got {values!r:.60}")
        return values


class SourceOptions(Strict):
    """What one source is given in place of the recipe's own: augment, and {task: weight}. length: of the drawn world alone, how many
    indices it has; its clips are as many."""

    augment: _section_of(Augment) | None = None  # type: ignore[valid-type]
    tasks: dict[str, float] | None = None
    length: int | None = None

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: dict[str, float] | None) -> dict[str, float] | None:
        return tasks if tasks is None else _checked_weights(tasks, known=TASKS)


class Data(Strict):
    """How training data are shown.

    augment: random views of pictures with boxes or masks (see `Augment`), or nothing: pictures as they are.
    tasks: {task: weight} of the drawn world and of every source that has the task's labels; default: each source's own.
    turns: least and most questions in one conversation of the drawn world. sources: {source: its own options}, a source
    being named as in --data, by its file's stem, or by a folder of its path. cache_mb: decoded pictures kept by each.
    """

    augment: _section_of(Augment) | None = None  # type: ignore[valid-type]
    tasks: dict[str, float] | None = None
    turns: tuple[int, int] | None = None
    sources: dict[str, SourceOptions] = Field(default_factory=dict)
    cache_mb: float = Field(300, gt=0)

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: dict[str, float] | None) -> dict[str, float] | None:
        return tasks if tasks is None else _checked_weights(tasks, known=TASKS)

    @field_validator("turns")
    @classmethod
    def _ordered(cls, turns: tuple[int, int] | None) -> tuple[int, int] | None:
        if turns is not None and not 1 <= turns[0] <= turns[1]:
            raise ValueError(f"expected the least and the most questions, at least 1, got {list(turns)}")
        return turns


class Stage(Strict):
    """One stage of training.

    train: globs over parameter names; everything else is frozen. steps: optimiser steps. lr: one learning rate, or
    {glob: lr, default: lr}, the first glob that fits deciding. batch: samples in a step. row_tokens: length of a packed
    row, at most what the model reads; longer samples are dropped and counted. warmup: share of the steps in which the rate
    rises. weight_decay: of matrices. tasks: {task: weight} in place of the recipe's, or {source: {task: weight}} (a source
    is named as in --data, or by its file's stem).
    data: {source: weight}, multiplied with the weights of --data; sources that are not named keep theirs, or get that of `default`.
    turns: in place of the recipe's. think: false leaves the language model out: links that read their label's words teach eye and
    decoders alone, at a fraction of the cost. lessons: also taught: names, gaze, pointing ... (lessons/). muon: globs of hidden
    matrices trained by Muon in place of AdamW. accumulate: batches in an optimiser step.
    workers: processes that prepare batches. save_every: steps between checkpoints.
    """

    name: str
    train: list[str] = Field(min_length=1)
    steps: int = Field(1000, ge=1)
    lr: float | dict[str, float] = 1e-4
    batch: int = Field(16, ge=1)
    row_tokens: int = Field(1024, ge=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(0.05, ge=0)
    muon: list[str] = Field(default_factory=list)
    accumulate: int = Field(1, ge=1)
    workers: int = Field(0, ge=0)
    save_every: int = Field(200, ge=1)
    turns: tuple[int, int] | None = None
    think: bool = True
    lessons: list[str] = Field(default_factory=list)
    tasks: dict[str, Any] | None = None
    data: dict[str, float] | None = None

    @field_validator("train", mode="before")
    @classmethod
    def _one_glob(cls, globs: Any) -> Any:
        return [globs] if isinstance(globs, str) else globs

    @field_validator("lr", mode="before")
    @classmethod
    def _known_rates(cls, lr: Any) -> Any:
        if not isinstance(lr, Mapping):
            return _positive(lr, "a learning rate")
        if "default" not in lr:
            raise ValueError("learning rates by glob need a 'default' for all other parameters")
        return {str(glob): _positive(rate, f"the learning rate of '{glob}'") for glob, rate in lr.items()}

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: dict[str, Any] | None) -> dict[str, Any] | None:
        if not tasks or not any(isinstance(value, Mapping) for value in tasks.values()):
            return tasks if tasks is None else _checked_weights(tasks, known=TASKS)
        for source, weights in tasks.items():
            if not isinstance(weights, Mapping):
                raise ValueError(f"expected {{task: weight}} for every source, got {weights!r} for '{source}'")
        return {source: _checked_weights(weights, known=TASKS) for source, weights in tasks.items()}

    @field_validator("lessons")
    @classmethod
    def _known_lessons(cls, lessons: list[str]) -> list[str]:
        for name in lessons:
            kind = name.partition(":")[0]
            if "." not in kind and kind not in LESSONS:
                raise ValueError(f"unknown lesson '{kind}': {nearest(kind, LESSONS)}")
        return lessons

    @field_validator("data")
    @classmethod
    def _known_weights(cls, data: dict[str, float] | None) -> dict[str, float] | None:
        return data if data is None else _checked_weights(data)


def _positive(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise ValueError(f"expected a number above 0 for {what}, got {value!r:.60}")
    return number


def _checked_weights(weights: Mapping[str, Any], known: Iterable[str] | None = None) -> dict[str, float]:
    for name, weight in weights.items():
        if known is not None and name not in known:
            raise ValueError(f"unknown task '{name}': {nearest(name, known)}")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
            raise ValueError(f"expected a weight of 0 or more for '{name}', got {weight!r:.60}")
    if not any(weights.values()):
        raise ValueError("expected at least one weight above 0")
    return {name: float(weight) for name, weight in weights.items()}


class Recipe(Strict):
    """A whole recipe. `name` and `header` (its opening comment) stand beside the sections, they are no part of them.

    stages: how the model is made. tune: the stages a finished model brings along for those who continue its weights on data of
    their own; default: `stages` again.
    """

    eye: Part
    projector: Part
    canvas: _section_of(CanvasRule) = Field(default_factory=dict, validate_default=True)  # type: ignore[valid-type]
    language: Part
    regions: Part | None = None
    video: Part | None = None
    links: dict[str, Part] = Field(default_factory=dict)
    decoders: dict[str, Part] = Field(default_factory=dict)
    data: Data = Field(default_factory=Data)
    stages: list[Stage] = Field(default_factory=list)
    tune: list[Stage] = Field(default_factory=list)

    _name: str = PrivateAttr("recipe")
    _header: str = PrivateAttr("")

    @model_validator(mode="after")
    def _known_types(self) -> Recipe:
        """Short names of types are checked here, without importing their classes; dotted paths when they are built."""
        for section, known in BUILT_IN.items():
            value = getattr(self, section)
            for where, part in value.items() if isinstance(value, dict) else [(None, value)] if value else []:
                if "." not in part.type and part.type not in known:
                    place = f"{section}.{where}" if where else section
                    raise ValueError(f"unknown type '{part.type}' in {place}: {nearest(part.type, known)}")
        return self

    @model_validator(mode="after")
    def _stages_have_names_of_their_own(self) -> Recipe:
        for names in ([stage.name for stage in self.stages], [stage.name for stage in self.tune]):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two stages are called '{twice[0]}': give each its own name")
        return self

    @property
    def name(self) -> str:
        """The recipe's name: its file's stem, or "recipe" when it was given as a dictionary."""
        return self._name

    @property
    def header(self) -> str:
        """The comment at the head of its file: what the recipe is, and how to run it."""
        return self._header

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dictionaries, defaults filled in, what is not set left out; JSON-ready, and
        `read_recipe` of it gives the same sections."""
        plain = self.model_dump(mode="json")
        for key in ("regions", "video"):
            if plain[key] is None:
                del plain[key]
        plain["data"] = {key: value for key, value in plain["data"].items() if value is not None}
        for key in ("stages", "tune"):
            plain[key] = [{k: v for k, v in stage.items() if v is not None} for stage in plain[key]]
        return plain


def recipe_names() -> list[str]:
    """Names of the recipes in the package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipes_that_write(part: str) -> list[str]:
    """Names of the package's recipes with a link that writes a part ("boxes", "moments" ...), sorted."""
    plans = {name: parse_yaml(recipe_text(name), name) for name in recipe_names()}
    return [name for name, plan in plans.items() if part in (entry.get("part", key) for key, entry in plan["links"].items())]


def these_write(*parts: str) -> str:
    """" These recipes have one: ...", for the end of a sentence about a link that is missing; "" where no recipe writes the parts."""
    names = sorted({name for part in parts for name in recipes_that_write(part)})
    return f" These recipes have one: {', '.join(names)}." if names else ""


def recipe_text(name: str) -> str:
    """The YAML of a recipe in the package, with its header. ValueError names the nearest recipe."""
    if name not in recipe_names():
        raise ValueError(f"unknown recipe '{name}': {nearest(name, recipe_names())}")
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def read_recipe(source: str | Path | Mapping[str, Any], overrides: Iterable[str] = ()) -> Recipe:
    """A recipe by name, from a YAML file, or from a dictionary, with overrides such as "stages.0.steps=50" applied.

    Raises ValueError with one sentence for an unknown recipe, key, type or task (the nearest valid one is offered), a
    value of the wrong kind, and an override whose path leads nowhere.
    """
    name, header, values = _found(source)
    values = copy.deepcopy(values)
    called = "the recipe" if isinstance(source, Mapping) else f"recipe '{source}'"
    overrides = list(overrides)
    if overrides:
        from superlens.recipes.overrides import apply

        _validated(values, called)  # a mistake in the file must not be reported as one of the override
        apply(values, overrides)
    recipe = _validated(values, called)
    recipe._name, recipe._header = name, header
    return recipe


def _found(source: str | Path | Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """-> (name, header, values)"""
    if isinstance(source, Mapping):
        return "recipe", "", dict(source)
    path = Path(source)
    if str(source) in recipe_names():
        text, name = recipe_text(str(source)), str(source)
    elif path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ValueError(f"there is no recipe file '{source}'; `superlens recipes` lists those of the package.")
        text, name = _file_text(path), path.stem
    else:
        raise ValueError(f"unknown recipe '{source}': {nearest(str(source), recipe_names())} A file ends in .yaml.")
    values = parse_yaml(text, str(source))
    if not isinstance(values, dict):
        raise ValueError(f"the recipe '{source}' holds no sections (eye, projector, language, ...).")
    return name, header_of(text), values


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the recipe file '{path}' is no text in UTF-8.") from error


def _validated(values: dict[str, Any], called: str) -> Recipe:
    try:
        return Recipe(**{str(key): value for key, value in values.items()})
    except ValidationError as error:
        raise ValueError(f"{called}: {_sentence(error)}") from error


# pydantic's kinds of mistake in our words.
READINGS = {
    "int_parsing": "expected a whole number, got {got}",
    "int_from_float": "expected a whole number, got {got}",
    "int_type": "expected a whole number, got {got}",
    "float_parsing": "expected a number, got {got}",
    "float_type": "expected a number, got {got}",
    "bool_parsing": "expected true or false, got {got}",
    "bool_type": "expected true or false, got {got}",
    "string_type": "expected words, got {got}",
    "list_type": "expected a list, got {got}",
    "tuple_type": "expected a list, got {got}",
    "dict_type": "expected keys and values, got {got}",
    "greater_than_equal": "expected {limit} or more, got {got}",
    "greater_than": "expected more than {limit}, got {got}",
    "less_than": "expected less than {limit}, got {got}",
    "too_short": "expected at least one, got {got}",
}


def _sentence(error: ValidationError) -> str:
    """The first mistake that pydantic found, in one sentence."""
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"] if not str(step).startswith("function-"))
    if first["type"] == "missing":
        inside, _, key = place.rpartition(".")
        return f"the key '{key}' is missing{f' in {inside}' if inside else ''}."
    if first["type"] == "value_error":
        words = str(first["ctx"]["error"])
    else:
        got = f"{first['input']!r:.60}"
        limit = next((value for key, value in first.get("ctx", {}).items() if key in ("ge", "gt", "lt")), None)
        words = READINGS.get(first["type"], first["msg"] + ", got {got}").format(got=got, limit=limit)
    words = words[0].lower() + words[1:] if words[:2].istitle() else words
    words = words if words.endswith((".", "?")) else f"{words}."
    return f"{place}: {words}" if place else words
