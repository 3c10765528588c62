"""nano with a part more: all it had is bit-equal, and the keypoint decoder that comes with the tools reads poses."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import superlens
from superlens.data.world import World

ROOT = Path(__file__).parents[1]


def script(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return script("tools/extend_nano.py")


@pytest.fixture(scope="module")
def more(tool):
    return tool.extended(tool.ADDED, tool.KEYPOINTS).eval()


def test_what_nano_had_is_what_it_was(more):
    state = more.state_dict()
    for name, tensor in superlens.load("nano", device="cpu").state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_poses_of_figures_are_read_where_their_boxes_are_known(more):
    told = script("benchmarks/keypoints_in_true_boxes.py").measure(more, World(), 12, 0.05)
    assert told["PCK"] > 0.45 and told["swapped"] < 0.15 and told["found"] > 0.9


def test_the_same_poses_from_fresh_weights_are_wrong(tool):
    told = script("benchmarks/keypoints_in_true_boxes.py").measure(tool.extended(tool.ADDED, None).eval(), World(), 4, 0.05)
    assert told["PCK"] < 0.2


def test_weights_of_parts_that_are_not_there_are_refused(tool):
    with pytest.raises(ValueError, match="holds weights of parts that this model does not have"):
        tool.extended({"links": {}, "decoders": {}}, tool.KEYPOINTS)


@pytest.mark.parametrize("added", [None, "pose", {"links": {}}, {"links": {}, "decoders": {}, "eye": {}}])
def test_other_sections_are_refused(tool, added):
    with pytest.raises(ValueError, match="expected the sections links and decoders"):
        tool.extended(added, None)


def test_new_parts_leave_the_answers_alone(more):
    example = World().examples("boxes", limit=1)[0]
    before, after = (model.ask([example.question])[0] for model in (superlens.load("nano", device="cpu"), more))
    assert before.text == after.text
    for one, two in zip(before.boxes, after.boxes, strict=True):
        np.testing.assert_array_equal(one.xyxy, two.xyxy)
