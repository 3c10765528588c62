"""Every kind of part in one batch: one step, and a gradient that is the sum of what each task would give alone."""

import numpy as np
import pytest
import tiny
import torch

from superlens.batch import collate
from superlens.decoders.flow_painter import FlowPainter
from superlens.message import Boxes, Conversation, Image, Keypoints, Masks, Message

PICTURES = {"type": "picture", "queries": 3, "pool": "none", "decoder": "paint"}
LINKS = tiny.RECIPE["links"] | {
    "keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "queries": 2, "words": True, "decoder": "pose"},
    "new": PICTURES | {"part": "image", "token": "[GEN]"},
    "edit": PICTURES | {"part": "edit", "token": "[EDIT]"},
}
DECODERS = tiny.RECIPE["decoders"] | {
    "pose": {"type": "keypoint_detector", "channels": 16, "depth": 1, "width": 16},
    "paint": {"type": "flow_painter", "width": 16, "side": 32, "shrink": 1, "patch": 8, "channels": [8, 16], "heads": 2, "drop": 0.0,
              "finder": [8, 1]},
}
TASKS = ("boxes", "masks", "refer_boxes", "count", "keypoints", "region_text", "region_masks", "like_boxes", "context_masks")


def painted(of=None):
    pixels = np.random.default_rng(5).integers(0, 255, (32, 32, 3), np.uint8)
    shown = () if of is None else (Image(pixels[::-1]),)
    return Conversation((Message("user", (*shown, "Make it so.")), Message("assistant", (Image(pixels, of=of),))))


def same_dice(self, like_K3HW):
    """What each picture is practised with depends on nothing but its own place among those of its kind."""
    count = len(like_K3HW)
    noise = torch.randn(like_K3HW.shape[1:], generator=torch.Generator().manual_seed(1)).to(like_K3HW).expand_as(like_K3HW)
    return noise, torch.full((count,), 0.6, dtype=noise.dtype), torch.zeros(count, dtype=torch.bool), 1


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(FlowPainter, "draw", same_dice)
    made = tiny.model(links=LINKS, decoders=DECODERS, regions={"type": "region_encoder", "channels": 8})
    torch.nn.init.normal_(made.decoders["paint"].net.conv_out.weight, std=0.1)
    return made


def samples(model):
    """Task -> its samples."""
    talks = {task: tiny.conversations(2, tasks={task: 1}, turns=(1, 1)) for task in TASKS}
    talks |= {"follow": tiny.conversations(2, tasks={"boxes": 1, "follow_colour": 9}, turns=(2, 2))}
    talks |= {"new": [painted()], "edit": [painted(of=0)]}
    return {task: [model.processor.encode(talk) for talk in some] for task, some in talks.items()}


def gradients(model):
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


def test_the_gradient_of_a_mixed_batch_is_the_sum_of_its_tasks(model):
    model = model.double()  # in float32 the order of sums alone costs 2e-5
    tasks = samples(model)
    mixed = collate([sample for some in tasks.values() for sample in some])
    counts = model.counts(mixed)
    assert all(counts.values()), counts
    model(mixed, counts=counts)["loss"].backward()
    together = gradients(model)
    for some in tasks.values():
        model(collate(some), counts=counts)["loss"].backward()
    apart = gradients(model)
    assert set(together) == set(apart)
    for name, gradient in together.items():
        scale = max(float(gradient.abs().max()), 1e-3)
        assert float((gradient - apart[name]).abs().max()) < 1e-5 * scale + 1e-7, name


def test_one_step_of_everything_moves_every_part(model):
    model.train()
    mixed = collate([sample for some in samples(model).values() for sample in some])
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.0)
    first = model(mixed)["loss"]
    first.backward()
    optimiser.step()
    moved = {name.split(".")[1] if name.startswith(("links", "decoders")) else name.split(".")[0]
             for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {"eye", "projector", "language", "regions", *LINKS, *DECODERS}
    assert model(mixed)["loss"].item() < first.item()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_every_decoder_answers_in_half_precision(model, dtype):
    """As `superlens.load(..., dtype=...)` would have it: no part may fall back to another precision."""
    model = model.to(dtype)
    picture = np.random.default_rng(5).integers(0, 255, (96, 128, 3), np.uint8)
    for link, words in (("boxes", "Where?"), ("masks", "Where?"), ("keypoints", "Pose?"), ("new", "Draw."), ("edit", "Change.")):
        user = Message("user", (Image(picture), words))
        answer = model.ask(Conversation((user,)), answer_with=link, max_new_tokens=6, min_score=0.0)
        assert isinstance(answer, Message)
    user = Message("user", (Image(picture),))
    asked = [model.processor.encode(Conversation((user, Message("assistant", (part,))))) for part in parts(picture)]
    with torch.no_grad():
        losses = model(collate(asked))["losses"]
    assert {name.split(".")[0] for name in losses} >= {"detect", "segment", "pose", "paint"}
    assert all(torch.isfinite(total) for total, _ in losses.values())


def parts(picture):
    """One part of each kind."""
    mask = np.zeros((1, *picture.shape[:2]), bool)
    mask[0, 20:50, 30:70] = True
    points = Keypoints("dog", ("nose", "tail"), [[[40, 30, 2], [60, 40, 1]]])
    return Boxes("dog", [[10, 10, 60, 70]]), Masks("dog", mask), points, Image(picture[::2, ::2]), Image(picture[::-1], of=0)
