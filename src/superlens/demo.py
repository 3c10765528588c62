"""What `superlens demo` shows: a fixed set of questions about drawn scenes and photographs, nano's answers, a gallery.

The scenes are drawn from the validation split, which no training has seen; what is right there is known exactly and
stands beside every answer. The photographs are scikit-image's, if it is installed.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superlens.links.base import kind_of
from superlens.message import Conversation, Image, Message, Part, Region, Text

# Task, the part whose examples hold it, how many.
SCENES = (
    ("boxes", "boxes", 3),
    ("masks", "masks", 3),
    ("refer_boxes", "boxes", 2),
    ("refer_masks", "masks", 1),
    ("reason_boxes", "boxes", 2),
    ("count", "text", 2),
    ("colour", "text", 1),
    ("exists", "text", 2),
    ("relation", "text", 1),
    ("describe", "text", 1),
    ("caption", "text", 1),
    ("keypoints", "keypoints", 3),
    ("region_text", "text", 2),
    ("region_masks", "masks", 3),
    ("like_boxes", "boxes", 1),
    ("context_masks", "masks", 2),
    ("colour_image", "image", 2),
    ("relation_image", "image", 2),
    ("edit_image", "image", 3),
)
# Conversations whose last question goes on from an answer, and how many of each.
FOLLOWED = "follow"
FOLLOWING = (("follow_boxes", 1), ("follow_masks", 1), ("follow_colour", 1))
LOOKED_AT = 80
TITLES = {
    "boxes": "Boxes", "masks": "Masks", "refer_boxes": "Referring, answered by a box",
    "refer_masks": "Referring, answered by a mask", "reason_boxes": "Reasoning, answered by a box",
    "count": "Counting", "colour": "Colour", "exists": "Is it there?", "relation": "Where is it?",
    "describe": "Dense description", "caption": "Caption", "keypoints": "Keypoints",
    "region_text": "What is pointed at", "region_masks": "Segment what is pointed at", "like_boxes": "Others like it",
    "context_masks": "Examples in context", "colour_image": "New pictures", "relation_image": "New pictures, two things",
    "edit_image": "Changed pictures", "absent": "Asked for, not there", "turns": "Several turns", FOLLOWED: "Going on from an answer",
    "photos": "Photographs", "restore_image": "Restored photographs",
}  # fmt: skip
ABSENT = ("Please mark every {thing} in this picture.", "Outline each {thing} you can see.")
# Photographs that come inside scikit-image's wheel, and what is asked about them.
PHOTOS = (
    ("coins.png", "Find every circle."),
    ("coffee.png", "Segment the circles."),
    ("coffee.png", "How many circles are there?"),
    ("astronaut.png", "Detect every blue star."),
    ("rocket.jpg", "Is there a red heart?"),
    ("chelsea.png", "Describe this picture."),
)
# What is done to some of them, and asked to be undone.
SPOILED = (
    ("astronaut.png", "noise:25", "Remove the noise."),
    ("chelsea.png", "blur:7", "Sharpen this picture, please."),
    ("coffee.png", "rain:10", "Take away the rain."),
    ("rocket.jpg", "mask:0.1", "Fill in the black squares."),
    ("chelsea.png", "pepper:0.05", "Remove the black dots."),
    ("coffee.png", "blur:3,noise:15", "Remove the noise and sharpen it."),
    ("astronaut.png", "rotate:90", "Make a quarter turn to the left."),
)


@dataclass(frozen=True)
class Question:
    """One card of the gallery. turns: what the user says, pictures and regions among it, one message after another.
    expected: right answers where they are known, one a turn. task: its heading's key in TITLES."""

    task: str
    turns: tuple[Message, ...]
    expected: tuple[Message | None, ...] = ()


@dataclass
class Answered:
    """A question with its answers and the seconds that each took."""

    question: Question
    answers: list[Message] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def questions(seed: int = 0) -> list[Question]:
    """The demo's questions, the same for the same seed."""
    from superlens.data.world import World

    world = World("val", seed=seed)
    asked = []
    for task, part, count in SCENES:
        examples = world.examples(part, seed=seed, limit=LOOKED_AT, task=task)
        for example in itertools.islice(filter(_worth_showing, examples), count):
            asked.append(Question(task, example.question.messages, (example.answer,)))
    asked += _absent(world, seed)
    asked += _several_turns(world, seed)
    photographs = [Message("user", (Image(path), Text(words))) for path, words in _photographs(PHOTOS)]
    asked += [Question("photos", (message,)) for message in photographs]
    return asked + [_spoiled(path, how, words, seed) for path, how, words in _photographs(SPOILED)]


def _spoiled(path: str, how: str, words: str, seed: int) -> Question:
    """A photograph that something was done to, and as it was."""
    import numpy as np

    from superlens.data.degrade import degrade, parse

    clean_HW3 = Image(path).pixels
    shown = Image(degrade(clean_HW3, parse(how), np.random.default_rng(seed)))
    right = Message("assistant", (Image(clean_HW3, of=0, restored=True),))
    return Question("restore_image", (Message("user", (shown, Text(words))),), (right,))


def able(model, question: Question) -> bool:
    """Whether a model has what a question and its right answers are made of."""
    known = {form.part for form in model.processor.formats.values()}
    wanted = {kind_of(part) for message in question.expected if message for part in message.content if not isinstance(part, Text)}
    # What goes on from an answer speaks of its things, which enter the conversation again as regions.
    pointed = question.task == FOLLOWED or any(isinstance(part, Region) for turn in question.turns for part in turn.content)
    return wanted <= known and (model.processor.points_at or not pointed)


def _worth_showing(example) -> bool:
    """Questions with something to see: several names and things, more than one to count."""
    parts = example.answer.outputs
    if example.task in ("boxes", "masks"):
        return 3 <= len(parts) <= 5 and sum(part.count for part in parts) >= 4
    if example.task == "count":
        return example.answer.text in ("2.", "3.", "4.", "5.")
    return True


def _absent(world, seed: int) -> list[Question]:
    """Scenes asked for something of the world that they do not hold."""
    import numpy as np

    from superlens.data.world.kinds import absent_kind
    from superlens.data.world.scene import draw_scene

    asked = []
    for number, wording in enumerate(ABSENT):
        rng = np.random.default_rng((seed, 7919, number))
        kind = None
        while kind is None:
            scene = draw_scene(rng, world.size)
            kind = absent_kind(scene, rng)
        words = wording.format(thing=kind.words(anything="object"))
        nothing = Message("assistant", "Nothing of the kind.")
        asked.append(Question("absent", (Message("user", (Image(scene.picture), Text(words))),), (nothing,)))
    return asked


def _several_turns(world, seed: int) -> list[Question]:
    """Conversations of the world, nano's own answers standing between the questions: any, and those that go on from an answer."""
    import numpy as np

    from superlens.data.world import World

    asked = []
    for group, (task, count) in enumerate((("", 2), *FOLLOWING)):
        mixed = {"tasks": {"boxes": 1.0, task: 3.0}, "turns": (2, 2)} if task else {"turns": (3, 3)}
        talks = World("val", seed=seed, size=world.size, **mixed)
        drawn = (talks.conversation(index, np.random.default_rng((seed, index))).messages for index in itertools.count(100 * group))
        # A question that goes on from an answer is asked where there is something to go on from.
        worth = (messages for messages in drawn if not task or _goes_on(task, messages))
        for messages in itertools.islice(worth, count):
            turns = tuple(message for message in messages if message.role == "user")
            expected = tuple(message for message in messages if message.role == "assistant")
            asked.append(Question(FOLLOWED if task else "turns", turns, expected))
    return asked


def _goes_on(task: str, messages: Sequence[Message]) -> bool:
    """Whether the last answer is one of `task`: boxes, masks or a colour, about things of an answer with two boxes or more."""
    first, last = messages[1], messages[-1]
    kind = {"follow_boxes": last.boxes, "follow_masks": last.masks}.get(task, not last.outputs)
    return len(messages) == 4 and bool(kind) and " one" in messages[2].text and sum(part.count for part in first.boxes) > 1


def _photographs(wanted: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Those whose photograph (the first entry) is on this disk, with its path; scikit-image itself is not imported."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "data"
    return [(str(folder / name), *rest) for name, *rest in wanted if (folder / name).is_file()]


def ask_all(
    model, asked: Sequence[Question], done: Callable[[int], object] = lambda count: None, **options
) -> list[Answered]:
    """Ask one after another, each turn with the model's own answers before it; `done(1)` is called after each."""
    answered = []
    for question in asked:
        card = Answered(question)
        messages: list[Message] = []
        for message in question.turns:
            messages.append(message)
            start = time.perf_counter()
            answer = model.ask(Conversation(tuple(messages)), **options)
            card.seconds.append(time.perf_counter() - start)
            card.answers.append(answer)
            messages.append(answer)
        answered.append(card)
        done(1)
    return answered


def write(answered: Sequence[Answered], folder: Path) -> Path:
    """Numbered pictures and gallery.html in `folder`; -> the page. Files of an earlier demo are replaced."""
    from superlens.gallery import Card, page

    folder.mkdir(parents=True, exist_ok=True)
    cards = []
    number = 0
    for one in answered:
        question = one.question
        expected = question.expected or (None,) * len(question.turns)
        shown: list[Image] = []
        for turn, (message, answer, seconds) in enumerate(zip(question.turns, one.answers, one.seconds, strict=True)):
            number += 1
            shown += message.images
            picture = _drawn(message, answer, shown)
            name = f"{number:02d}-{question.task}.png"
            picture.save(folder / name)
            title = TITLES[question.task] + (f", {turn + 1}" if len(question.turns) > 1 else "")
            right = "" if expected[turn] is None else summary(expected[turn])
            cards.append(Card(question.task, title, summary(message), summary(answer), right, seconds, picture, name))
    target = folder / "gallery.html"
    target.write_text(page(cards, TITLES), encoding="utf-8")
    return target


def _drawn(question: Message, answer: Message, shown: Sequence[Image]):
    """The answer over the pictures that were shown, what the question points at drawn in too."""
    pointed: list[Part] = [part for part in question.content if isinstance(part, Region)]
    return Message("assistant", (*pointed, *answer.content)).draw([*shown, *answer.images])


def summary(message: Message) -> str:
    """The words of a message, how many things were found behind every label, and what is pointed at or drawn by its kind."""
    pieces = []
    for part in message.content:
        if isinstance(part, Text):
            apart = bool(pieces) and pieces[-1].endswith("]") and part.text[:1].isalnum()
            pieces.append(f" {part.text}" if apart else part.text)
        elif isinstance(part, Region):
            pieces.append(f"[{'' if part.positive else 'not this '}{part.kind}]")
        elif isinstance(part, Image) and message.role == "assistant":
            pieces.append("[new picture]" if part.of is None else "[restored picture]" if part.restored else "[changed picture]")
        elif hasattr(part, "label"):
            ignored = getattr(part, "ignore", None)
            count = part.count if ignored is None else int((~ignored).sum())
            pieces.append(f"{part.label} ({count or 'none'})")
    return "".join(pieces).strip() or "(nothing)"
