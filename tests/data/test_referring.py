"""Referring expressions of files: what they mean, what is refused, and that reading them runs nothing."""

import json
import os
import pickle

import numpy as np
import pytest
from conftest import HEIGHT, WIDTH, save_picture
from PIL import Image as Pil

from superlens.data.augment import Augment
from superlens.data.check import check
from superlens.data.sources import open_source
from superlens.data.sources.refer_files import read_pickle
from superlens.data.sources.referring import ReferringSource
from superlens.message import Boxes, Masks


def ref(number, image, annotations, *sentences, split="train", **more):
    said = [{"sent": words, "raw": words.upper(), "sent_id": number * 10 + at} for at, words in enumerate(sentences)]
    return {"ref_id": number, "image_id": image, "ann_id": annotations, "sentences": said, "split": split} | more


@pytest.fixture
def write_refs(write_coco, tmp_path):
    """refs beside COCO's instances.json; annotations 1, 2, 3 are on image 1, annotation 4 on image 2."""

    def write(refs, name="refs(unc).p", masks=True, protocol=2):
        write_coco(masks=masks)
        path = tmp_path / name
        path.write_text(json.dumps(refs)) if name.endswith(".json") else path.write_bytes(pickle.dumps(refs, protocol))
        return path

    return write


USUAL = [
    ref(1, 1, 1, "the small cell", "small  cell on the left"),
    ref(2, 1, 2, "the big cell", split="val"),
    ref(3, 2, 4, "the only cell", split="testA"),
]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_refcoco_pickles(write_refs, protocol):
    source = open_source(write_refs(USUAL, protocol=protocol))
    assert isinstance(source, ReferringSource) and len(source) == 1 and source.parts == ("boxes", "masks")
    said, kinds = set(), set()
    for seed in range(40):
        talk = source.conversation(0, np.random.default_rng(seed))
        (part,) = talk.messages[1].outputs
        said.add(part.label)
        kinds.add(type(part))
        assert part.label in talk.messages[0].text and part.count == 1
        if isinstance(part, Boxes):
            assert part.xyxy.tolist() == [[5, 5, 25, 15]]
        else:
            assert part.masks[0, 5:15, 5:25].all() and part.masks[0].sum() == 200
    assert said == {"the small cell", "small cell on the left"} and kinds == {Boxes, Masks}
    (example,) = source.examples("boxes")
    assert example.answer.boxes[0].label == "the big cell" and example.task == "refer_boxes" and example.picture == 1
    assert len(open_source(source.name, split="testA").examples("masks")) == 1
    with pytest.raises(ValueError, match="no split 'test'"):
        open_source(source.name, split="test")
    assert check(source.name) == []


def test_several_things_and_none(write_refs):
    refs = [ref(1, 1, [1, 2], "both cells"), ref(2, 1, [-1], "the dog", no_target=True), ref(3, 2, [4], "a cell")]
    source = open_source(write_refs(refs, "grefs(unc).json"))
    assert len(source) == 3 and len(source.examples("masks")) == 3  # no validation split: everything
    parts = [example.answer.boxes[0] for example in source.examples("boxes")]
    assert [part.count for part in parts] == [2, 0, 1] and parts[1].label == "the dog"


def _is_mirrored(talk, source):
    """Whether the picture, whose left half is black, is shown with that half on the right."""
    columns = talk.images[0].pixels.mean((0, 2))
    return bool(columns[0] > columns[-1])


def test_views_follow_and_sides_are_not_mirrored(write_refs):
    path = write_refs(USUAL)
    half = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half[:, WIDTH // 2 :] = 255
    Pil.fromarray(half).save(path.parent / "images/1.png")
    source = open_source(path, augment=Augment(side=HEIGHT, long_side=WIDTH, scale=(1, 1), flip=True), tasks={"refer_boxes": 1})
    mirrored = {"small cell on the left": 0, "the small cell": 0}
    for seed in range(80):
        talk = source.conversation(0, np.random.default_rng(seed))
        (part,) = talk.messages[1].boxes
        assert part.count <= 1
        mirrored[part.label] += _is_mirrored(talk, source)
    assert mirrored["small cell on the left"] == 0 < mirrored["the small cell"]
    with pytest.raises(ValueError, match="can not teach the task"):
        open_source(source.name, tasks={"count": 1})
    without = open_source(write_refs(USUAL, masks=False))
    assert without.parts == ("boxes",)
    with pytest.raises(ValueError, match="no part"):
        without.examples("masks")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/superlens-was-here",)


def test_a_pickle_is_read_and_never_run(tmp_path):
    path = tmp_path / "refs.p"
    for content in ([Evil()], [{"a": np.zeros(2)}]):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(ValueError, match="could run code"):
            read_pickle(path)
    path.write_bytes(pickle.dumps([{"a": 1}])[:-4])
    with pytest.raises(ValueError, match="pickle"):
        read_pickle(path)
    assert not os.path.exists("/tmp/superlens-was-here")
    path.write_bytes(pickle.dumps([{"sentences": []}], 2))
    with pytest.raises(ValueError, match=r"instances\.json beside"):
        open_source(path)


def test_broken_refs_are_named(write_refs, tmp_path):
    refs = [ref(7, 99, 1, "a cell"), ref(8, 1, 77, "a cell"), ref(9, 1, 1), ref(10, 1, 1, "fine")]
    path = write_refs(refs)
    problems = check(path)
    assert [problem.record for problem in problems] == ["ref 7", "ref 8", "ref 9"]
    assert "image 99" in problems[0].sentence and "annotation 77" in problems[1].sentence and "no sentence" in problems[2].sentence
    with pytest.raises(ValueError, match="ref 7"):
        open_source(path)
    path = write_refs(USUAL)
    (tmp_path / "images/1.png").unlink()
    assert [problem.record for problem in check(path)] == ["image 1"]


@pytest.fixture
def write_reasons(tmp_path):
    def write(**files):
        folder = tmp_path / "val"
        for at, (name, content) in enumerate(files.items()):
            save_picture(folder / f"{name}.jpg", seed=at)
            (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    return write


SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


def test_reasonseg(write_reasons):
    shapes = [
        {"label": "target", "points": SQUARE},
        {"label": "target", "points": [[40, 2], [50, 2], [50, 12]]},
        {"label": "ignore", "points": [[0, 40], [20, 40], [20, 47], [0, 47]]},
    ]
    folder = write_reasons(
        one={"text": ["What would you sit on?"], "is_sentence": True, "shapes": shapes},
        two={"text": ["the chair"], "is_sentence": False, "shapes": shapes[:1]},
        three={"text": ["What barks?"], "is_sentence": True, "shapes": []},
    )
    source = open_source(folder)
    assert len(source) == 3 and check(folder) == []
    by_name = {example.picture: example for example in source.examples("masks")}
    one = by_name["one"].answer.masks[0]
    assert by_name["one"].task == "reason_masks" and one.label == "it" and one.ignore.tolist() == [False, True]
    assert "hat would you sit on?" in by_name["one"].question.messages[0].text
    assert one.masks[0, 11:29, 11:29].all() and one.masks[0].sum() == pytest.approx(400 + 50, abs=25)
    assert one.masks.shape == (2, HEIGHT, WIDTH) and one.masks[1, 42, 5]
    assert by_name["two"].task == "refer_masks" and by_name["two"].answer.masks[0].label == "the chair"
    assert by_name["three"].answer.masks[0].count == 0
    for seed in range(12):
        talk = source.conversation(seed % 3, np.random.default_rng(seed))
        assert len(talk.messages[1].outputs) == 1


def test_broken_reasons_are_named(write_reasons):
    folder = write_reasons(
        a={"text": "What?", "shapes": [{"label": "target", "points": [[1, 2]]}]},
        b={"shapes": []},
        c={"text": "What?", "shapes": [{"points": SQUARE}]},
        d={"text": ["Fine?"], "shapes": [{"label": "target", "points": SQUARE}]},
        e={"text": ["What?"], "shapes": []},
    )
    (folder / "e.jpg").unlink()
    problems = {problem.record: problem.sentence for problem in check(folder)}
    assert sorted(problems) == ["a.json", "b.json", "c.json", "e.json"]
    assert "three points" in problems["a.json"] and "text" in problems["b.json"] and "label" in problems["c.json"]
    assert "no picture" in problems["e.json"]
    with pytest.raises(ValueError, match=r"a\.json"):
        open_source(folder)
