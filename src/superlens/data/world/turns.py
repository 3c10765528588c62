"""One question about a scene and its exact answer: the shape all tasks share, and the answers made of parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from superlens.data.templates import ask, listing
from superlens.data.world.kinds import Kind, Pairs, absent_kind, loosen, noun, pick, present_kinds
from superlens.data.world.scene import Scene
from superlens.mention import Mention
from superlens.message import REGION_KINDS, Boxes, Masks, Message, Part, Region, Text

ABSENT = 0.28
POINTED = "\ufffc"  # stands in a question's words for a region
MOST_NAMES = 6
MOST_NUMBERS = 16  # in all marks of an answer, about
SIGNS = ("#", "*", "@", "%", "+", "~", "=", "/", "&")
BRACKETS = (("[", "]"), ("(", ")"), ("<", ">"), ("", ""))


# What tells a name from others, the name in words, and the things it fits.
_Name = tuple[object, str, list[int]]

# Phrases of a question, where what they name lies, and the longer phrase of the same that each stands in ("": in none).
About = tuple[tuple[str, Boxes, str], ...]


@dataclass(frozen=True)
class Turn:
    """A question in words and the message that answers it. The regions stand where the question has `POINTED`, in order.

    `facts`: as in `Example`.
    """

    task: str
    question: str
    answer: Message
    regions: tuple[Region, ...] = ()
    about: About = ()
    facts: object = None

    @property
    def taught(self) -> tuple[Part, ...]:
        """The question as parts, with what its words mention: for training alone."""
        return self.asked if self.regions else (mentioning(self.question, self.about),)

    @property
    def asked(self) -> tuple[Part, ...]:
        """The question as parts."""
        words = self.question.split(POINTED)
        parts: list[Part] = [Text(words[0])]
        for region, text in zip(self.regions, words[1:], strict=True):
            parts += [region, Text(text)]
        return tuple(part for part in parts if not isinstance(part, Text) or part.text)


@dataclass(frozen=True)
class Setting:
    """How to ask: in held-out wordings (for evaluation) or not, and which pairs of shape and colour may be named. scenes: what clips
    are drawn with, where they are not to depend on what else is drawn. regions: the kinds that things are pointed at with."""

    held_out: bool
    pairs: Pairs
    scenes: np.random.Generator | None = None
    regions: tuple[str, ...] = REGION_KINDS


def mentioning(text: str, about: About) -> Text:
    """Words with what they mention: of each phrase the first place where it stands by itself."""
    spans = {"": (0, len(text))}
    mentions: list[Mention] = []
    for words, part, within in sorted(about, key=lambda named: -len(named[0])):
        known = [spans[other] for other, _, beside in about if other in spans and beside == within]
        for match in re.compile(rf"\b{re.escape(words)}\b", re.IGNORECASE).finditer(text, *spans[within]):
            if all(match.end() <= start or end <= match.start() for start, end in known):  # not the "thing" of "red thing"
                spans[words] = match.span()
                mentions.append(Mention(*match.span(), part.xyxy, part.image))
                break
    return Text(text, tuple(mentions))


def say(
    task: str,
    words: str,
    rng: np.random.Generator,
    setting: Setting,
    regions: tuple[Region, ...] = (),
    about: About = (),
    **slots: str,
) -> Turn:
    """A turn answered in words."""
    return Turn(task, ask(task, rng, setting.held_out, **slots), Message("assistant", (Text(words),)), regions, about)


def mentioned(scene: Scene, names: Mapping[str, Sequence[int]], within: str = "") -> About:
    """Phrases and the things they name (by index; none where there is no such thing), for `Turn.about`."""
    return tuple((words, part_of(scene, words, indices, masks=False), within) for words, indices in names.items())


def part_of(scene: Scene, label: str, indices: Sequence[int], masks: bool) -> Boxes | Masks:
    """The boxes or masks of some objects of a scene, under one label; `ignore` marks those seen too little."""
    things = [scene.objects[index] for index in indices]
    ignore = None if all(thing.clear for thing in things) else np.array([not thing.clear for thing in things])
    if masks:
        side = scene.picture.shape[0]
        masks_NHW = np.zeros((len(things), side, side), dtype=bool)
        for row, index in enumerate(indices):
            masks_NHW[row] = scene.mask(index)
        return Masks(label, masks_NHW, ignore=ignore)
    xyxy_N4 = np.array([thing.box for thing in things], dtype=np.float32).reshape(-1, 4)
    return Boxes(label, xyxy_N4, ignore=ignore)


def joined(parts: Sequence[Boxes | Masks]) -> Message:
    """Parts as a sentence: "a, b and c."."""
    content: list = []
    for place, part in enumerate(parts):
        if place:
            content.append(Text(" and " if place == len(parts) - 1 else ", "))
        content.append(part)
    return Message("assistant", (*content, Text(".")))


def _phrase(kind: Kind, rng: np.random.Generator) -> str:
    return kind.words(many=rng.random() < 0.5, anything="thing" if rng.random() < 0.5 else "object")


def _present(scene: Scene, rng: np.random.Generator) -> _Name | None:
    """A name of something there: (what tells it from others, phrase, indices); None when only faint things match."""
    clear = [thing for thing in scene.things if thing.clear]
    if not clear:
        return None
    kind = loosen(pick(rng, clear), rng)
    return kind, _phrase(kind, rng), kind.find(scene)


def _absent(scene: Scene, rng: np.random.Generator, pairs: Pairs) -> _Name | None:
    """A name of something that is not there, of this world or of the real one."""
    if rng.random() < 0.5:
        words = noun(rng)
        return words, words, []
    kind = absent_kind(scene, rng, pairs)
    return None if kind is None else (kind, _phrase(kind, rng), [])


def _names(scene: Scene, rng: np.random.Generator, setting: Setting) -> list[tuple[str, list[int]]]:
    """1-6 names, about a quarter of them absent, no two meaning the same."""
    wanted = 1 + int(rng.integers(MOST_NAMES) if rng.random() < 0.7 else 0)
    chosen: dict[object, tuple[str, list[int]]] = {}
    for _ in range(wanted):
        for _ in range(4):
            name = _absent(scene, rng, setting.pairs) if rng.random() < ABSENT else _present(scene, rng)
            if name is not None and name[0] not in chosen:
                chosen[name[0]] = (name[1], name[2])
                break
    return list(chosen.values())


def _all_kinds(scene: Scene, rng: np.random.Generator, setting: Setting) -> list[tuple[str, list[int]]]:
    """Every kind of the scene, left to right; now and then by shape alone, or with some that are absent in between."""
    kinds = present_kinds(scene)
    if rng.random() < 0.2:
        kinds = list(dict.fromkeys(Kind(kind.shape) for kind in kinds))
    found = [(kind, kind.find(scene)) for kind in kinds]
    names = [(kind.words(many=len(indices) > 1), indices) for kind, indices in found]
    if rng.random() < 0.5:
        for _ in range(1 + int(rng.integers(3))):
            absent = _absent(scene, rng, setting.pairs)
            if absent is not None and absent[1] not in [words for words, _ in names]:
                names.insert(int(rng.integers(len(names) + 1)), absent[1:])
    return names


def list_turn(task: str, scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Boxes or masks of the things that go by one to six names, or of every kind there is."""
    dense = not setting.held_out and rng.random() < 0.25
    names = _all_kinds(scene, rng, setting) if dense else _names(scene, rng, setting)
    if not names:
        return None
    question = ask(task, rng, setting.held_out, things=listing([words for words, _ in names]))
    parts = [part_of(scene, words, indices, task == "masks") for words, indices in names]
    return Turn(task, question, joined(parts), about=mentioned(scene, dict(names)))


def echo_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """What is to be said back, word for word: names of things that are there and of others."""
    return _said_back("echo", scene, rng, setting, _names(scene, rng, setting))


def echo_marked_turn(scene: Scene, rng: np.random.Generator, setting: Setting) -> Turn | None:
    """Names to be said back with a mark behind each, such as "[12, 407]": what was named last then stands some way back.

    Answers with boxes are written so: each name, what stands for its boxes, the next name. Marks here mean nothing.
    """
    names = _names(scene, rng, setting)
    mark = _mark(rng, 1 + MOST_NUMBERS // max(1, len(names)))
    return _said_back("echo_marked", scene, rng, setting, names, mark=mark)


def _said_back(task: str, scene: Scene, rng: np.random.Generator, setting: Setting, names: list, **mark: str) -> Turn | None:
    """The names as they were listed, the mark behind each if there is one; None without names."""
    if not names:
        return None
    question = ask(task, rng, setting.held_out, things=listing([words for words, _ in names]), **mark)
    answer = listing([" ".join([words, *mark.values()]) for words, _ in names]) + "."
    about = mentioned(scene, dict(names))
    return Turn(task, question, Message("assistant", (mentioning(answer, about),)), about=about)


def _mark(rng: np.random.Generator, most: int) -> str:
    """One to `most` numbers in brackets of some kind, or signs that mean nothing."""
    if rng.random() < 0.3:
        return "".join(pick(rng, SIGNS) for _ in range(1 + int(rng.integers(3))))
    numbers = [str(int(rng.integers(pick(rng, (10, 100, 1000))))) for _ in range(1 + int(rng.integers(most)))]
    before, after = pick(rng, BRACKETS)
    return before + pick(rng, (", ", ",", " ")).join(numbers) + after
