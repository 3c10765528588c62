"""Pictures with words, and pictures with changed copies of themselves: what new and edited pictures are learned from.

Read are
    a folder of the InstructPix2Pix set (arXiv 2211.09800): seeds.json, and NAME/prompt.json, NAME/SEED_0.jpg, NAME/SEED_1.jpg
    a folder of pictures, each with its words in a .txt of the same name (img2dataset's "files")
    lines of JSON, a file or the metadata.jsonl of a folder ("imagefolder" of Hugging Face): {"file_name" or "image": ..., "text" or
    "caption": ...}, or {"input_image": ..., "edit_prompt": ..., "edited_image": ...}, each picture's key with or without "_file_name";
    with "restored": true, the edited picture shows the same, freed of what spoiled it (`superlens data degrade` writes such lines)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from superlens.data import templates
from superlens.data.augment import Augment
from superlens.data.sources.base import Example, LazyExamples, Problem, Source, chosen_tasks, refuse
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.files import (
    AFTER_KEYS,
    BEFORE_KEYS,
    EDIT_KEYS,
    PICTURE_KEYS,
    WORDS_KEYS,
    existing,
    picture_beside,
    read_json,
)
from superlens.data.sources.jsonl import read_lines
from superlens.data.sources.photos import SIDE, window
from superlens.data.templates import part_of
from superlens.message import Conversation, Image, Message, Text

COARSE = 32  # pixels of the shorter side by which it is seen whether a picture was turned
TASKS = {"words": {"caption_image": 1.0, "caption": 0.5}, "edit": {"edit_image": 1.0}, "restore": {"restore_image": 1.0}}


@dataclass(frozen=True)
class Pair:
    """One record. place: how it is called in sentences. words: a caption, or what to change. source: the picture before the change.
    restored: the change undoes what spoiled the source."""

    place: str
    picture: str
    words: str
    source: str | None = None
    restored: bool = False

    @property
    def kind(self) -> str:
        """A key of `TASKS`."""
        return "words" if self.source is None else "restore" if self.restored else "edit"


class PairSource(Source):
    """Pictures and words in either direction ("draw it", "caption it"), or edits, or restorations; a set holds one kind.

    root: folder of the pictures, that of the file unless given. tasks: {task: weight}; for pictures with words `caption_image` (1)
    and `caption` (0.5), for edits `edit_image`, for restorations `restore_image`. Of restorations, training sees squares of augment's
    `side` (128) pixels, the same of both pictures and not resized: on a smaller copy what spoils a picture is another thing than on
    the picture itself. Where the change turns or mirrors a picture, and for captions and edits, all of it is shown as it is: words
    speak of places. Pictures are opened when they are asked for.
    Raises ValueError with one sentence naming the first broken record.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: Mapping[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
    ) -> None:
        self.name = str(path)
        pairs, problems = read_pairs(path, root)
        refuse(self.name, problems)
        if not pairs:
            raise ValueError(f"{path} has no records; expected at least one picture with words.")
        self.pairs = tuple(pairs)
        self.side = augment.side if augment else SIDE
        self._cache = ByteCache(cache_mb)
        kinds = {pair.kind for pair in pairs}
        if len(kinds) > 1:
            names = {"words": "captions", "edit": "edits", "restore": "restored pictures"}
            held = " and ".join(names[kind] for kind in names if kind in kinds)
            raise ValueError(f"{path} holds {held}: give each a file of its own.")
        (self.kind,) = kinds
        self.tasks = chosen_tasks(self.name, TASKS[self.kind], tasks)

    def __len__(self) -> int:
        return len(self.pairs)

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """See `Source`: one question in training wordings, one answer."""
        pair = self.pairs[self._check_index(index)]
        names, weights = list(self.tasks), np.array(list(self.tasks.values()))
        task = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        asked, answer = _talk(pair, task, rng, held_out=False, pictures=self._square(pair, rng) if self.kind == "restore" else None)
        return Conversation((*asked.messages, answer))

    def _square(self, pair: Pair, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """The same random square of both pictures; None where one lies otherwise than the other."""
        before_HW3, after_HW3 = (self._cache.get(path, partial(_pixels, path)) for path in (pair.source, pair.picture))
        if not alike(before_HW3, after_HW3):
            return None
        where = window(*before_HW3.shape[:2], self.side, rng)
        return before_HW3[where], after_HW3[where]

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """See `Source`: "image", every picture as new, edited or restored; "text", the captions of pictures with words."""
        task = next((task for task in TASKS[self.kind] if part_of(task) == part), None)
        if task is None:
            parts = ", ".join(part_of(task) for task in TASKS[self.kind])
            raise ValueError(f'{self.name} has no part "{part}" to evaluate; expected one of {parts}.')
        return LazyExamples(range(len(self)), partial(self._example, task, seed), limit)

    def _example(self, task: str, seed: int, index: int) -> Example:
        pair = self.pairs[index]
        asked, answer = _talk(pair, task, np.random.default_rng((seed, index)), held_out=True)
        return Example(asked, answer, pair.place, task)


def _pixels(path: str) -> np.ndarray:
    return Image(path).pixels


def alike(before_HW3: np.ndarray, after_HW3: np.ndarray) -> bool:
    """Whether two pictures have one size, and the second is not a turned or mirrored copy of the first."""
    if before_HW3.shape != after_HW3.shape:
        return False
    import torch
    from PIL import Image as Pil

    from superlens.decoders.laying import likest, shares

    height, width = before_HW3.shape[:2]
    step = max(1, min(height, width) // COARSE)
    size = (width // step, height // step)
    small = [np.array(Pil.fromarray(one).resize(size, Pil.Resampling.BOX)) for one in (before_HW3, after_HW3)]
    return likest(*shares(torch.from_numpy(np.stack(small)))) == 0


def _talk(
    pair: Pair, task: str, rng: np.random.Generator, held_out: bool, pictures: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[Conversation, Message]:
    """The question and the answer. pictures: shown and made, in place of the pair's whole ones."""
    if task == "caption":
        question = (Image(pair.picture), Text(templates.ask("caption", rng, held_out)))
        return Conversation((Message("user", question),)), Message("assistant", pair.words)
    words = pair.words.rstrip(".!? ")
    if task == "caption_image":
        question = Conversation((Message("user", templates.ask(task, rng, held_out, scene=words)),))
        return question, Message("assistant", (Image(pair.picture),))
    source, made = pictures or (pair.source, pair.picture)
    shown = (Image(source), Text(templates.ask(task, rng, held_out, change=words[0].lower() + words[1:])))
    return Conversation((Message("user", shown),)), Message("assistant", (Image(made, of=0, restored=pair.restored),))


def read_pairs(path: str | os.PathLike, root: str | os.PathLike | None = None) -> tuple[list[Pair], list[Problem]]:
    """The good records of a set, and the problems of the others. Pictures must exist; they are not opened."""
    path = existing(path)
    if path.is_dir():
        if (path / "seeds.json").is_file():
            found: Iterator[Pair | Problem] = _instruct(path)
        elif (path / "metadata.jsonl").is_file():
            found = _lines(path / "metadata.jsonl", Path(root or path))
        else:
            found = _beside(path)
    else:
        found = _lines(path, Path(root or path.parent))
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for record in found:
        wrong = record if isinstance(record, Problem) else _wrong(record)
        if wrong is None:
            pairs.append(record)
        else:
            problems.append(wrong)
    return pairs, problems


def _wrong(pair: Pair) -> Problem | None:
    if not pair.words.strip():
        return Problem(pair.place, "has no words.")
    missing = next((name for name in (pair.picture, pair.source) if name is not None and not os.path.isfile(name)), None)
    return None if missing is None else Problem(pair.place, f"the picture '{missing}' does not exist.")


def _instruct(folder: Path) -> Iterator[Pair | Problem]:
    seeds = read_json(folder / "seeds.json")
    if not isinstance(seeds, list) or not all(isinstance(entry, list) and len(entry) == 2 for entry in seeds):
        raise ValueError(f"{folder / 'seeds.json'} should be a list of [name, [seed, ...]].")
    for name, numbers in seeds:
        try:
            prompt = read_json(folder / name / "prompt.json")
            words = prompt["edit"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield Problem(f"prompt {name}", f'prompt.json can not be read or has no "edit" ({error}).')
            continue
        for seed in numbers:
            before, after = (str(folder / name / f"{seed}_{which}.jpg") for which in (0, 1))
            yield Pair(f"prompt {name}, seed {seed}", after, str(words), before)


def _beside(folder: Path) -> Iterator[Pair | Problem]:
    for file in sorted(folder.rglob("*.txt")):
        picture = picture_beside(file)
        if picture is None:
            yield Problem(file.name, "there is no picture of this name beside it.")
            continue
        try:
            yield Pair(file.name, str(picture), file.read_text(encoding="utf-8-sig").strip())
        except UnicodeDecodeError as error:
            yield Problem(file.name, f"it is no text: {error.reason} at byte {error.start}.")


def _lines(path: Path, root: Path) -> Iterator[Pair | Problem]:
    for line, _, raw in read_lines(path):
        place = f"line {line}"
        try:
            record = json.loads(raw)
        except ValueError as error:
            yield Problem(place, f"is not valid JSON: {error}.")
            continue
        if not isinstance(record, dict):
            yield Problem(place, f"is {type(record).__name__}, not an object.")
            continue
        edit = _value(record, EDIT_KEYS)
        keys = (AFTER_KEYS, BEFORE_KEYS) if edit is not None else (PICTURE_KEYS,)
        words = edit if edit is not None else _value(record, WORDS_KEYS)
        pictures = [_value(record, (*wanted, *(f"{key}_file_name" for key in wanted))) for wanted in keys]
        if not isinstance(words, str) or not all(isinstance(name, str) for name in pictures):
            wanted = "input_image, edit_prompt and edited_image" if edit is not None else "file_name and text"
            yield Problem(place, f"needs {wanted}, all of them strings.")
            continue
        after, before = str(root / pictures[0]), str(root / pictures[1]) if edit is not None else None
        yield Pair(place, after, words, before, restored=record.get("restored") is True)


def _value(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """That of the first key that the record has."""
    return next((record[key] for key in keys if key in record), None)

