"""nano with a part more: all it had is bit-equal."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

import superlens
from superlens.data.world import World

ROOT = Path(__file__).parents[1]
ADDED = {
    "links": {"outlines": {"type": "query", "token": "[OUT]", "queries": 1, "words": True, "decoder": "rough"}},
    "decoders": {"rough": {"type": "pixel_segmenter", "channels": 16, "depth": 1, "width": 32}},
}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("extend_nano", ROOT / "tools/extend_nano.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def more(tool):
    return tool.extended(ADDED).eval()


def test_what_nano_had_is_what_it_was(more):
    state = more.state_dict()
    for name, tensor in superlens.load("nano", device="cpu").state_dict().items():
        assert tensor.equal(state[name]), name


def test_weights_of_new_parts_are_taken(tool, more, tmp_path):
    mine = {name: tensor + 1 for name, tensor in more.state_dict().items() if name.startswith("decoders.rough.")}
    save_file(mine, tmp_path / "more.safetensors")
    state = tool.extended(ADDED, tmp_path / "more.safetensors").state_dict()
    assert len(mine) > 5 and all(tensor.equal(state[name]) for name, tensor in mine.items())
    with pytest.raises(ValueError, match="holds weights of parts that this model does not have"):
        tool.extended({"links": {}, "decoders": {}}, tmp_path / "more.safetensors")


@pytest.mark.parametrize("added", [None, "pose", {"links": {}}, {"links": {}, "decoders": {}, "eye": {}}])
def test_other_sections_are_refused(tool, added):
    with pytest.raises(ValueError, match="expected the sections links and decoders"):
        tool.extended(added)


def test_names_that_nano_has_are_refused(tool):
    with pytest.raises(ValueError, match="nano has links of these names: boxes"):
        tool.extended({"links": {"boxes": ADDED["links"]["outlines"]}, "decoders": {}})


def test_new_parts_leave_the_answers_alone(more):
    example = World().examples("boxes", limit=1)[0]
    before, after = (model.ask([example.question])[0] for model in (superlens.load("nano", device="cpu"), more))
    assert before.text == after.text
    for one, two in zip(before.boxes, after.boxes, strict=True):
        np.testing.assert_array_equal(one.xyxy, two.xyxy)
