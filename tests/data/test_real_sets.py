"""The real folder named by SUPERLENS_DATA, where there is one."""

import os
from pathlib import Path

import numpy as np
import pytest

from superlens.data.augment import Augment
from superlens.data.check import check
from superlens.data.sources import open_source
from superlens.message import Boxes, Masks

FOLDER = os.environ.get("SUPERLENS_DATA")
pytestmark = pytest.mark.skipif(
    not FOLDER, reason="SUPERLENS_DATA is not set: the sources are NOT tested on the real data sets"
)
SETS = {
    "bccd/instances_val.json": (87, "boxes", 87),
    "camvid/semantic_val.json": (101, "masks", 101),
    "deeppcb/instances_val.json": (60, "boxes", 60),
    "coco_mini/instances_val.json": (48, "masks", 48 * 7),
    "coco_mini/captions_val.json": (48, "text", 48),
    "coco_mini/person_keypoints_val.json": (48, "keypoints", 48),
    "lspet/person_keypoints_val.json": (80, "keypoints", 80),
    "dlc_mouse/keypoints_val.json": (24, "keypoints", 24 * 2),
}


@pytest.mark.parametrize("name", SETS)
def test_real_files_are_sound(name):
    assert check(Path(FOLDER) / name) == []


@pytest.mark.parametrize("name", SETS)
def test_real_files_make_samples_and_examples(name):
    records, part, examples = SETS[name]
    source = open_source(Path(FOLDER) / name, augment=Augment())
    assert len(source) == records and len(source.examples(part)) == examples
    for index in range(0, records, 7):
        conversation = source.conversation(index, np.random.default_rng(index))
        assert conversation.messages[-1].role == "assistant"
    example = source.examples(part)[examples // 2]
    assert example.question.images[0].pixels.dtype == np.uint8 and example.answer.role == "assistant"


def test_unlabelled_white_cells_are_not_asked_for():
    source = open_source(Path(FOLDER) / "bccd/instances_val.json")
    hidden = [example for example in source.examples("boxes") if len(example.answer.boxes) == 2]
    assert len(hidden) == 1 and "wbc" not in hidden[0].question.messages[-1].text


def test_camvid_masks_equal_the_label_pictures():
    from PIL import Image as Pil

    source = open_source(Path(FOLDER) / "camvid/semantic_val.json")
    example = source.examples("masks")[0]
    labels = np.asarray(Pil.open(source.pictures[0].path.replace("images", "labels").replace(".jpg", ".png")))
    for value, part in enumerate(example.answer.masks):
        assert isinstance(part, Masks)
        assert (part.masks.any(0) == (labels == value)).all()


def test_coco_crowds_are_ignored():
    source = open_source(Path(FOLDER) / "coco_mini/instances_train.json")
    crowd = next(at for at, picture in enumerate(source.pictures) if picture.crowd_N.any())
    answers = [example.answer for example in source.examples("boxes")[crowd * 7 : crowd * 7 + 7]]
    ignored = [part for answer in answers for part in answer.boxes if part.ignore is not None]
    assert ignored and all(isinstance(part, Boxes) for part in ignored)


def test_points_of_real_files_are_named_in_words_and_people_without_points_are_ignored():
    mouse = open_source(Path(FOLDER) / "dlc_mouse/keypoints_val.json").examples("keypoints")
    assert mouse[0].answer.keypoints[0].names == ("snout", "leftear", "rightear", "tailbase")
    assert mouse[1].answer.keypoints[0].names[1:3] == ("finger1", "tongue") and mouse[1].answer.keypoints[0].count == 0
    people = [example.answer.keypoints[0] for example in open_source(Path(FOLDER) / "coco_mini/person_keypoints_val.json")
              .examples("keypoints")]
    assert sum(part.count for part in people) == 97
    assert sum(int(part.ignore.sum()) for part in people if part.ignore is not None) == 40
