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

from superlens.message import Conversation, Image, Message, Text

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
)
LOOKED_AT = 80
TITLES = {
    "boxes": "Boxes", "masks": "Masks", "refer_boxes": "Referring, answered by a box",
    "refer_masks": "Referring, answered by a mask", "reason_boxes": "Reasoning, answered by a box",
    "count": "Counting", "colour": "Colour", "exists": "Is it there?", "relation": "Where is it?",
    "describe": "Dense description", "caption": "Caption", "absent": "Asked for, not there",
    "turns": "Several turns", "photos": "Photographs",
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


@dataclass(frozen=True)
class Question:
    """One card of the gallery. turns: what the user says, one after another, about `picture`. expected: right answers
    where they are known, one a turn. task: its heading's key in TITLES."""

    task: str
    picture: Image
    turns: tuple[str, ...]
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
            message = example.question.messages[-1]
            asked.append(Question(task, message.images[0], (message.text,), (example.answer,)))
    asked += _absent(world, seed)
    asked += _several_turns(world, seed)
    return asked + [Question("photos", Image(path), (words,)) for path, words in _photographs()]


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
        asked.append(Question("absent", Image(scene.picture), (words,), (nothing,)))
    return asked


def _several_turns(world, seed: int) -> list[Question]:
    """Two conversations of the world, nano's own answers standing between the questions."""
    import numpy as np

    from superlens.data.world import World

    talks = World("val", seed=seed, size=world.size, turns=(3, 3))
    asked = []
    for index in range(2):
        messages = talks.conversation(index, np.random.default_rng((seed, index))).messages
        turns = tuple(message.text for message in messages if message.role == "user")
        expected = tuple(message for message in messages if message.role == "assistant")
        asked.append(Question("turns", messages[0].images[0], turns, expected))
    return asked


def _photographs() -> list[tuple[str, str]]:
    """(path, question) for the photographs that are on this disk; scikit-image itself is not imported."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "data"
    return [(str(folder / name), words) for name, words in PHOTOS if (folder / name).is_file()]


def ask_all(
    model, asked: Sequence[Question], done: Callable[[int], object] = lambda count: None, **options
) -> list[Answered]:
    """Ask one after another, each turn with the model's own answers before it; `done(1)` is called after each."""
    answered = []
    for question in asked:
        card = Answered(question)
        messages: list[Message] = []
        for turn, words in enumerate(question.turns):
            content = (question.picture, Text(words)) if turn == 0 else (Text(words),)
            messages.append(Message("user", content))
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
        for turn, (words, answer, seconds) in enumerate(zip(question.turns, one.answers, one.seconds, strict=True)):
            number += 1
            picture = answer.draw([question.picture])
            name = f"{number:02d}-{question.task}.png"
            picture.save(folder / name)
            title = TITLES[question.task] + (f", {turn + 1}" if len(question.turns) > 1 else "")
            right = "" if expected[turn] is None else summary(expected[turn])
            cards.append(Card(question.task, title, words, summary(answer), right, seconds, picture, name))
    target = folder / "gallery.html"
    target.write_text(page(cards, TITLES), encoding="utf-8")
    return target


def summary(message: Message) -> str:
    """The words of an answer, how many things were found behind every label."""
    pieces = []
    for part in message.content:
        if isinstance(part, Text):
            pieces.append(part.text)
        elif hasattr(part, "label"):
            ignored = getattr(part, "ignore", None)
            count = part.count if ignored is None else int((~ignored).sum())
            pieces.append(f"{part.label} ({count or 'none'})")
    return "".join(pieces).strip() or "(nothing)"
