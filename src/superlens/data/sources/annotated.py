"""Pictures with labelled boxes or masks, whichever file they came from, turned into questions and answers.

COCO and VOC readers fill `Picture` records; this class asks. Names carry shapes: N objects, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from superlens.data import templates
from superlens.data.augment import PLACE_WORDS, Augment, View, see_boxes, see_masks
from superlens.data.sources import phrases
from superlens.data.sources.base import Example, LazyExamples, Source
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.rle import decode, to_rles
from superlens.message import Boxes, Conversation, Image, Masks, Message, Text

MOST_NAMES = 12
# Beyond a dozen, people do not count at a glance, and annotators tire: such answers would be noise.
MOST_COUNTED = 12
SHARE_ABSENT = 1 / 3
SHARE_EVERYTHING = 0.25


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a file and what is labelled in it.

    id: the file's. path: where it lies. width, height: pixels, upright.
    classes_N: index into the source's categories. xyxy_N4: pixels. crowd_N: True where the object is to be ignored.
    shapes: COCO `segmentation` of each object (polygons or RLE), or None when the file has none.
    unlabelled: categories (indices) that are there but not labelled: never asked for.
    """

    id: int | str
    path: str
    width: int
    height: int
    classes_N: np.ndarray
    xyxy_N4: np.ndarray
    crowd_N: np.ndarray
    shapes: tuple[Any, ...] | None = None
    unlabelled: frozenset[int] = field(default_factory=frozenset)


class AnnotatedSource(Source):
    """Questions about pictures with labelled objects.

    names: the categories as the file has them. tasks: task name -> weight, None for the usual ones (every one that
    the labels allow). semantic: a mask is all pixels of a class, not an object. complete: what is not labelled is
    not there, so that things can be counted and denied. augment: an `Augment` for boxes and masks, or None.
    cache_mb: memory for decoded pictures and masks, megabytes.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        pictures: Sequence[Picture],
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        semantic: bool = False,
        complete: bool = True,
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.pictures = tuple(picture for picture in pictures if len(picture.unlabelled) < len(names))
        self.semantic = semantic
        self.complete = complete
        self.augment = augment
        self.has_masks = any(picture.shapes is not None for picture in pictures)
        self.tasks = self._weights(tasks)
        self._cache = ByteCache(cache_mb)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts `examples` can be asked for."""
        return ("masks",) if self.semantic else ("boxes", "masks") if self.has_masks else ("boxes",)

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """One question about picture `index` and its answer; see `Source`. The task is drawn by `tasks`."""
        picture = self.pictures[self._check_index(index)]
        names = list(self.tasks)
        weights = np.array([self.tasks[task] for task in names])
        task = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        if task == "masks" and picture.shapes is None:
            task = "boxes"
        if task in ("count", "exists"):
            said = self._question(task, picture, rng)
            if said is not None:
                shown = Image(self.pixels(picture))
                return Conversation((Message("user", (shown, Text(said[0]))), Message("assistant", (Text(said[1]),))))
            # This picture allows no such question: ask where things are instead.
            task = "masks" if self.semantic else "boxes"
        return self._found(task, picture, rng)

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """Every category of the file on every picture, at most 12 names a question; see `Source`.

        A category that a picture lists as unlabelled is asked for nowhere on that picture. limit: number of pictures
        times questions.
        """
        if part not in self.parts:
            raise ValueError(
                f'{self.name} has no part "{part}" to evaluate; it has {" and ".join(self.parts)}: choose one of these.'
            )
        keys = []
        for index, picture in enumerate(self.pictures):
            if part == "masks" and picture.shapes is None:
                continue
            asked = [which for which in range(len(self.names)) if which not in picture.unlabelled]
            keys += [(index, tuple(asked[at : at + MOST_NAMES])) for at in range(0, len(asked), MOST_NAMES)]
        return LazyExamples(keys, partial(self._example_at, part, seed), limit)

    def _example_at(self, part: str, seed: int, key: tuple[int, tuple[int, ...]]) -> Example:
        return self.example(part, *key, seed=seed)

    def example(
        self, part: str, index: int, categories: Sequence[int], seed: int = 0, held_out: bool = True
    ) -> Example:
        """The question for `categories` (indices) on picture `index`, whole and unchanged, and its answer."""
        picture = self.pictures[index]
        rng = np.random.default_rng((seed, index, categories[0] if len(categories) else 0))
        labels = [phrases.lower(self.names[which]) for which in categories]
        question = templates.ask(part, rng, held_out=held_out, things=templates.listing(labels))
        shown = Image(picture.path, size=(picture.width, picture.height))
        answer = self._answer(part, picture, categories, labels, None)
        return Example(Conversation((Message("user", (shown, Text(question))),)), answer, picture.id, part)

    def pixels(self, picture: Picture) -> np.ndarray:
        """Decoded picture, kept in the cache: uint8 (H, W, 3), or (H, W) where all channels agree."""
        return self._cache.get(("pixels", picture.id), partial(read_pixels, picture))

    def masks(self, picture: Picture, which: np.ndarray) -> np.ndarray:
        """Masks (n, H, W) bool of the objects `which` (indices) of a picture with `shapes`."""
        size = (picture.height, picture.width)
        if self.semantic:
            labels_HW = self._cache.get(("labels", picture.id), partial(self._label_map, picture))
            if labels_HW is not None:
                return np.stack([labels_HW == at for at in which]) if len(which) else np.zeros((0, *size), bool)
        rles = self._cache.get(("rles", picture.id), partial(to_rles, picture.shapes, *size))
        return decode([rles[at] for at in which], *size)

    def _weights(self, tasks: dict[str, float] | None) -> dict[str, float]:
        usual = {"boxes": 0.8, "count": 0.1, "exists": 0.1}
        if self.semantic:
            usual = {"masks": 0.9, "exists": 0.1}
        elif self.has_masks:
            usual = {"boxes": 0.4, "masks": 0.4, "count": 0.1, "exists": 0.1}
        if not self.complete:
            usual = {task: weight for task, weight in usual.items() if task in ("boxes", "masks")}
        if tasks is None:
            return usual
        for task, weight in tasks.items():
            if task not in usual:
                raise ValueError(f'{self.name} can not teach the task "{task}"; it has labels for {", ".join(usual)}.')
            if not weight >= 0:
                raise ValueError(f'Got the weight {weight} for the task "{task}"; expected 0 or more.')
        chosen = {task: float(weight) for task, weight in tasks.items() if weight > 0}
        if not chosen:
            raise ValueError(f"No task of {self.name} has a weight above 0; give one to at least one of {list(usual)}.")
        return chosen

    def _found(self, task: str, picture: Picture, rng: np.random.Generator) -> Conversation:
        """A boxes or masks conversation, augmented."""
        asked = self._asked(picture, rng)
        labels = self._worded(asked, rng)
        question = templates.ask(task, rng, things=templates.listing(labels))
        pixels = self.pixels(picture)
        view = None
        if self.augment is not None:
            may_flip = not any(PLACE_WORDS.search(label) for label in labels)
            view = self.augment.view(pixels.shape[1], pixels.shape[0], rng, may_flip)
            pixels = view.pixels(pixels)
        answer = self._answer(task, picture, asked, labels, view)
        return Conversation((Message("user", (Image(pixels), Text(question))), answer))

    def _asked(self, picture: Picture, rng: np.random.Generator) -> list[int]:
        """1 to 12 categories in random order, about a third of them not there."""
        there = set(picture.classes_N.tolist()) - picture.unlabelled
        present = rng.permutation(sorted(there)).tolist()
        absent = rng.permutation(sorted(set(range(len(self.names))) - there - picture.unlabelled)).tolist()
        if rng.random() < SHARE_EVERYTHING:
            # As evaluation asks: whatever the file knows, there or not.
            return rng.permutation(present + absent)[:MOST_NAMES].tolist()
        count = int(rng.integers(1, min(MOST_NAMES, len(present) + len(absent)) + 1))
        negatives = min(int(rng.binomial(count, SHARE_ABSENT)), len(absent))
        positives = min(count - negatives, len(present))
        if positives + negatives == 0:
            negatives = 1
        return rng.permutation(present[:positives] + absent[:negatives]).tolist()

    def _worded(self, asked: Sequence[int], rng: np.random.Generator) -> list[str]:
        """A phrase for each category, no two alike."""
        labels: list[str] = []
        for which in asked:
            phrase = phrases.vary(self.names[which], rng)
            if phrase.lower() in (label.lower() for label in labels):
                phrase = phrases.lower(self.names[which])
            labels.append(phrase)
        return labels

    def _answer(
        self, task: str, picture: Picture, categories: Sequence[int], labels: Sequence[str], view: View | None
    ) -> Message:
        parts: list[Boxes | Masks] = []
        for which, label in zip(categories, labels, strict=True):
            objects = np.flatnonzero(picture.classes_N == which)
            ignore_N = picture.crowd_N[objects]
            if task == "masks":
                masks = self.masks(picture, objects)
                if self.semantic and len(masks) > 1:
                    masks, ignore_N = masks.any(0, keepdims=True), np.zeros(1, bool)
                parts.append(see_masks(view, label, masks, ignore_N, whole=not self.semantic))
            else:
                parts.append(see_boxes(view, label, picture.xyxy_N4[objects], ignore_N))
        return Message("assistant", listed(parts))

    def _question(self, task: str, picture: Picture, rng: np.random.Generator) -> tuple[str, str] | None:
        """(question, answer) of a count or exists question, or None when this picture allows none."""
        crowded = set(picture.classes_N[picture.crowd_N].tolist())
        counts = np.bincount(picture.classes_N, minlength=len(self.names))
        open_to = [at for at in range(len(self.names)) if at not in picture.unlabelled and at not in crowded]
        if task == "count":
            countable = [at for at in open_to if 0 < counts[at] <= MOST_COUNTED]
            if not countable:
                return None
            which = int(rng.choice(countable))
            return templates.ask("count", rng, things=phrases.many(self.names[which])), f"{counts[which]}."
        there = [at for at in open_to if counts[at]]
        gone = [at for at in open_to if not counts[at]]
        yes = bool(rng.random() < 0.5)
        choices = there if yes else gone
        if not choices:
            return None
        thing = phrases.some(self.names[int(rng.choice(choices))])
        return templates.ask("exists", rng, thing=thing), "Yes." if yes else "No."

    def _label_map(self, picture: Picture) -> np.ndarray | None:
        """(H, W) map of object indices, the largest value where nothing is; None when objects overlap."""
        masks_NHW = decode(to_rles(picture.shapes, picture.height, picture.width), picture.height, picture.width)
        kind = np.uint8 if len(masks_NHW) < 255 else np.uint16
        labels_HW = np.full((picture.height, picture.width), np.iinfo(kind).max, kind)
        for at, mask_HW in enumerate(masks_NHW):
            labels_HW[mask_HW] = at
        alone = sum(int((labels_HW == at).sum()) for at in range(len(masks_NHW)))
        return labels_HW if alone == int(masks_NHW.sum()) else None


def listed(parts: Sequence[Boxes | Masks]) -> tuple:
    """Parts with the words between them: "a, b and c."."""
    content: list = []
    for at, part in enumerate(parts):
        if at:
            content.append(Text(" and " if at == len(parts) - 1 else ", "))
        content.append(part)
    return (*content, Text("."))


def read_pixels(picture: Picture) -> np.ndarray:
    """Decoded picture: uint8 (H, W, 3), or (H, W) where all channels agree. ValueError: unreadable or of other size."""
    pixels = Image(picture.path, size=(picture.width, picture.height)).pixels
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
        # Grey pictures (circuit boards) take a third of the memory.
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
