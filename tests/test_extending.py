"""A new decoder and a new link, made in this file, named in a recipe by their dotted path. The package is not touched.

docs/extending.md prints the two of them as they stand here, and a test compares.

Shapes: K requests, L cells of a level, C channels, D width of the language model.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from superlens.batch import collate
from superlens.data.world import World
from superlens.decoders.base import Decoder, Losses, Requests
from superlens.links.base import Group, Link, LinkFormat, Piece, Token
from superlens.message import Boxes, Conversation
from superlens.recipes.build import build, load
from superlens.recipes.schema import read_recipe
from superlens.vision.canvas import Canvas
from superlens.vision.scene import Scene

PAGE = Path(__file__).resolve().parent.parent / "docs" / "extending.md"


@dataclass
class Guess:
    """Raw answer: boxes_K4 (xyxy, canvas pixels) and present_K (logits: is it there at all?)."""

    boxes_K4: Tensor
    present_K: Tensor


class OneBox(Decoder):
    """Answers every phrase with one box, or none: it looks where the phrase points, and measures there."""

    part = "boxes"

    def __init__(self, in_channels: int, width: int = 64, level: int = 1):
        super().__init__()
        self.width, self.level = width, level
        self.look = nn.Linear(width, in_channels)
        self.measure = nn.Linear(in_channels + width, 3)  # log width, log height, present

    def forward(self, scene: Scene, requests: Requests) -> Guess:
        cells_BChw = scene.levels[self.level]
        cells_KCL = cells_BChw.flatten(2)[requests.picture_K]
        vector_KC = requests.vectors_KnC.mean(1)
        share_KL = torch.einsum("kc,kcl->kl", self.look(vector_KC), cells_KCL).softmax(-1)
        rows, columns = cells_BChw.shape[-2:]
        cells = torch.arange(rows * columns, device=share_KL.device)
        centre_K2 = share_KL @ torch.stack([cells % columns + 0.5, cells // columns + 0.5], 1).to(share_KL.dtype)
        seen_KC = torch.einsum("kl,kcl->kc", share_KL, cells_KCL)
        sides_K2, present_K1 = self.measure(torch.cat([seen_KC, vector_KC], 1)).float().split([2, 1], 1)
        half_K2 = sides_K2.clamp(max=6).exp()
        boxes_K4 = torch.cat([centre_K2 - half_K2, centre_K2 + half_K2], 1) * scene.stride(self.level)
        return Guess(boxes_K4, present_K1.squeeze(1))

    def counts(self, targets: list[Boxes]) -> dict[str, float]:
        return {"present": float(len(targets)), "sides": float(sum(target.count > 0 for target in targets))}

    def loss(self, raw: Guess, targets: list[Boxes]) -> Losses:
        there_K = torch.tensor([target.count > 0 for target in targets], device=raw.present_K.device)
        first = [target.xyxy[0] for target in targets if target.count]
        wanted_P4 = torch.as_tensor(np.array(first, np.float32).reshape(-1, 4), device=raw.boxes_K4.device)
        present = nn.functional.binary_cross_entropy_with_logits(raw.present_K, there_K.float(), reduction="sum")
        sides = nn.functional.smooth_l1_loss(raw.boxes_K4[there_K] / 16, wanted_P4 / 16, reduction="sum")
        counts = self.counts(targets)
        return {"present": (present, counts["present"]), "sides": (sides, counts["sides"])}

    @torch.no_grad()
    def parts(self, raw: Guess, scene: Scene, requests: Requests) -> list[Boxes]:
        scores_K = raw.present_K.sigmoid().cpu().numpy()
        boxes_K4 = raw.boxes_K4.float().cpu().numpy()
        answers = []
        for k, picture in enumerate(requests.picture_K.tolist()):
            box_14 = scene.canvases[picture].boxes_to_original(boxes_K4[k : k + 1])
            answers.append(Boxes(requests.labels[k], box_14, scores=scores_K[k : k + 1], image=requests.images[k]))
        return answers


class BothFormat(LinkFormat):
    """Writes `<p>label</p>[FIND]`, and reads at the token and at the position that predicted it."""

    vectors = 2

    def __init__(self, name: str, part: str, decoder: str, token: str):
        super().__init__(name, part, decoder, phrase=("<p>", "</p>"))
        self.token = token

    def roles(self) -> dict[str, str]:
        return super().roles() | {self.token: "route"}

    def start(self, label: str) -> list[Piece]:
        return [*self.write_label(label), Token(self.token)]

    def write(self, part: Boxes, canvas: Canvas) -> list[Piece]:
        return self.start(part.label)

    def read_positions(self, written: list[int]) -> list[int]:
        return [written[0] - 1, written[0]]


class BothLink(Link):
    """Both hidden states, side by side, become one request vector."""

    format_class = BothFormat

    def __init__(self, format, tokens, width, embedding_width, scale, decoder_width):
        super().__init__(format, tokens, width, embedding_width, scale)
        self.project = nn.Linear(2 * width, decoder_width)

    def requests(self, hidden_KnD: Tensor, label_KD: Tensor, groups: list[Group]) -> Tensor:
        return self.project(hidden_KnD.flatten(1))[:, None]


def blocks(language: str) -> list[str]:
    """The page's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf8"), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def conversations():
    world = World(tasks={"refer_boxes": 1}, turns=(1, 1))
    return [world.conversation(index, np.random.default_rng(index)) for index in range(4)]


@pytest.fixture
def model():
    (text,) = blocks("yaml")
    recipe = read_recipe(yaml.safe_load(text.replace("my_parts.", f"{__name__}.")))
    return build(recipe.to_dict(), seed=0)


def train(model, conversations, steps, rate):
    """Losses of a few steps over one batch."""
    batch = collate([model.processor.encode(conversation) for conversation in conversations])
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        outputs = model(batch)
        assert set(outputs["losses"]) == {"words", "one.present", "one.sides"}
        outputs["loss"].backward()
        losses.append(outputs["loss"].item())
        optimiser.step()
        optimiser.zero_grad()
    return losses


def test_a_training_step_lowers_the_loss(model, conversations):
    losses = train(model, conversations, steps=6, rate=1e-3)
    assert losses[1] < losses[0] and losses[-1] < losses[1], losses


def test_gradients_of_the_box_reach_the_link_and_the_language_model(model, conversations):
    outputs = model.answer(collate([model.processor.encode(conversation) for conversation in conversations]))
    (asked,) = outputs.asked
    total, count = model.decoders["one"].loss(asked.raw, asked.requests.targets)["sides"]
    (total / count).backward()
    link, language = model.links["boxes"], model.language.model
    for weight in (link.project.weight, link.token_rows, language.get_input_embeddings().weight):
        assert weight.grad is not None and weight.grad.abs().max() > 0


def test_a_trained_model_answers_with_the_box(model, conversations):
    conversation = conversations[0]
    train(model, [conversation], steps=100, rate=3e-3)
    answer = model.ask(Conversation(conversation.messages[:1]))
    wanted = conversation.messages[-1]
    assert answer.text == wanted.text and not answer.notes
    (box,), (true_box,) = answer.boxes, wanted.boxes
    assert box.label == true_box.label and box.scores[0] > 0.5
    assert np.abs(box.xyxy - true_box.xyxy).max() < 10, "pixels of a picture 128 wide"


def test_parts_of_this_file_are_saved_and_loaded(model, conversations, tmp_path):
    model.save_pretrained(tmp_path / "model")
    again = load(str(tmp_path / "model"), device="cpu")
    batch = collate([model.processor.encode(conversation) for conversation in conversations])
    before, after = model.eval()(batch), again.eval()(batch)
    assert torch.equal(before["loss"], after["loss"])
    for (name, value), (_, other) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(value, other), name


def test_the_page_shows_what_runs_here():
    shown = "\n\n".join(blocks("python"))
    for thing in (Guess, OneBox, BothFormat, BothLink):
        assert inspect.getsource(thing).strip() in shown, f"{PAGE.name} shows another {thing.__name__}"
    own = Path(__file__).read_text(encoding="utf8")
    missing = [line for line in shown.splitlines() if line.startswith(("import", "from")) and line not in own]
    assert not missing, f"{PAGE.name} imports what this file does not: {missing}"
