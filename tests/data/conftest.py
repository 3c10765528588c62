"""Tiny data sets, written anew for every test."""

import json

import numpy as np
import pytest
from PIL import Image as Pil
from pycocotools import mask as coco_mask

WIDTH, HEIGHT = 64, 48


def save_picture(path, width=WIDTH, height=HEIGHT, seed=0, grey=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) if grey else (height, width, 3)
    Pil.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


def rle(mask_hw):
    encoded = coco_mask.encode(np.asfortranarray(mask_hw.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


@pytest.fixture
def write_coco(tmp_path):
    """A COCO instances file of three pictures; `change(data)` edits it before it is written."""

    def write(change=None, name="instances.json", masks=False):
        for number in (1, 2, 3):
            save_picture(tmp_path / f"images/{number}.png", seed=number, grey=number == 3)
        boxes = [(1, 1, [5, 5, 20, 10]), (1, 1, [30, 20, 20, 20]), (1, 2, [0, 0, 64, 48]), (2, 3, [10.5, 8, 16, 16])]
        annotations = [
            {"id": at, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for at, (image, category, box) in enumerate(boxes, 1)
        ]
        if masks:
            for annotation in annotations:
                x, y, w, h = annotation["bbox"]
                annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        data = {
            "images": [
                {"id": n, "file_name": f"images/{n}.png", "width": WIDTH, "height": HEIGHT} for n in (1, 2, 3)
            ],
            "annotations": annotations,
            "categories": [
                {"id": n, "name": name} for n, name in enumerate(("RBC", "Platelets", "traffic light"), 1)
            ],
        }
        if change:
            change(data)
        path = tmp_path / name
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def write_semantic(tmp_path):
    """A semantic COCO file: left half sky, right bottom road, the rest void."""

    def write(overlap=False):
        save_picture(tmp_path / "images/1.png")
        sky = np.zeros((HEIGHT, WIDTH), bool)
        sky[:, :32] = True
        road = np.zeros((HEIGHT, WIDTH), bool)
        road[24:, (20 if overlap else 32) :] = True
        data = {
            "info": {"semantic": True},
            "images": [{"id": 1, "file_name": "images/1.png", "width": WIDTH, "height": HEIGHT}],
            "annotations": [
                {"id": at, "image_id": 1, "category_id": at - 1, "iscrowd": 0, "segmentation": rle(mask),
                 "bbox": [float(value) for value in box], "area": int(mask.sum())}
                for at, (mask, box) in enumerate([(sky, (0, 0, 32, 48)), (road, (32, 24, 32, 24))], 1)
            ],
            "categories": [{"id": 0, "name": "Sky"}, {"id": 1, "name": "Road"}, {"id": 2, "name": "SignSymbol"}],
        }
        path = tmp_path / "semantic.json"
        path.write_text(json.dumps(data))
        return path, sky, road

    return write


@pytest.fixture
def write_captions(tmp_path):
    def write():
        save_picture(tmp_path / "images/1.png")
        save_picture(tmp_path / "images/2.png")
        said = [(1, "a dog  on a bench "), (1, "A dog sits."), (2, "two cats")]
        data = {
            "images": [{"id": n, "file_name": f"images/{n}.png", "width": WIDTH, "height": HEIGHT} for n in (1, 2)],
            "annotations": [{"id": at, "image_id": image, "caption": words} for at, (image, words) in enumerate(said)],
        }
        path = tmp_path / "captions.json"
        path.write_text(json.dumps(data))
        return path

    return write


@pytest.fixture
def write_voc(tmp_path):
    """A VOC folder with two pictures; `objects` are (name, xmin, ymin, xmax, ymax, difficult) of the first."""

    def write(objects=(("dog", 1, 1, 64, 48, 0), ("cat", 11, 6, 20, 30, 1)), size=(WIDTH, HEIGHT), picture=True):
        folder = tmp_path / "voc"
        (folder / "Annotations").mkdir(parents=True, exist_ok=True)
        for stem, things in (("one", objects), ("two", ())):
            if picture:
                save_picture(folder / f"JPEGImages/{stem}.png")
            inner = "".join(
                f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}"
                f"</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
                for name, x1, y1, x2, y2, difficult in things
            )
            (folder / f"Annotations/{stem}.xml").write_text(
                f"<annotation><filename>{stem}.png</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
                f"<depth>3</depth></size>{inner}</annotation>"
            )
        return folder

    return write


@pytest.fixture
def write_lines(tmp_path):
    """A JSONL file of the given objects (or raw strings)."""

    def write(*lines, name="data.jsonl"):
        save_picture(tmp_path / "images/1.png")
        path = tmp_path / name
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
        return path

    return write


def chat(answer, question="Where are dogs?", picture="images/1.png"):
    return {
        "messages": [
            {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": question}]},
            {"role": "assistant", "content": answer},
        ]
    }


@pytest.fixture(name="save_picture")
def save_picture_fixture():
    return save_picture


@pytest.fixture(name="chat")
def chat_fixture():
    return chat
