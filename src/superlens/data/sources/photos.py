"""Photographs without labels: what restoration is learned from, and measured with.

Any pictures will do: a folder of them, or the pictures of a COCO file. They are spoiled here (`data/degrade.py`), and what is asked
for is the undoing. Names carry shapes: H rows, W columns, 3 colours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from superlens.data import templates
from superlens.data.augment import Augment
from superlens.data.degrade import DEGRADATIONS, LEAVE, SPOILING, Degradation, degrade, parse
from superlens.data.grammar import spell
from superlens.data.sources.base import Example, LazyExamples, Source, chosen_tasks
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.files import PICTURE_ENDINGS, existing, pictures_in, read_json
from superlens.data.wordings_restore import REPAIRS
from superlens.message import Conversation, Image, Message, Text

TASK = "restore_image"
SIDE = 128  # of a training view, pixels, unless `augment` says otherwise
# How often each is practised.
SHARES = {"noise": 0.4, "blur": 0.16, "pepper": 0.09, "rain": 0.13, "mask": 0.1, "rotate": 0.07, "flip": 0.05}


@dataclass(frozen=True)
class Plan:
    """What is done to a picture, how many of its last steps are to be undone, and what is asked for (keys of `REPAIRS`)."""

    steps: tuple[Degradation, ...]
    undone: int
    repairs: tuple[str, ...]

    @classmethod
    def of_all(cls, steps: tuple[Degradation, ...]) -> Plan:
        """All that is done is to be undone, the last first."""
        return cls(steps, len(steps), tuple(step.repair for step in reversed(steps)) or (LEAVE,))

    def words(self, rng: np.random.Generator, held_out: bool = False) -> str:
        """What is asked for, in words; see `wording`."""
        return wording(self.repairs, rng, held_out, [step.amount % 360 for step in reversed(self.steps) if step.repair == "turn by"])


class PhotoSource(Source):
    """A spoiled picture, and the question to restore it.

    path: a folder of pictures, or a COCO file, whose labels are not looked at. root: folder of its pictures, that of the file unless
    given. augment: its `side` is that of the square views in training (128 pixels unless given), mirrored and turned at random.
    tasks: `restore_image` alone. spoil: as `degrade.parse` reads it ("noise:25", "blur:5,noise:15", "none"): what is done to every
    picture in `examples`; by default one degradation of each picture's own.
    Raises ValueError with one sentence: no pictures there, a file that does not exist, a degradation that there is not.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: Mapping[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        spoil: str | None = None,
    ) -> None:
        self.name = str(path)
        self.pictures = tuple(pictures_of(path, root))
        if not self.pictures:
            raise ValueError(f"{path} has no pictures in it; expected a folder of pictures, or a COCO file.")
        self.tasks = chosen_tasks(self.name, {TASK: 1.0}, tasks)
        self.side = augment.side if augment else SIDE
        self.steps = None if spoil is None else parse(spoil)
        self._cache = ByteCache(cache_mb)

    def __len__(self) -> int:
        return len(self.pictures)

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """See `Source`: a square view, spoiled, and what it was before."""
        path = self.pictures[self._check_index(index)]
        clean_HW3 = view(self._cache.get(path, lambda: Image(path).pixels), self.side, rng)
        plan = practice(rng)
        asked, answer = _talk(clean_HW3, plan, rng, held_out=False)
        return Conversation((*asked.messages, answer))

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """See `Source`: "image" alone, whole pictures."""
        if part != "image":
            raise ValueError(f'{self.name} has no part "{part}" to evaluate; expected image.')
        return LazyExamples(range(len(self)), partial(self._example, seed), limit)

    def plan(self, rng: np.random.Generator) -> Plan:
        """What is done to one picture of `examples`."""
        return Plan.of_all((DEGRADATIONS[str(rng.choice(SPOILING))].drawn(rng),) if self.steps is None else self.steps)

    def _example(self, seed: int, index: int) -> Example:
        rng = np.random.default_rng((seed, index))
        asked, answer = _talk(Image(self.pictures[index]).pixels, self.plan(rng), rng, held_out=True)
        return Example(asked, answer, self.pictures[index], TASK)


def pictures_of(path: str | os.PathLike, root: str | os.PathLike | None = None) -> list[str]:
    """Files of the pictures of a folder (at any depth, sorted) or of a COCO file; a picture's own file. They are not opened."""
    path = existing(path)
    if path.is_dir():
        return [str(file) for file in pictures_in(path)]
    if path.suffix in PICTURE_ENDINGS:
        return [str(path)]
    data = read_json(path)
    images = data.get("images") if isinstance(data, dict) else None
    if not isinstance(images, list):
        raise ValueError(f"{path} lists no pictures; expected a folder of pictures, or a COCO file with its `images`.")
    names = [image.get("file_name") if isinstance(image, dict) else None for image in images]
    nameless = next((number for number, name in enumerate(names) if not isinstance(name, str) or not name), None)
    if nameless is not None:
        raise ValueError(f"{path}: images[{nameless}] has no file name: got {json.dumps(images[nameless])[:60]}.")
    files = [str(Path(root or path.parent) / name) for name in names]
    missing = next((file for file in files if not os.path.isfile(file)), None)
    if missing is not None:
        raise ValueError(f"{path} lists the picture '{missing}', which does not exist.")
    return files


def window(height: int, width: int, side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Where a random square of at most `side` pixels lies."""
    side = min(side, height, width)
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return slice(top, top + side), slice(left, left + side)


def view(pixels_HW3: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square of at most `side` pixels, one of its eight turned and mirrored copies. Nothing is resized: that would blur it."""
    square = np.rot90(pixels_HW3[window(*pixels_HW3.shape[:2], side, rng)], int(rng.integers(4)))
    return np.ascontiguousarray(square[:, ::-1] if rng.random() < 0.5 else square)


def practice(rng: np.random.Generator) -> Plan:
    """One exercise. Most often all that was done is to be undone. But the words decide: the last of two damages may be all that is
    asked for, or nothing at all, or what is not there; then all else has to come back as it is."""
    steps = [_drawn(rng)]
    form = rng.random()
    if form < 0.33:
        steps.append(_drawn(rng, other_than=steps[0].name))
    if form < 0.25 or form >= 0.45:
        plan = Plan.of_all(tuple(steps))
        whole = rng.random() < 0.1 and all(step.name in SPOILING for step in steps)
        return replace(plan, repairs=("restore",)) if whole else plan
    if form < 0.33:
        return Plan(tuple(steps), 1, (steps[-1].repair,))
    if form < 0.38:  # nothing is asked for, of a clean picture or a spoiled one
        return Plan(tuple(steps[: int(rng.integers(2))]), 0, (LEAVE,))
    # A repair of what is not there, of a clean picture more often than of a spoiled one.
    asked = _drawn(rng, among=SPOILING, other_than=steps[0].name)
    return Plan(tuple(steps) if rng.random() < 0.4 else (), 0, (asked.repair,))


def _drawn(rng: np.random.Generator, among: Sequence[str] = tuple(SHARES), other_than: str | None = None) -> Degradation:
    names = [name for name in among if name != other_than]
    shares = np.array([SHARES[name] for name in names])
    return DEGRADATIONS[names[int(rng.choice(len(names), p=shares / shares.sum()))]].drawn(rng)


def _talk(clean_HW3: np.ndarray, plan: Plan, rng: np.random.Generator, held_out: bool) -> tuple[Conversation, Message]:
    """The question and the answer."""
    wanted_HW3 = degrade(clean_HW3, plan.steps[: len(plan.steps) - plan.undone], rng)
    shown_HW3 = degrade(wanted_HW3, plan.steps[len(plan.steps) - plan.undone :], rng)
    shown = (Image(shown_HW3), Text(templates.ask(TASK, rng, held_out, change=plan.words(rng, held_out))))
    return Conversation((Message("user", shown),)), Message("assistant", (Image(wanted_HW3, of=0, restored=True),))


def wording(repairs: Sequence[str], rng: np.random.Generator, held_out: bool = False, degrees: Sequence[float] = ()) -> str:
    """What is to be done, in words: "sharpen it and remove the noise". degrees: of each "turn by", in order."""
    said = []
    angles = iter(degrees)
    for repair in repairs:
        lines = REPAIRS[repair][held_out].split("\n")[1:-1]
        words = spell(lines[int(rng.integers(len(lines)))].replace("<image>", "(picture|image|photo|scene)"), rng)
        words = words[0].lower() + words[1:]
        said.append(words.format(degrees=f"{next(angles):g}") if repair == "turn by" else words)
    return " and ".join(said) if rng.random() < 0.7 else ", then ".join(said)


def write_pairs(
    source: PhotoSource, folder: Path, seed: int = 0, limit: int | None = None, done: Callable[[], None] | None = None
) -> int:
    """The examples of a source, as PNG files and the metadata.jsonl that `PairSource` reads, asked for in training words. -> how many.

    done: called after each.
    """
    for name in ("before", "after"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    examples = source.examples("image", seed=seed, limit=limit)
    with open(folder / "metadata.jsonl", "w", encoding="utf-8") as lines:
        for number, example in enumerate(examples):
            name = f"{number:06d}_{Path(str(example.picture)).stem}.png"
            example.question.images[0].pil().save(folder / "before" / name)
            example.answer.images[0].pil().save(folder / "after" / name)
            rng = np.random.default_rng((seed, number))
            words = source.plan(rng).words(rng)
            record = {"input_image": f"before/{name}", "edit_prompt": words, "edited_image": f"after/{name}", "restored": True}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            if done is not None:
                done()
    return len(examples)
