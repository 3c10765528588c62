"""Ask a model: conversations in, messages out. Batched, routed, decoded together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from superlens.batch import Batch, Placed
from superlens.generation import Generator, Sampling, Speaker
from superlens.links.base import Group
from superlens.message import Conversation, Image, Message, Text
from superlens.processor import Sample


@dataclass(frozen=True)
class Asking:
    """How to answer. min_score: objects scored below are left out (the part stays, empty). min_share: so are those that score below
    this share of the best one of their part: beside sure finds, doubtful ones are mostly wrong.

    answer_with: name of a link the answer must use. on_text(index, text): called with each new piece of text as it is generated.
    errors: "raise", or "return" to put the exception in the bad conversation's place and go on. numbers: each question's own, which
    its random draws depend on (default: its place in the list); who asks in several calls numbers them on, and gets the answers of one.
    """

    batch_size: int = 8
    min_score: float = 0.3
    min_share: float = 0.5
    sampling: Sampling = field(default_factory=Sampling)
    answer_with: str | None = None
    on_text: Callable[[int, str], None] | None = None
    errors: str = "raise"
    numbers: Sequence[int] | None = None


def as_conversation(question: str | Conversation, image=None) -> Conversation:
    """Words and pictures -> a conversation of one user message."""
    if isinstance(question, Conversation):
        if image is not None:
            raise ValueError("a conversation brings its own pictures: leave image out.")
        conversation = question
    else:
        if not isinstance(question, str) or not question.strip():
            raise ValueError("the question is empty: say in words what you want to know.")
        images = [] if image is None else list(image) if isinstance(image, (list, tuple)) else [image]
        shown = [one if isinstance(one, Image) else Image(one) for one in images]
        conversation = Conversation((Message("user", (*shown, Text(question))),))
    if not conversation.messages or conversation.messages[-1].role != "user":
        raise ValueError("a conversation to be answered ends with the user's message.")
    return conversation


def check_pictures(model, question: Conversation, answer_with: str | None) -> None:
    """ValueError where an answer is forced that needs a picture or a video, and there is none."""
    form = model.processor.formats.get(answer_with)
    shown = {"picture": question.images, "video": question.videos}
    if form is not None and form.medium is not None and not shown[form.medium]:
        raise ValueError(f"an answer with '{answer_with}' needs a {form.medium}: give one with the question.")


def ask(model, questions: Sequence[Conversation], asking: Asking) -> list[Message | Exception]:
    """Answers in the order of the questions, `batch_size` of them at a time."""
    numbers = range(len(questions)) if asking.numbers is None else asking.numbers
    if len(numbers) != len(questions):
        raise ValueError(f"there are {len(questions)} questions and {len(numbers)} numbers: give each its own.")
    answers: list[Message | Exception] = [None] * len(questions)
    prompts: list[tuple[int, Sample]] = []
    training = model.training
    model.eval()
    try:
        for start in range(0, len(questions), asking.batch_size):
            prompts = []
            for index in range(start, min(start + asking.batch_size, len(questions))):
                try:
                    question = as_conversation(questions[index])
                    check_pictures(model, question, asking.answer_with)
                    prompts.append((index, model.processor.encode(question, answer=False)))
                except (ValueError, OSError) as error:
                    if asking.errors == "raise":
                        raise
                    answers[index] = error
            if prompts:
                indices = [index for index, _ in prompts]
                streamer = Streamer(model.processor, asking.on_text, indices) if asking.on_text else None
                asked, shown, drawn = [questions[i] for i in indices], [p for _, p in prompts], [numbers[i] for i in indices]
                said = answer_batch(model, asked, shown, asking, drawn, streamer)
                for index, message in zip(indices, said):
                    answers[index] = message
    finally:
        model.train(training)
    return answers


@torch.inference_mode()
def answer_batch(
    model, questions: list[Conversation], prompts: list[Sample], asking: Asking, numbers: list[int], streamer: Streamer | None
) -> list[Message]:
    """One batch: generate, parse, read, decode, assemble."""
    generator = Generator(model, model.processor, asking.sampling, streamer, asking.answer_with, numbers)
    speakers, batch, scenes = generator.run(prompts)
    contents, notes, placed = [], [], []
    first = 0
    for speaker, prompt, question in zip(speakers, prompts, questions):
        content, groups, noted = model.processor.decode(speaker.written, question, prompt.canvases, prompt.clips)
        contents.append(content)
        notes.append(noted)
        asked = numbers[speaker.index]
        for number, group in enumerate(groups):
            group.seed = int(np.random.SeedSequence([asking.sampling.seed, asked, number]).generate_state(1)[0])
        placed += [(speaker, group, first + group.image if group.image >= 0 else -1) for group in groups]
        first += len(prompt.canvases) + sum(len(clip.times) for clip in prompt.clips)
    parts = decode_groups(model, placed, scenes, batch)
    messages = []
    for content, noted, question in zip(contents, notes, questions):
        filled = [parts[id(item)](question.images) if isinstance(item, Group) else item for item in content]
        message = Message("assistant", tuple(filled), notes=tuple(noted)).about(question.images)
        messages.append(message.clipped().above(asking.min_score, asking.min_share))
    return messages


def decode_groups(model, placed: list[tuple[Speaker, Group, int]], scenes, batch: Batch) -> dict[int, Callable]:
    """Groups of all samples -> by id of the group, what gives its part when it is shown the conversation's pictures."""
    hidden, where, total = [], [], 0
    for speaker, group, picture in placed:
        hidden += [speaker.hidden[position] for position in group.positions]
        where.append(Placed(group, list(range(total, len(hidden))), picture))
        total = len(hidden)
    if not where:
        return {}
    # A link that reads words alone leaves no states behind; one row keeps the shapes.
    hidden = torch.stack(hidden) if hidden else torch.zeros(1, model.language.width, device=model.device)
    asked = model.read(hidden, where, scenes, batch)
    model.decode(asked, scenes)
    parts = {}
    for one in asked:
        decoder = model.decoders[one.decoder]
        answered = decoder.parts(one.raw, scenes[one.scene] if one.scene >= 0 else None, one.requests)
        parts.update((id(p.group), functools.partial(decoder.finish, part)) for p, part in zip(one.placed, answered))
    return parts


class Streamer:
    """Turns ids into text as they come: words only; added tokens are silent, and so are numbers that a codec writes between tokens of
    its own (those of codecs that are all plain words are words)."""

    def __init__(self, processor, on_text: Callable[[int, str], None], indices: list[int]):
        self.processor, self.on_text, self.indices = processor, on_text, indices
        self.ids: dict[int, list[int]] = {}
        self.sent: dict[int, str] = {}
        self.inside_codec: dict[int, bool] = {}

    def __call__(self, sample: int, token: int) -> None:
        role = self.processor.roles.get(self.processor.token_names.get(token))
        if role in ("begin", "end"):
            self.inside_codec[sample] = role == "begin"
        if role is not None:
            # A run of words ends here; the next one is decoded on its own, as the reader will do.
            self.ids[sample], self.sent[sample] = [], ""
            return
        if self.inside_codec.get(sample):
            return
        self.ids.setdefault(sample, []).append(token)
        text = self.processor.tokenizer.decode(self.ids[sample], skip_special_tokens=True)
        sent = self.sent.get(sample, "")
        if text.startswith(sent) and not text.endswith("\ufffd"):  # an unfinished character waits for its other bytes
            self.on_text(self.indices[sample], text[len(sent) :])
            self.sent[sample] = text
