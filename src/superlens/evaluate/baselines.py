"""What to hold results against, so that nobody mistakes an easy figure for a good one.

Each baseline is asked like a model: `ask(questions, ...)` gives a message, or a list of them.
    Blind            a model that is shown mid-grey instead of every picture
    PriorText        says what is most often right for a question of this form, and never looks
    MeanMoment       says that everything happens when things mostly happen, and never looks
    MeanBox          says that everything is where things mostly are, as a box or as a mask, and never looks
    MeanPose         puts the mean pose of the training pictures in the picture's middle, and never looks
    ColourThreshold  finds blobs of a colour in the drawn world; it knows eight colours and nothing of shape
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from superlens.data.grammar import pattern
from superlens.data.sources.annotated import listed
from superlens.data.sources.base import Source
from superlens.data.templates import HELD_OUT, TRAINING, slots_of
from superlens.data.world.kinds import ANY, plural
from superlens.data.world.relations import OPPOSITE
from superlens.data.world.scene import SIZES
from superlens.data.world.shapes import SHAPES
from superlens.data.world.textures import COLOURS
from superlens.evaluate.colours import colour_mask
from superlens.evaluate.metrics.base import ignored, plain
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message, Moments, Text
from superlens.video import Video

GREY = 128
IN_WORDS = ("caption", "describe", "count", "colour", "exists", "relation", "place", "side")
MIN_PIXELS = 12


class Blind:
    """A model that sees grey: each picture, and each frame of a video, is replaced by one of the same size, all channels 128."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def ask(self, question: Any, image: Any = None, **options: Any) -> Any:
        """As the model's `ask`. A picture that can not be read is passed on, for the model to refuse."""
        shown, single = conversations(question, image)
        greyed = [_without_sight(conversation) for conversation in shown]
        return self.model.ask(greyed[0] if single else greyed, **options)


class PriorText:
    """The most frequent answer to each form of question, learnt from (question, answer) pairs in words.

    The form is the task of `IN_WORDS` whose wording (of training or held out) the question follows, else its first two
    words.
    Raises ValueError when there are no pairs.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        counted: dict[str, Counter[str]] = defaultdict(Counter)
        every: Counter[str] = Counter()
        for question, answer in pairs:
            counted[form_of(question)][answer] += 1
            every[answer] += 1
        if not every:
            raise ValueError("Got no question that is answered in words; expected at least one to learn from.")
        self.answers = {form: answers.most_common(1)[0][0] for form, answers in counted.items()}
        self.otherwise = every.most_common(1)[0][0]

    @classmethod
    def fit(cls, source: Source, count: int = 1000, seed: int = 0) -> PriorText:
        """Learn from the turns in words of `count` training conversations of a source (of all, if there are fewer)."""
        return cls(pair for conversation in _training(source, count, seed) for pair in _turns(conversation))

    def ask(self, question: Any, image: Any = None, **options: Any) -> Any:
        """The best constant answer to each question. Options of a model's `ask` are accepted and mean nothing."""
        return _each(question, image, self._answer, **options)

    def _answer(self, conversation: Conversation) -> Message:
        words = conversation.messages[-1].text
        return Message("assistant", (Text(self.answers.get(form_of(words), self.otherwise)),))


class MeanMoment:
    """The mean moment of the train split, in shares of a video's length, under the question's own words.

    Raises ValueError when there is no moment to learn from.
    """

    def __init__(self, seen: Iterable[tuple[float, Moments]]) -> None:
        shares = [part.seconds / seconds for seconds, part in seen if part.count]
        if not shares:
            raise ValueError("Got no moment of a video; expected at least one to learn from.")
        self.share_2 = np.concatenate(shares).mean(0)

    @classmethod
    def fit(cls, source: Source, count: int = 200, seed: int = 0) -> MeanMoment:
        """Learn from `count` training conversations of a source (of all, if there are fewer)."""
        return cls(
            (conversation.videos[part.video].seconds, part)
            for conversation in _training(source, count, seed)
            for message in conversation.messages
            for part in message.moments
        )

    def ask(self, question: Any, image: Any = None, **options: Any) -> Any:
        """One moment of the last video. Options mean nothing."""
        return _each(question, image, self._answer, **options)

    def _answer(self, conversation: Conversation) -> Message:
        if not conversation.videos:
            return Message("assistant", (Text("Nothing."),))
        last = len(conversation.videos) - 1
        seconds_12 = self.share_2[None] * conversation.videos[last].seconds
        return Message("assistant", (Moments(conversation.messages[-1].text, seconds_12, scores=np.ones(1, np.float32), video=last),))


class MeanBox:
    """The mean box of the train split, in shares of a picture's sides: one thing under each label of the question, or under the
    question's own words where none was seen. part: "boxes", or "masks": the same box, filled.

    Learnt from ((width, height) of a picture, its `Boxes` or `Masks`) pairs. Raises ValueError when there is nothing to learn from.
    """

    def __init__(self, seen: Iterable[tuple[tuple[int, int], Boxes | Masks]], part: str = "boxes") -> None:
        shares, labels = [], {}
        for size, one in seen:
            kept = one.select(~ignored(one))
            if kept.count:
                boxes_N4 = kept.xyxy if isinstance(kept, Boxes) else kept.bounds
                shares.append(boxes_N4 / np.tile(size, 2))
                labels[plain(one.label)] = one.label
        if not shares:
            raise ValueError(f"Got no {part}; expected at least one to learn from.")
        self.part, self.labels = part, labels
        self.share_4 = np.concatenate(shares).mean(0)

    @classmethod
    def fit(cls, source: Source, part: str = "boxes", count: int = 200, seed: int = 0) -> MeanBox:
        """Learn from `count` training conversations of a source (of all, if there are fewer)."""
        return cls(
            ((conversation.images[one.image].size, one)
             for conversation in _training(source, count, seed)
             for message in conversation.messages
             for one in getattr(message, part)),
            part,
        )  # fmt: skip

    def ask(self, question: Any, image: Any = None, **options: Any) -> Any:
        """One thing a label, in pixels of the last picture. Options mean nothing."""
        return _each(question, image, self._answer, **options)

    def _answer(self, conversation: Conversation) -> Message:
        if not conversation.images:
            return Message("assistant", (Text("Nothing."),))
        words, last = conversation.messages[-1].text, len(conversation.images) - 1
        width, height = conversation.images[last].size
        box_4 = self.share_4 * [width, height, width, height]
        mask_HW = np.zeros((height, width), bool)
        x1, y1, x2, y2 = np.rint(box_4).astype(int)
        mask_HW[y1:y2, x1:x2] = True
        parts = []
        for label in dict.fromkeys(_mentioned(self.labels, words)) or [words]:
            what = {"scores": np.ones(1, np.float32), "image": last}
            parts.append(Boxes(label, box_4[None], **what) if self.part == "boxes" else Masks(label, mask_HW[None], **what))
        return Message("assistant", listed(parts))


class MeanPose:
    """The mean pose of the train split, placed in the picture's middle: one object under each label of the question.

    Learnt from ((width, height) of a picture, its `Keypoints`) pairs: for each label and name the mean offset of the point from the
    middle of its object (its `bounds`), in widths and heights of the picture. Points that are not labelled and objects that are
    ignored teach nothing. Raises ValueError when there is no labelled point.
    """

    def __init__(self, seen: Iterable[tuple[tuple[int, int], Keypoints]]) -> None:
        offsets: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        for size, part in seen:
            part = part.select(~ignored(part))
            for xyv_K3, box_4 in zip(part.xyv, part.bounds, strict=True):
                for name, (x, y, v) in zip(part.names, xyv_K3, strict=True):
                    if v > 0:
                        offsets[plain(part.label)][plain(name)].append((np.array([x, y]) - (box_4[:2] + box_4[2:]) / 2) / size)
        if not offsets:
            raise ValueError("Got no labelled point; expected at least one to learn from.")
        self.poses = {label: {name: np.mean(rows, axis=0) for name, rows in names.items()} for label, names in offsets.items()}

    @classmethod
    def fit(cls, source: Source, count: int = 1000, seed: int = 0) -> MeanPose:
        """Learn from `count` training conversations of a source (of all, if there are fewer); give one that does not augment."""
        return cls(
            (conversation.images[part.image].size, part)
            for conversation in _training(source, count, seed)
            for message in conversation.messages
            for part in message.keypoints
        )

    def ask(self, question: Any, image: Any = None, **options: Any) -> Any:
        """Keypoints in pixels of the last picture; labels that were never seen get no part. Options mean nothing."""
        return _each(question, image, self._answer, **options)

    def _answer(self, conversation: Conversation) -> Message:
        words = conversation.messages[-1].text
        labels = dict.fromkeys(_mentioned(self.poses, words))
        if not labels or not conversation.images:
            return Message("assistant", (Text("Nothing."),))
        size = np.array(conversation.images[-1].size)
        parts = []
        for label in labels:
            pose = self.poses[plain(label)]
            names = tuple(dict.fromkeys(map(plain, _mentioned(pose, words)))) or tuple(pose)
            xy_K2 = np.clip((0.5 + np.array([pose[name] for name in names])) * size, 0, size)
            xyv_1K3 = np.concatenate([xy_K2, np.full((len(names), 1), 2)], axis=1)[None]
            parts.append(Keypoints(label, names, xyv_1K3, scores=[1.0], image=len(conversation.images) - 1))
        return Message("assistant", listed(parts))


class ColourThreshold:
    """Boxes around connected pixels of a named colour, for questions about the drawn world.

    It reads the names of things out of the question ("small red circles"), looks at the colour alone (all eight
    colours where none is named) and answers every blob of at least `min_pixels` pixels; larger blobs score higher.
    """

    def __init__(self, min_pixels: int = MIN_PIXELS) -> None:
        self.min_pixels = min_pixels

    def ask(self, question: Any, image: Any = None, min_score: float = 0.3, **options: Any) -> Any:
        """Boxes in pixels of the picture, xyxy; names that are not of the drawn world get no part."""
        return _each(question, image, functools.partial(self._answer, min_score), **options)

    def _answer(self, min_score: float, conversation: Conversation) -> Message:
        names = dict.fromkeys(match.group() for match in _names().finditer(conversation.messages[-1].text))
        if not names or not conversation.images:
            return Message("assistant", (Text("Nothing."),))
        pixels = conversation.images[-1].pixels
        parts = []
        for name in names:
            colours = [colour for colour in COLOURS if colour in name.lower().split()] or COLOURS
            found = [self._blobs(pixels, colour) for colour in colours]
            boxes_N4, scores_N = (np.concatenate(values) for values in zip(*found))
            part = Boxes(name, boxes_N4, scores=scores_N, image=len(conversation.images) - 1)
            parts.append(part.above(min_score))
        return Message("assistant", listed(parts))

    def _blobs(self, pixels_HW3: np.ndarray, colour: str) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) float32 and scores (N,) of the connected pixels of a colour."""
        from scipy import ndimage

        near_HW = ndimage.median_filter(colour_mask(pixels_HW3, colour).view(np.uint8), 3)
        labels_HW, _ = ndimage.label(near_HW, np.ones((3, 3)))
        sizes = np.bincount(labels_HW.ravel())
        boxes, scores = [np.zeros((0, 4), np.float32)], []
        for number, place in enumerate(ndimage.find_objects(labels_HW), 1):
            if sizes[number] >= self.min_pixels:
                rows, columns = place
                boxes.append(np.array([[columns.start, rows.start, columns.stop, rows.stop]], np.float32))
                scores.append(sizes[number] / (sizes[number] + self.min_pixels))
        return np.concatenate(boxes), np.array(scores, np.float32)


def form_of(question: str) -> str:
    """The task in words that a question is worded for, or its first two words in small letters."""
    words = " ".join(question.split()).rstrip(" .?!")
    fitting = []
    for end in (".", "?", ""):
        for task, form in _forms():
            if found := form.fullmatch(words + end):
                fitting.append((len(words) - sum(len(filled) for filled in found.groups() if filled), task))
    return max(fitting)[1] if fitting else " ".join(words.lower().split()[:2])


def conversations(question: Any, image: Any = None) -> tuple[list[Conversation], bool]:
    """What `ask` may be given, as conversations, and whether it was a single question."""
    if isinstance(question, str):
        images = [] if image is None else list(image) if isinstance(image, (list, tuple)) else [image]
        shown = [one if isinstance(one, Image) else Image(one) for one in images]
        return [Conversation((Message("user", (*shown, Text(question))),))], True
    return ([question], True) if isinstance(question, Conversation) else (list(question), False)


def _each(question: Any, image: Any, answer: Callable[[Conversation], Message], errors: str = "raise", **_: Any) -> Any:
    """`answer` of each conversation; with errors="return" a ValueError takes the place of the answer."""
    asked, single = conversations(question, image)
    answers: list[Any] = []
    for conversation in asked:
        try:
            answers.append(answer(conversation).about(conversation))
        except ValueError as error:
            if errors != "return" or single:
                raise
            answers.append(error)
    return answers[0] if single else answers


def _without_sight(conversation: Conversation) -> Conversation:
    try:
        messages = tuple(
            replace(message, content=tuple(_unseen(part) for part in message.content))
            for message in conversation.messages
        )
    except ValueError:
        return conversation
    return replace(conversation, messages=messages)


def _unseen(part: Any) -> Any:
    if isinstance(part, Video):
        frames = part.read().frames
        return Video((_grey(frames[0]),) * len(frames), fps=part.read().fps)
    return _grey(part) if isinstance(part, Image) else part


def _grey(image: Image) -> Image:
    width, height = image.size
    return Image(np.full((height, width, 3), GREY, np.uint8))


def _training(source: Source, count: int, seed: int) -> Iterable[Conversation]:
    """`count` training conversations of a source, or all of them, if there are fewer."""
    rng = np.random.default_rng(seed)
    if count < len(source):
        chosen = rng.choice(len(source), count, replace=False)
    else:
        chosen = np.arange(len(source))
    for index in chosen:
        yield source.conversation(int(index), rng)


def _mentioned(names: Iterable[str], words: str) -> list[str]:
    """Those of `names` that stand in `words`, as they are written there; of names inside one another the longest."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return [match.group() for match in re.finditer(rf"\b(?:{either})\b", words, re.IGNORECASE)]


def _turns(conversation: Conversation) -> Iterable[tuple[str, str]]:
    for before, after in zip(conversation.messages, conversation.messages[1:]):
        if before.role == "user" and after.role == "assistant" and not after.outputs:
            yield before.text, after.text


@functools.lru_cache(maxsize=1)
def _forms() -> tuple[tuple[str, re.Pattern], ...]:
    """(task, pattern with a group for each slot) of every wording."""
    forms = []
    for task, wording in ((name, words) for name in IN_WORDS for words in TRAINING[name] + HELD_OUT[name]):
        # "Is {first} {relation} {second}" would fit every question that starts with "Is".
        slots = dict.fromkeys(slots_of(task), "(.+)") | {"relation": f"(?:{'|'.join(OPPOSITE)})"}
        forms.append((task, re.compile(pattern(wording, slots), re.IGNORECASE)))
    return tuple(forms)


@functools.lru_cache(maxsize=1)
def _names() -> re.Pattern:
    """Names of things of the drawn world: "small red circles", "stars", "blue things"."""
    nouns = [form for noun in (*SHAPES, *ANY) for form in (plural(noun), noun)]
    size, colour, noun = ("|".join(words) for words in (SIZES, COLOURS, nouns))
    return re.compile(rf"\b(?:(?:{size}) )?(?:(?:{colour}) )?(?:{noun})\b", re.IGNORECASE)
