import json

import numpy as np
import pytest

from superlens.data.check import check
from superlens.data.convert import convert, write_jsonl
from superlens.data.sources import open_source
from superlens.message import Conversation, Image, Message, Text


def test_boxes_survive(write_coco, tmp_path):
    path, out = write_coco(), tmp_path / "else/where.jsonl"
    assert convert(path, out) == 3 and check(out) == []
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert records[0]["messages"][0]["content"][0]["image"] == "../images/1.png"
    before = {part.label: part.xyxy.tolist() for part in open_source(path).examples("boxes")[0].answer.boxes}
    after = {part.label: part.xyxy.tolist() for part in open_source(out).examples("boxes")[0].answer.boxes}
    assert all(before[label] == xyxy for label, xyxy in after.items()) and {"rbc", "platelets"} <= set(after)


def test_masks_survive_as_rle(write_semantic, tmp_path):
    path, sky, _ = write_semantic()
    out = tmp_path / "out.jsonl"
    convert(path, out)
    parts = {part.label: part for part in open_source(out).examples("masks")[0].answer.masks}
    assert (parts["sky"].masks[0] == sky).all()
    assert "counts" in out.read_text()


def test_every_format_becomes_jsonl(write_captions, write_voc, write_lines, chat, tmp_path):
    assert convert(write_captions(), tmp_path / "a.jsonl") == 3
    assert convert(write_voc(), tmp_path / "b.jsonl") == 2
    line = chat([{"type": "boxes", "label": "dogs", "xyxy": [[1, 2, 30, 40]]}])
    assert convert(write_lines(line), tmp_path / "c.jsonl") == 1
    llava = {"image": "images/1.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"},
                                                        {"from": "gpt", "value": "A dog."}]}
    assert convert(write_lines(json.dumps([llava]), name="l.json"), tmp_path / "d.jsonl") == 1
    for name in "abcd":
        assert check(tmp_path / f"{name}.jsonl") == []
    assert open_source(tmp_path / "d.jsonl").whole(0) == open_source(tmp_path / "l.json").whole(0)


def test_the_part_can_be_chosen_and_lines_limited(write_coco, tmp_path):
    path = write_coco(masks=True)
    assert convert(path, tmp_path / "a.jsonl", part="boxes", limit=2) == 2
    assert convert(path, tmp_path / "b.jsonl") == 3 and '"masks"' in (tmp_path / "b.jsonl").read_text()
    with pytest.raises(ValueError, match="has no masks"):
        convert(write_coco(), tmp_path / "c.jsonl", part="masks")
    assert not list(tmp_path.glob("*.part")) and not (tmp_path / "c.jsonl").exists()


def test_existing_files_are_left_alone(write_coco, tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        convert(write_coco(), out)
    assert out.read_text() == "mine"


def test_drawn_pictures_are_saved_beside(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    conversation = Conversation((Message("user", (Image(pixels), Text("What?"))), Message("assistant", "Noise.")))
    assert write_jsonl([conversation, conversation], tmp_path / "w.jsonl") == 2
    assert (open_source(tmp_path / "w.jsonl").whole(1).images[0].pixels == pixels).all()
    assert len(list((tmp_path / "w_pictures").glob("*.png"))) == 2
