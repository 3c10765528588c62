"""Requests for points of one thing are drawn to right angles."""

import numpy as np
import tiny
import torch
from torch.nn import functional as F

from superlens.lessons.apart import Apart
from superlens.message import Conversation, Image, Keypoints, Message
from superlens.recipes.schema import Stage
from superlens.train import trainer
from superlens.train.rows import GlanceCollator

POSE = {
    "links": {"keypoints": {"type": "keypoint", "token": "[POSE]", "point": "[POINT]", "queries": 1, "words": True, "decoder": "pose"}},
    "decoders": {"pose": {"type": "keypoint_detector", "channels": 16, "depth": 1, "width": 16, "fine": 16, "widths": [16, 16, 16]}},
}


def batch_of(model, *talks):
    shown = Message("user", Image(np.zeros((64, 64, 3), np.uint8)))
    samples = [model.processor.encode(Conversation((shown, Message("assistant", talk)))) for talk in talks]
    return GlanceCollator({"apart": Apart.of(model.processor)})(samples)["batch"]


def pose(names):
    xyv = np.tile(np.array([20, 20, 2], np.float32), (1, len(names), 1))
    return Keypoints("person", tuple(names), xyv, np.array([[8, 8, 40, 40]], np.float32))


def test_points_that_have_siblings_count():
    model = tiny.model(**POSE)
    assert batch_of(model, pose(["left knee", "right knee", "nose"]), pose(["nose"])).lessons["apart"].count == 3
    assert batch_of(model, pose(["nose"])).lessons["apart"].count == 0


def test_the_loss_is_the_mean_squared_cosine_to_the_others():
    model = tiny.model(**POSE)
    batch = batch_of(model, pose(["left knee", "right knee", "nose"]))
    outputs = model.answer(batch)
    vectors = F.normalize(outputs.asked[0].requests.vectors_KnC.mean(1)[1:], dim=1)
    cosines = (vectors @ vectors.T).square() - torch.eye(3)
    total, count = batch.lessons["apart"].loss(model, outputs)
    torch.testing.assert_close(total, cosines.sum() / 2)
    assert count == 3


def test_a_stage_of_it_tells_left_from_right(tmp_path):
    model = tiny.model(**POSE)
    names = ("left knee", "right knee")

    def cosine():
        asked = model.answer(batch_of(model, pose(names))).asked[0].requests
        return float(F.cosine_similarity(*asked.vectors_KnC.mean(1)[1:], dim=0).detach().abs())

    before = cosine()
    stage = Stage(name="figures", train=["links.keypoints.*"], steps=30, batch=2, lr=1e-2, think=False, lessons=["apart"])
    rows = [Conversation((Message("user", Image(np.zeros((64, 64, 3), np.uint8))), Message("assistant", pose(names))))] * 60
    made = trainer.make_trainer(model, stage, rows, tmp_path, trainer.Precision("cpu", "float32"), 0, "none")
    made.train()
    assert before > 0.5 and cosine() < 0.2
