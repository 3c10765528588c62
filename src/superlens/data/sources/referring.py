"""Referring expressions of files: "the woman in red" -> her box or mask; also questions whose answer is a thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import numpy as np

from superlens.data import templates
from superlens.data.augment import PLACE_WORDS, Augment, View, see_boxes, see_masks
from superlens.data.sources.annotated import read_pixels
from superlens.data.sources.base import Example, LazyExamples, Source, chosen_tasks, refuse
from superlens.data.sources.cache import ByteCache
from superlens.data.sources.refer_files import Referred, Referring, read_reasonseg, read_refcoco
from superlens.data.sources.rle import decode, to_rles
from superlens.message import Boxes, Conversation, Image, Masks, Message, Text

ANSWER = "it"  # the label of what a question means without naming it


class ReferringSource(Source):
    """Expressions and what they mean: one thing, several, or (gRefCOCO) none.

    path: RefCOCO's refs (pickle) or gRefCOCO's (JSON) beside COCO's instances.json, or a ReasonSeg folder. tasks: {task: weight} of
    refer_boxes, refer_masks, reason_boxes, reason_masks; default all that the labels allow. augment, cache_mb, root: as usual.
    split: only the refs of this split; by default a file with splits trains on "train" and is evaluated on "val".
    The label of an answer is the expression; of a question's answer, "it".
    Raises ValueError with one sentence when the file has broken records or no such split.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        tasks: dict[str, float] | None = None,
        augment: Augment | None = None,
        cache_mb: float = 600,
        root: str | os.PathLike | None = None,
        split: str | None = None,
    ) -> None:
        content = read_referring(path, root)
        refuse(str(path), content.problems)
        self.name, self.pictures, self.augment = str(path), content.pictures, augment
        splits = {one.split for one in content.referred}
        if split is not None and split not in splits:
            raise ValueError(f"{path} has no split '{split}'; it has {', '.join(sorted(splits - {''})) or 'none'}.")
        self.learned = self._of(content.referred, split or ("train" if "train" in splits else None))
        self.measured = self._of(content.referred, split or ("val" if "val" in splits else None))
        if not content.referred:
            raise ValueError(f"{path} has no expressions, so there is nothing to ask.")
        self.has_masks = all(self.pictures[one.picture].shapes is not None for one in content.referred if one.objects)
        self.tasks = self._weights(tasks, content.referred)
        self._cache = ByteCache(cache_mb)

    @staticmethod
    def _of(referred: Sequence[Referred], split: str | None) -> list[Referred]:
        return [one for one in referred if split is None or one.split == split]

    def _weights(self, tasks: dict[str, float] | None, referred: Sequence[Referred]) -> dict[str, float]:
        kinds = [kind for kind, asks in (("refer", False), ("reason", True)) if any(one.asks == asks for one in referred)]
        known = [f"{kind}_{part}" for kind in kinds for part in (("boxes", "masks") if self.has_masks else ("boxes",))]
        return chosen_tasks(self.name, dict.fromkeys(known, 1.0), tasks)

    def __len__(self) -> int:
        return len(self.learned)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts `examples` can be asked for."""
        return ("boxes", "masks") if self.has_masks else ("boxes",)

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """One of the expressions of ref `index`, and what it means; see `Source`. The kind of answer is drawn by `tasks`."""
        one = self.learned[self._check_index(index)]
        weights = {task: weight for task, weight in self.tasks.items() if task.startswith(_kind(one))} or self.tasks
        chances = np.array(list(weights.values()))
        part = list(weights)[int(rng.choice(len(weights), p=chances / chances.sum()))].partition("_")[2]
        words = one.sentences[int(rng.integers(len(one.sentences)))]
        picture = self.pictures[one.picture]
        pixels = self._cache.get(("pixels", picture.id), partial(read_pixels, picture))
        view = None
        if self.augment is not None:
            view = self.augment.view(pixels.shape[1], pixels.shape[0], rng, not PLACE_WORDS.search(words))
            pixels = view.pixels(pixels)
        question = _question(one, part, words, rng, held_out=False)
        answer = Message("assistant", (self._part(one, part, words, view), Text(".")))
        return Conversation((Message("user", (Image(pixels), Text(question))), answer))

    def examples(self, part: str, seed: int = 0, limit: int | None = None) -> Sequence[Example]:
        """One question for every expression, pictures whole; see `Source`."""
        if part not in self.parts:
            raise ValueError(f'{self.name} has no part "{part}" to evaluate; it has {" and ".join(self.parts)}: choose one of these.')
        keys = [(index, which) for index, one in enumerate(self.measured) for which in range(len(one.sentences))]
        return LazyExamples(keys, partial(self._example, part, seed), limit)

    def _example(self, part: str, seed: int, key: tuple[int, int]) -> Example:
        one = self.measured[key[0]]
        picture, words = self.pictures[one.picture], one.sentences[key[1]]
        question = _question(one, part, words, np.random.default_rng((seed, *key)), held_out=True)
        shown = Image(picture.path, size=(picture.width, picture.height))
        answer = Message("assistant", (self._part(one, part, words, None), Text(".")))
        return Example(Conversation((Message("user", (shown, Text(question))),)), answer, picture.id, f"{_kind(one)}_{part}")

    def _part(self, one: Referred, kind: str, words: str, view: View | None) -> Boxes | Masks:
        """What is meant, in pixels of the view; what the file says to ignore is marked so."""
        picture = self.pictures[one.picture]
        label = ANSWER if one.asks else words
        which = np.array([*one.objects, *(np.flatnonzero(picture.crowd_N) if one.asks else ())], int)
        ignore_N = picture.crowd_N[which]
        if kind == "boxes":
            return see_boxes(view, label, picture.xyxy_N4[which], ignore_N if ignore_N.any() else None)
        size = (picture.height, picture.width)
        shapes = picture.shapes or ()
        masks_NHW = decode(to_rles([shapes[at] for at in which], *size), *size)
        return see_masks(view, label, masks_NHW, ignore_N if ignore_N.any() else None)


def _kind(one: Referred) -> str:
    return "reason" if one.asks else "refer"


def _question(one: Referred, part: str, words: str, rng: np.random.Generator, held_out: bool) -> str:
    slots = {"question": words.rstrip(" .?!")} if one.asks else {"thing": words}
    return templates.ask(f"{_kind(one)}_{part}", rng, held_out, **slots)


def read_referring(path: str | os.PathLike, root: str | os.PathLike | None = None) -> Referring:
    """A folder of ReasonSeg, or a file of refs."""
    return read_reasonseg(path, root) if os.path.isdir(path) else read_refcoco(path, root)
