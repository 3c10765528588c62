"""Pictures with labelled boxes, masks or keypoints, whichever file they came from, turned into questions and answers.

Readers of files fill `Picture` records; this class asks. Names carry shapes: N objects, H rows, W columns, K points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from superlens.data import templates
from superlens.data.augment import PLACE_WORDS, Augment, View, mirror_order, see_boxes, see_masks, see_points
from superlens.data.sources import phrases, points
from superlens.data.sources.base import Example, LazyExamples, Source, chosen_tasks
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.rle import decode, to_rles
from superlens.message import Conversation, Image, Keypoints, Message, OutputPart, Text

MOST_NAMES = 12
# Beyond a dozen, people do not count at a glance, and annotators tire: such answers would be noise.
MOST_COUNTED = 12
SHARE_ABSENT = 1 / 3
SHARE_EVERYTHING = 0.25
# Of questions for points, which are about one thing each, where something else is there.
SHARE_POINTLESS = 1 / 6


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a file and what is labelled in it.

    id: the file's. path: where it lies. width, height: pixels, upright.
    classes_N: index into the source's categories. xyxy_N4: pixels. crowd_N: True where the object is to be ignored.
    shapes: COCO `segmentation` of each object (polygons or RLE), or None when the file has none.
    unlabelled: categories (indices) that are there but not labelled: never asked for.
    points: (K, 3) float32 of each object: x, y in pixels and v (0 not labelled, 1 hidden, 2 visible) of its category's points, or None
    when the file has none. area_N: square pixels, as OKS wants them, or None for those of the boxes.
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
    points: tuple[np.ndarray, ...] | None = None
    area_N: np.ndarray | None = None


class AnnotatedSource(Source):
    """Questions about pictures with labelled objects.

    names: the categories as the file has them. tasks: task name -> weight, None for the usual ones (every one that
    the labels allow). semantic: a mask is all pixels of a class, not an object. complete: what is not labelled is
    not there, so that things can be counted and denied. augment: an `Augment`, or None. cache_mb: memory for decoded
    pictures and masks, megabytes. point_names: category (index) -> the names of its points in words, where it has points.
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
        point_names: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = name
        self.names = tuple(names)
        self.pictures = tuple(picture for picture in pictures if len(picture.unlabelled) < len(names))
        self.semantic = semantic
        self.complete = complete
        self.augment = augment
        self.point_names = dict(point_names or {})
        self.has_masks = any(picture.shapes is not None for picture in pictures)
        self.tasks = self._weights(tasks)
        self._cache = ByteCache(cache_mb)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts `examples` can be asked for."""
        if self.semantic:
            return ("masks",)
        return ("boxes", *(["masks"] if self.has_masks else []), *(["keypoints"] if self.point_names else []))

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """One question about picture `index` and its answer; see `Source`. The task is drawn by `tasks`."""
        picture = self.pictures[self._check_index(index)]
        names = list(self.tasks)
        weights = np.array([self.tasks[task] for task in names])
        task = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        if task in ("masks", "panoptic_masks") and picture.shapes is None:
            task = "boxes"
        if task == "panoptic_masks":
            return self._everything(picture, rng)
        if task == "keypoints":
            asked_about = self._about_points(picture, rng)
            # A picture may list all that has points as unlabelled.
            return self._found("boxes", picture, rng) if asked_about is None else self._pointed(asked_about, picture, rng)
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

        Keypoints: every category that has points, one a question, all its points by name. A category that a picture
        lists as unlabelled is asked for nowhere on that picture. limit: number of pictures times questions.
        """
        if part not in self.parts:
            raise ValueError(
                f'{self.name} has no part "{part}" to evaluate; it has {" and ".join(self.parts)}: choose one of these.'
            )
        keys = []
        for index, picture in enumerate(self.pictures):
            if part == "masks" and picture.shapes is None:
                continue
            keys += [(index, chunk) for chunk in self.chunks(part, self.askable(part, picture))]
        return LazyExamples(keys, partial(self._example_at, part, seed), limit)

    def askable(self, part: str, picture: Picture) -> list[int]:
        """The categories (indices) that a picture can be asked for: for "keypoints", those that have points."""
        every = self.point_names if part == "keypoints" else range(len(self.names))
        return [which for which in every if which not in picture.unlabelled]

    def chunks(self, part: str, categories: Sequence[int]) -> list[tuple[int, ...]]:
        """Categories as they go into single questions: at most 12; for "keypoints" one, since each has its own points."""
        size = 1 if part == "keypoints" else MOST_NAMES
        return [tuple(categories[at : at + size]) for at in range(0, len(categories), size)]

    def _example_at(self, part: str, seed: int, key: tuple[int, tuple[int, ...]]) -> Example:
        return self.example(part, *key, seed=seed)

    def example(
        self, part: str, index: int, categories: Sequence[int], seed: int = 0, held_out: bool = True
    ) -> Example:
        """The question for `categories` (indices) on picture `index`, whole and unchanged, and its answer.

        For "keypoints" it is one category, all its points by name.
        """
        picture = self.pictures[index]
        rng = np.random.default_rng((seed, index, categories[0] if len(categories) else 0))
        labels = [phrases.lower(self.names[which]) for which in categories]
        slots = {"names": templates.listing(self.point_names[categories[0]])} if part == "keypoints" else {}
        question = templates.ask(part, rng, held_out=held_out, things=templates.listing(labels), **slots)
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
            usual = {"masks": 0.85, "panoptic_masks": 0.05, "exists": 0.1}
        elif self.has_masks:
            usual = {"boxes": 0.4, "masks": 0.4, "count": 0.1, "exists": 0.1}
        if not self.complete:
            usual = {task: weight for task, weight in usual.items() if task in ("boxes", "masks")}
        if self.point_names:
            usual["keypoints"] = sum(usual.values())
        return chosen_tasks(self.name, usual, tasks)

    def _found(self, task: str, picture: Picture, rng: np.random.Generator) -> Conversation:
        """A boxes or masks conversation, augmented."""
        asked = self._asked(picture, rng)
        labels = self._worded(asked, rng)
        question = templates.ask(task, rng, things=templates.listing(labels))
        pixels, view = self._seen(picture, rng, not any(PLACE_WORDS.search(label) for label in labels))
        answer = self._answer(task, picture, asked, labels, view)
        return Conversation((Message("user", (Image(pixels), Text(question))), answer))

    def _everything(self, picture: Picture, rng: np.random.Generator) -> Conversation:
        """Masks of all classes in sight, things and stuff, which the question does not name; augmented."""
        there = sorted(set(picture.classes_N.tolist()))
        labels = [phrases.lower(self.names[which]) for which in there]
        pixels, view = self._seen(picture, rng, not any(PLACE_WORDS.search(label) for label in labels))
        answer = self._answer("masks", picture, there, labels, view)
        parts = [part for part in answer.masks if part.count]  # a view may leave some of them outside
        if not 0 < len(parts) <= MOST_NAMES or picture.unlabelled:
            return self._found("masks", picture, rng)
        question = templates.ask("panoptic_masks", rng)
        return Conversation((Message("user", (Image(pixels), Text(question))), Message("assistant", listed(parts))))

    def _seen(self, picture: Picture, rng: np.random.Generator, may_flip: bool) -> tuple[np.ndarray, View | None]:
        """The pixels of a random view, and the view; the picture as it is and None without `augment`."""
        pixels = self.pixels(picture)
        if self.augment is None:
            return pixels, None
        view = self.augment.view(pixels.shape[1], pixels.shape[0], rng, may_flip)
        return view.pixels(pixels), view

    def _about_points(self, picture: Picture, rng: np.random.Generator) -> int | None:
        """A category (index) whose points can be asked for, now and then one that is not there; None when there is none."""
        open_to = self.askable("keypoints", picture)
        there = [which for which in open_to if which in picture.classes_N]
        gone = [which for which in open_to if which not in there]
        choices = gone if not there or (gone and rng.random() < SHARE_POINTLESS) else there
        return int(rng.choice(choices)) if choices else None

    def _pointed(self, which: int, picture: Picture, rng: np.random.Generator) -> Conversation:
        """A keypoints conversation about category `which`, augmented: all its points or some, named or not."""
        names = self.point_names[which]
        label = self._worded([which], rng)[0]
        words, asked = points.ask_for(names, rng)
        question = templates.ask("keypoints", rng, things=label, names=words)
        pixels, view = self._seen(picture, rng, mirror_order(names) is not None and not PLACE_WORDS.search(label))
        # All points are mirrored before some are chosen: a left ear becomes a right one.
        whole = self._points(picture, which, label)
        part = points.only(whole if view is None else see_points(view, whole), asked)
        return Conversation((Message("user", (Image(pixels), Text(question))), Message("assistant", listed([part]))))

    def _points(self, picture: Picture, which: int, label: str) -> Keypoints:
        """All points of the objects of category `which`, in pixels of the picture; objects without a labelled one are ignored."""
        objects = np.flatnonzero(picture.classes_N == which)
        names = self.point_names[which]
        xyv_NK3 = np.array([picture.points[at] for at in objects], np.float32).reshape(-1, len(names), 3)
        area_N = None if picture.area_N is None else picture.area_N[objects]
        return points.without_blanks(
            Keypoints(label, names, xyv_NK3, picture.xyxy_N4[objects], area_N, ignore=picture.crowd_N[objects])
        )

    def _asked(self, picture: Picture, rng: np.random.Generator) -> list[int]:
        """1 to 12 categories in random order, about a third of them not there. Of which there is nothing but what is to be ignored, is
        neither there nor not."""
        there = set(picture.classes_N[~picture.crowd_N].tolist()) - picture.unlabelled
        absent = set(range(len(self.names))) - set(picture.classes_N.tolist()) - picture.unlabelled
        if not there and not absent:
            there = set(picture.classes_N.tolist()) - picture.unlabelled
        present, absent = rng.permutation(sorted(there)).tolist(), rng.permutation(sorted(absent)).tolist()
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
        parts: list[OutputPart] = []
        for which, label in zip(categories, labels, strict=True):
            if task == "keypoints":
                parts.append(self._points(picture, which, label))
                continue
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


def listed(parts: Sequence[OutputPart]) -> tuple:
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
