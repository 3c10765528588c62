"""The shipped nano's keypoints: where boxes are known, and asked for in words."""

import importlib.util
from pathlib import Path

import pytest

import superlens
from superlens.data.world import World
from superlens.evaluate.runner import evaluate

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def nano():
    return superlens.load("nano", device="cpu")


def test_poses_of_figures_are_read_where_their_boxes_are_known(nano):
    spec = importlib.util.spec_from_file_location("in_true_boxes", ROOT / "benchmarks/keypoints_in_true_boxes.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    told = benchmark.measure(nano, World(), 12, 0.05)
    assert told["PCK"] > 0.45 and told["swapped"] < 0.15 and told["found"] > 0.9


def test_poses_are_answered_in_words(nano):
    assert evaluate(nano, World(), "keypoints", metric="pck:0.05", limit=16)["PCK"] > 0.42
    assert evaluate(nano, World(), "keypoints", metric="routing", limit=16)["routing"] > 0.9
