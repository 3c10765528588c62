"""The drawn world as a data source: endless scenes with exact answers for every task."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from superlens.data.sources.base import Example, LazyExamples, Source
from superlens.data.templates import part_of
from superlens.data.wordings_pictures import PICTURE_TASKS as NEW_PICTURES
from superlens.data.world import questions
from superlens.data.world.clips import TASKS as HAPPENING
from superlens.data.world.clips import clip_talk
from superlens.data.world.context import TASKS as IN_CONTEXT
from superlens.data.world.context import context_talk
from superlens.data.world.edits import TASK as EDITING
from superlens.data.world.edits import edit_talk
from superlens.data.world.expressions import refer_turn
from superlens.data.world.figure_turns import figure_list_turn, keypoints_turn
from superlens.data.world.figures import FigureScene, draw_figures
from superlens.data.world.follow import TASKS as FOLLOWING
from superlens.data.world.follow import follow_turn, shuffled
from superlens.data.world.grounded import caption_turn, count_boxes_turn, panoptic_turn
from superlens.data.world.pictures import picture_talk
from superlens.data.world.pointing import like_boxes_turn, region_masks_turn, region_text_turn
from superlens.data.world.reasoning import reason_turn
from superlens.data.world.scene import ALL_PAIRS, BASE, TRAIN_PAIRS, Scene, draw_scene
from superlens.data.world.turns import Setting, Turn, echo_marked_turn, echo_turn, list_turn
from superlens.message import REGION_KINDS, Conversation, Image, Message

SPLITS = ("train", "val")
TEXT_TASKS = ("count", "colour", "exists", "relation")
MORE_TEXT = ("describe", "caption", "place", "side")
# How often each task is asked, before the caller says otherwise: reading the picture is the slow part to learn.
# Keypoints, words that carry boxes or masks, what is pointed at, what goes on from an answer, examples in context, and pictures that
# are drawn or changed are asked for by those who train a model for them.
WEIGHTS: Mapping[str, float] = {
    "boxes": 3.0, "masks": 2.5, "refer_boxes": 1.2, "refer_masks": 0.8, "reason_boxes": 0.6, "reason_masks": 0.4,
    "describe": 2.0, "caption": 0.5, "count": 1.0, "colour": 1.0, "exists": 1.0, "relation": 0.8,
    "place": 0.5, "side": 0.5, "echo": 0.0, "echo_marked": 0.0, "keypoints": 0.0,
    "caption_boxes": 0.0, "caption_masks": 0.0, "count_boxes": 0.0, "panoptic_masks": 0.0,
    "region_text": 0.0, "region_masks": 0.0, "like_boxes": 0.0,
    **dict.fromkeys((*FOLLOWING, *IN_CONTEXT, *NEW_PICTURES, EDITING, *HAPPENING), 0.0),
}
# What validation asks of a part.
PART_TASKS: Mapping[str, Mapping[str, float]] = {
    "boxes": {"boxes": 0.6, "refer_boxes": 0.25, "reason_boxes": 0.15},
    "masks": {"masks": 0.6, "refer_masks": 0.25, "reason_masks": 0.15},
    "keypoints": {"keypoints": 1.0},
    "text": dict.fromkeys(TEXT_TASKS, 0.25),
    "image": dict.fromkeys(NEW_PICTURES, 1 / len(NEW_PICTURES)),
    "moments": {"moments": 1.0},
}
_IN_TURN = ("text", "image")  # parts whose tasks are asked in equal shares
_Maker = Callable[[Scene, np.random.Generator, Setting], Turn | None]
_MAKERS: Mapping[str, _Maker] = {
    **{task: functools.partial(list_turn, task) for task in ("boxes", "masks")},
    **{task: functools.partial(refer_turn, task) for task in ("refer_boxes", "refer_masks")},
    **{task: functools.partial(reason_turn, task) for task in ("reason_boxes", "reason_masks")},
    **{task: getattr(questions, task) for task in (*MORE_TEXT, *TEXT_TASKS)},
    "echo": echo_turn,
    "echo_marked": echo_marked_turn,
    "keypoints": keypoints_turn,
    "region_text": region_text_turn,
    "region_masks": region_masks_turn,
    "like_boxes": like_boxes_turn,
    **{task: functools.partial(caption_turn, task) for task in ("caption_boxes", "caption_masks")},
    "count_boxes": count_boxes_turn,
    "panoptic_masks": panoptic_turn,
}
# What can be asked about a scene with figures.
_FIGURE_MAKERS: Mapping[str, _Maker] = {
    **{task: functools.partial(figure_list_turn, task) for task in ("boxes", "masks")},
    "keypoints": keypoints_turn,
}
# Conversations of one question with pictures of their own, or none.
_Talk = Callable[[str, np.random.Generator, int, Setting], tuple[Conversation, Turn]]
_TALKS: Mapping[str, _Talk] = {
    **dict.fromkeys(IN_CONTEXT, context_talk), **dict.fromkeys(NEW_PICTURES, picture_talk), EDITING: edit_talk,
    **dict.fromkeys(HAPPENING, clip_talk),
}
# Share of the figures in training that face the viewer, beside those that happen to, as people in photographs mostly do. Where
# bodies are seen from behind as often, neither left and right are learned before faces are, nor faces before left and right.
FACING_US = 0.5
_TRIES = 200
_EXAMPLES = 500


class World(Source):
    """Drawn scenes, asked about in words: an endless source that needs no files.

    split: "train" or "val"; no scene of one is ever drawn by the other, whatever the seeds, and pairs of shape and
    colour in `HELD_OUT_PAIRS` are drawn in "val" only. Persons and dogs are drawn where a conversation starts with the
    task "keypoints", and nowhere else. seed: whole number >= 0. size: side of the square pictures,
    96 to 320 pixels; things grow with it. tasks: {task: weight}, default `WEIGHTS`. turns: least and most questions in
    a conversation. length: what `len` says. regions: the kinds of `Region` that things are pointed at with.
    Raises ValueError for an unknown split, task or kind, weights that are negative or all zero, or numbers out of range.
    """

    name = "world"

    def __init__(self, split: str = "train", seed: int = 0, size: int = BASE, tasks: Mapping[str, float] | None = None,
                 turns: tuple[int, int] = (1, 4), length: int = 1_000_000, regions: Sequence[str] = REGION_KINDS) -> None:
        if split not in SPLITS:
            raise ValueError(f'Got the split "{split}" for the drawn world; expected "train" or "val".')
        if not 96 <= size <= 320:
            raise ValueError(f"Got pictures of {size} pixels for the drawn world; expected 96 to 320.")
        if not 1 <= turns[0] <= turns[1]:
            raise ValueError(f"Got {turns} turns in a conversation; expected least and most, at least 1.")
        if length < 1 or seed < 0:
            raise ValueError(f"Got the length {length} and the seed {seed}; expected at least 1 and at least 0.")
        self.split, self.seed, self.size, self.length = split, int(seed), int(size), int(length)
        if not regions or not set(regions) <= set(REGION_KINDS):
            raise ValueError(f"Got regions of the kinds {list(regions)}; expected some of {', '.join(REGION_KINDS)}.")
        self.turns, self.regions = (int(turns[0]), int(turns[1])), tuple(regions)
        self.tasks = _checked(WEIGHTS if tasks is None else tasks)

    def __len__(self) -> int:
        return self.length

    def conversation(self, index: int, rng: np.random.Generator) -> Conversation:
        """One scene and 1-4 questions about it with their answers; a pure function of (index, state of rng).

        Every question can be understood without those before it, but for those of the tasks "follow_...", which go on from
        the answer before. The picture, (size, size, 3) uint8, stands in the first user message. Of the tasks "context_..." there
        is one question, with two pictures; so there is of those for pictures, with none ("edit_image": one), and the answer is one.
        Those of "moments", "happens" and "timeline" are about one video, (F, size, size, 3) at 4 frames a second, which is a pure
        function of the index.
        """
        index = self._check_index(index)
        own = self._generator(index, int(rng.integers(2**62)))
        setting = Setting(held_out=False, pairs=self._pairs, regions=self.regions)
        wanted = int(own.integers(self.turns[0], self.turns[1] + 1))
        alone = {task: weight for task, weight in self.tasks.items() if task not in FOLLOWING}
        task = _draw(alone, own)
        if task in HAPPENING:
            return self._clip(index, task, wanted, own, setting)
        if task in _TALKS:
            question, turn = _TALKS[task](task, own, self.size, setting)
            return Conversation((*question.messages, turn.answer))
        scene, first = self._scene_for(task, own, setting)
        turns = [first]
        for _ in range(3 * wanted):
            if len(turns) == wanted:
                break
            task = _draw(self.tasks, own)
            if task in FOLLOWING and isinstance(scene, FigureScene):
                continue
            if task in FOLLOWING:
                turns[-1] = shuffled(turns[-1], own)
                turn = follow_turn(task, scene, own, setting, turns[-1])
            else:
                turn = _turn(task, scene, own, setting)
            if turn is not None and all(turn.question != other.question for other in turns):
                turns.append(turn)
        return _conversation(scene, turns)

    def _clip(self, index: int, task: str, wanted: int, rng: np.random.Generator, setting: Setting) -> Conversation:
        # A clip is its index's, whatever is asked: what is costly to look at can be looked at again.
        setting = replace(setting, scenes=self._generator(index))
        about_clips = {name: weight for name, weight in self.tasks.items() if name in HAPPENING}
        more = [_draw(about_clips, rng) for _ in range(wanted - 1)]
        question, turn = clip_talk(task, rng, self.size, setting, more)
        return Conversation((*question.messages, turn.answer))

    def examples(self, part: str, seed: int = 0, limit: int | None = None,
                 task: str | None = None) -> Sequence[Example]:
        """Evaluation items: scenes of the validation split, one question each, in wordings never used in training.

        part: "boxes" and "masks" mix lists of names (a quarter of them absent), referring and reasoning; "keypoints"
        asks for all 17 points of persons; "text" is counts, colours, existence and relations in equal shares, "image" the tasks
        for new pictures. task: only this one, which may be one that is not mixed in ("describe", "caption", "place", "side" and
        "region_text" of "text", "region_masks", "like_boxes", "context_boxes", "edit_image" ...). limit: how many, default 500.
        Item i is a pure function of (seed, i); `split` and the source's own seed play no part, so a training source names the
        same examples.
        Raises ValueError for an unknown part or task.
        """
        if part not in PART_TASKS:
            raise ValueError(f'Got the part "{part}" of the drawn world; expected one of {", ".join(PART_TASKS)}.')
        allowed = sorted(name for name in (*_MAKERS, *_TALKS) if part_of(name) == part)
        if task is not None and task not in allowed:
            raise ValueError(f'Got the task "{task}" for the part "{part}"; expected one of {", ".join(allowed)}.')
        tasks = _checked(PART_TASKS[part] if task is None else {task: 1.0})
        val = World("val", seed=seed, size=self.size)
        label = zlib.crc32(f"{part} {task or ''}".encode())
        make = functools.partial(val._example, tasks, label, part in _IN_TURN and task is None)
        return LazyExamples(range(_EXAMPLES if limit is None else limit), make)

    @property
    def _pairs(self) -> frozenset[tuple[str, str]]:
        return TRAIN_PAIRS if self.split == "train" else ALL_PAIRS

    def _generator(self, *keys: int) -> np.random.Generator:
        """Random numbers of this split only: its name is part of what seeds them."""
        return np.random.default_rng([zlib.crc32(f"superlens world {self.split}".encode()), self.seed, *keys])

    def _scene_for(self, task: str, rng: np.random.Generator, setting: Setting) -> tuple[Scene, Turn]:
        """Draw scenes until one allows a sure question of this task: so tasks come as often as their weights say."""
        for _ in range(_TRIES):
            if task == "keypoints":
                scene = draw_figures(rng, self.size, setting.pairs, 0.0 if setting.held_out else FACING_US)
            else:
                scene = draw_scene(rng, self.size, setting.pairs)
            turn = _turn(task, scene, rng, setting)
            if turn is not None:
                return scene, turn
        raise AssertionError(f"no scene for {task} in {_TRIES} draws")

    def _example(self, tasks: Mapping[str, float], label: int, in_turn: bool, index: int) -> Example:
        own = self._generator(label, index)
        task = tuple(tasks)[index % len(tasks)] if in_turn else _draw(tasks, own)
        setting = Setting(held_out=True, pairs=ALL_PAIRS, regions=self.regions)
        if task in _TALKS:
            question, turn = _TALKS[task](task, own, self.size, setting)
            return Example(question, turn.answer, index, task, turn.facts)
        scene, turn = self._scene_for(task, own, setting)
        question = Conversation((Message("user", (Image(scene.picture), *turn.asked)),))
        return Example(question, turn.answer, index, task)


def _checked(tasks: Mapping[str, float]) -> dict[str, float]:
    unknown = [task for task in tasks if task not in (*_MAKERS, *FOLLOWING, *_TALKS)]
    if unknown:
        raise ValueError(f'Got the task "{unknown[0]}" for the drawn world; expected one of {", ".join((*_MAKERS, *_TALKS))}.')
    if any(weight < 0 for weight in tasks.values()) or not sum(tasks.values()) > 0:
        raise ValueError(f"Got the weights {dict(tasks)}; expected numbers >= 0, not all zero.")
    if not any(weight for task, weight in tasks.items() if task not in FOLLOWING):
        raise ValueError(f"Got only tasks that go on from an answer ({', '.join(tasks)}); add one to start with, such as boxes.")
    return {task: float(weight) for task, weight in tasks.items() if weight > 0}


def _draw(tasks: Mapping[str, float], rng: np.random.Generator) -> str:
    edges = np.cumsum(list(tasks.values()))
    place = int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))
    return tuple(tasks)[min(place, len(tasks) - 1)]


def _turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """A question of this task about the scene; None when it allows none that is sure."""
    # The tasks of `_TALKS` have their own pictures: they are no further question about this one.
    make = (_FIGURE_MAKERS if isinstance(scene, FigureScene) else _MAKERS).get(task)
    return None if make is None else make(scene, rng, setting)


def _conversation(scene: Scene, turns: Sequence[Turn]) -> Conversation:
    messages = []
    for place, turn in enumerate(turns):
        messages.append(Message("user", (Image(scene.picture), *turn.taught) if place == 0 else turn.taught))
        messages.append(turn.answer)
    return Conversation(tuple(messages))
