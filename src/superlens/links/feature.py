"""FeatureLink: a picture is written as the eye's features of it, one continuous token after another, each predicted by the one before.

LM4LV (arXiv 2405.15734): `<Img>` f1 ... fT `</Img>`. A feature enters through the linear adapter that also brings the features of the
pictures shown (the projector); what comes next is read by another from the state before it, and regressed (Emu, 2307.05222, does the
same). What to do is not said in words: a task is ten learned tokens. Only the adapters and the tokens have to be trained.

Shapes: T features of a picture, C their width, D width of the language model, P gathered positions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from superlens.links.base import Group, Link, LinkFormat, Piece, Seen, Token
from superlens.message import Image, Part
from superlens.vision.canvas import Canvas

OPEN, CLOSE, FEATURE = "<Img>", "</Img>", "<feature>"


class FeatureFormat(LinkFormat):
    """`<Img>`, the picture's features, `</Img>`. part: "restore" or "edit".

    tasks: {task: regular expression of the words that ask for it}. Each has `prompt` tokens of its own, which stand in place of the
    user's words; of several tasks asked for at once, one after another as they are mentioned. last: tasks, the first of which is taken
    that is meant where no other is ("leave it as it is"). lacking: regular expression of words that there are no tokens for, also
    beside a task. Without tasks, what is to be done is said in words.
    """

    shows = True

    def __init__(
        self,
        name: str,
        part: str,
        decoder: str | None,
        tasks: Mapping[str, str] | None = None,
        last: Sequence[str] = (),
        lacking: str | None = None,
        prompt: int = 10,
    ):
        super().__init__(name, part, decoder, None)
        if part not in ("restore", "edit"):
            raise ValueError(f"links.{name}: part is restore or edit, got '{part}'.")
        if prompt < 1:
            raise ValueError(f"links.{name}: prompt is the number of tokens a task has, at least 1, got {prompt}.")
        unknown = [task for task in last if task not in (tasks or {})]
        if unknown:
            raise ValueError(f"links.{name}: last names tasks, got '{unknown[0]}'.")
        self.last = tuple(last)
        # By name: ids of tokens follow this order, and a saved config sorts its keys.
        self.tasks = {task: re.compile(words, re.IGNORECASE) for task, words in sorted((tasks or {}).items())}
        self.lacking = re.compile(lacking, re.IGNORECASE) if lacking else None
        self.prompts: dict[str, list[Piece]] = {
            task: [Token(f"<{task}:{index}>") for index in range(prompt)] for task in self.tasks
        }

    @property
    def answers(self) -> str:
        return "image"

    def roles(self) -> dict[str, str]:
        tokens = [token.name for tokens in self.prompts.values() for token in tokens]
        return {OPEN: "route", FEATURE: "value", CLOSE: "end of values", **dict.fromkeys(tokens, "task")}

    def labels(self, part: Image) -> list[str]:
        return [""]

    def asked(self, words: str) -> list[Piece] | None:
        if not self.tasks:
            return None
        places = {task: found.start() for task, pattern in self.tasks.items() if (found := pattern.search(words))}
        meant = sorted((task for task in places if task not in self.last), key=places.get)
        meant = meant or [task for task in self.last if task in places][:1]
        if not meant or (self.lacking and self.lacking.search(words)):
            raise ValueError(f"this recipe has tokens for the tasks {', '.join(self.tasks)}, and none for '{words.strip()[:80]}'.")
        return [token for task in meant for token in self.prompts[task]]

    def start(self, label: str) -> list[Piece]:
        return [Token(OPEN)]

    def write(self, part: Part, canvas: Canvas) -> list[Piece]:
        return [Token(OPEN), Seen(part), Token(CLOSE)]

    def values_follow(self, count: int) -> tuple[list[str], str]:
        """Names of the tokens that stand for `count` continuous values after the routing token, and the one that ends them."""
        return [FEATURE] * count, CLOSE

    def read_positions(self, written: list[int]) -> list[int]:
        """A feature is read before it. `written`: the routing token and the features."""
        return [position - 1 for position in written[1:]]


class FeatureLink(Link):
    """The adapter out of the language model. decoder_width: C."""

    format_class = FeatureFormat

    def __init__(
        self, format: FeatureFormat, tokens: tuple[str, ...], width: int, embedding_width: int, scale: float, decoder_width: int
    ):
        super().__init__(format, tokens, width, embedding_width, scale)
        self.out = nn.Linear(width, decoder_width)

    def requests(self, hidden_KnD: Tensor, words_KD: Tensor, groups: list[Group]) -> Tensor:
        return self.out(hidden_KnD)

    def next_value(self, logits_A: Tensor, best: int, hidden_D: Tensor) -> Tensor:
        """[C] the feature that the state before it means."""
        return self.out(hidden_D)

    def embed_value(self, value_C: Tensor, projector: nn.Module, at: int) -> Tensor:
        """[C] -> [D], as the projector brings the features of pictures that are shown. at: which of its picture it is."""
        return projector.project(value_C[None, None].to(self.out.weight.dtype), at)[0, 0]

    def value_count(self, batch) -> float:
        """How many pictures are to be said."""
        return float(sum(learned for *_, learned in batch.features.get(self.format.name, ())))

    def values_loss(self, model, outputs, batch) -> Tensor:
        """Sum over pictures of the mean squared error of the features said to the eye's, which are not moved by it."""
        hidden_LD = outputs.hidden_RTD.flatten(0, 1)
        total = hidden_LD.new_zeros((), dtype=torch.float32)
        for start, count, picture, learned in batch.features[self.format.name]:
            if learned:
                said_TC = self.out(hidden_LD[start - 1 : start - 1 + count]).float()
                total = total + F.mse_loss(said_TC, features_of(outputs.tokens_of(batch, picture)).detach().float())
        return total


def features_of(tokens_Chw: Tensor) -> Tensor:
    """The eye's token map of one picture -> [T, C], in the order of the visual tokens."""
    return tokens_Chw.flatten(1).T
