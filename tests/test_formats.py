"""Nothing is lost in JSON; damaged JSON is refused with one sentence; COCO and supervision get what they know."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image as PilImage
from pycocotools import mask as coco_mask

from superlens.formats import from_json, rle_decode, rle_encode, to_coco, to_json, to_supervision
from superlens.media import Image
from superlens.message import Boxes, Conversation, Keypoints, Map, Masks, Message, Moments, Polygons, Region, Text
from superlens.video import Video

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (40, 60, 3), dtype=np.uint8)
MASKS = RNG.random((3, 40, 60)) > 0.6
TRIANGLE = [[1.25, 1], [20, 2.1], [3, 30]]


def everything() -> Conversation:
    return Conversation(
        (
            Message("system", "Be brief."),
            Message(
                "user",
                (
                    Image(PICTURE),
                    Video([PICTURE] * 3, fps=2.5),
                    "Find ",
                    Region.box(1, 2, 3.3, 4, positive=False),
                    Region.circle(5, 5, 2),
                    Region.point(1, 2),
                    Region.scribble([[1, 2], [3, 4]]),
                    Region.from_mask(MASKS[0]),
                ),
            ),
            Message(
                "assistant",
                (
                    "There is ",
                    Boxes("a dog", [[0.1, 1 / 3, 30, 40.3]], scores=[0.1], ignore=[False], track=[4]),
                    Boxes("ein Bär, 🐻", []),
                    Boxes("later", [[1, 1, 2, 2]], seconds=0.7),
                    Masks("cats", MASKS, xyxy=np.tile([[0, 0, 9, 9]], (3, 1)), scores=[0.1, 0.2, 0.3]),
                    Masks("none", MASKS[:0]),
                    Masks("sizeless", []),
                    Keypoints("man", ("nose", "ear"), [[[1, 2, 2], [3, 4, 0]]], area=[7.7], xyxy=[[0, 0, 4, 4]]),
                    Polygons("sign", [TRIANGLE], texts=["STOP"], scores=[1]),
                    Polygons("bare", [TRIANGLE, TRIANGLE[::-1]]),
                    Moments("run", [[0, 1.1]], scores=[0.5]),
                    Map("depth", RNG.normal(size=(40, 60, 2)), "metre"),
                ),
                notes=("could not read <box>",),
            ),
        )
    )


def refused(data, *words):
    with pytest.raises(ValueError) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_everything_survives_json():
    conversation = everything()
    again = from_json(json.loads(json.dumps(conversation.to_json())))
    assert again == conversation == Conversation.from_json(conversation.to_json())
    assert to_json(again) == to_json(conversation)
    for message in conversation.messages:
        assert from_json(json.loads(json.dumps(to_json(message)))) == message == Message.from_json(message.to_json())
        for part in message.content:
            assert from_json(json.loads(json.dumps(to_json(part)))) == part


def test_the_json_people_know():
    message = Message("assistant", ("There is ", Boxes("a dog", [[1, 2, 3.5, 4]])))
    assert message.to_json() == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "There is "},
            {"type": "boxes", "label": "a dog", "xyxy": [[1, 2, 3.5, 4]]},
        ],
    }
    assert to_json(Boxes("x", [[0.1, 0, 1, 1]], scores=[0.3]))["scores"] == [0.3]
    rle = to_json(Masks("x", MASKS[:1]))["masks"][0]
    assert rle["size"] == [40, 60] and isinstance(rle["counts"], str)
    assert to_json(Masks("x", MASKS[:0])) == {"type": "masks", "label": "x", "masks": [], "size": [40, 60]}
    plain = from_json({"messages": [{"role": "user", "content": "hi"}], "id": 7})
    assert plain == Conversation((Message("user", "hi"),))


@pytest.mark.parametrize("seed", range(30))
def test_rle_is_cocos_and_lossless(seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 4), *rng.integers(1, 13 if seed < 20 else 300, 2)
    masks = rng.random(shape) > rng.choice([0, 0.02, 0.5, 0.98, 1])
    for mask, rle in zip(masks, rle_encode(masks), strict=True):
        assert np.array_equal(rle_decode(rle), mask)
        assert np.array_equal(rle_decode(json.loads(json.dumps(rle))), coco_mask.decode(rle).astype(bool))
        counts = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2]))).tolist()
        assert np.array_equal(rle_decode({"size": rle["size"], "counts": [0, *counts] if mask[0, 0] else counts}), mask)


def test_boxes_keep_every_bit():
    xyxy = np.random.default_rng(0).random((500, 4), dtype=np.float32)
    boxes = Boxes("x", np.concatenate([xyxy, xyxy * 1e5, xyxy * 1e-6, np.floor(xyxy * 1e9)]))
    assert from_json(json.loads(json.dumps(to_json(boxes)))).xyxy.tobytes() == boxes.xyxy.tobytes()


@pytest.mark.parametrize(
    "counts", ["", "zzzzzzz", "12", "=24000a", "é", "\u20ac", [1, 2], [-5, 53], [1.5, "x"], None, 5, "o" * 40, [2**80]]
)
def test_damaged_rle_is_refused(counts):
    with pytest.raises(ValueError):
        rle_decode({"size": [6, 8], "counts": counts})


@pytest.mark.parametrize("size", [None, [6], [6, -8], ["6", 8], [10**6, 10**6], 5])
def test_damaged_rle_size_is_refused(size):
    with pytest.raises(ValueError):
        rle_decode({"size": size, "counts": "=24000a0"})


def test_errors_name_the_place_and_the_nearest_valid_name():
    refused(
        {"messages": [{"role": "user", "content": [{"type": "boxs", "label": "a"}]}]},
        "messages[0].content[0]",
        "'boxes'",
    )
    refused({"type": "keypoint"}, "'keypoints'")
    refused({"type": 3}, "Valid types")
    refused({"type": "boxes", "label": "a", "xyxy": [], "score": [1]}, "'score'", "'scores'")
    refused({"type": "boxes", "label": "a"}, "'xyxy'", "missing")
    refused({"role": "user", "contents": "hi"}, "'contents'", "'content'")
    refused({"role": "user"}, "'content'")
    refused({"role": "usr", "content": "hi"}, "usr")
    refused({"role": "user", "content": 3}, "int")
    refused({"messages": {}}, "list")
    refused({"messages": [3]}, "messages[0]")
    refused([], "list")
    refused({"type": "image", "image": ""}, "path")
    refused({"type": "image", "image": {"url": "x"}}, "path")
    refused({"type": "masks", "label": "a", "masks": [{"size": [2, 2], "counts": "zz"}]}, "RLE")
    refused(
        {"type": "masks", "label": "a", "masks": [{"size": [1, 1], "counts": [1]}, {"size": [1, 2], "counts": [2]}]},
        "size",
    )
    refused({"type": "map", "label": "a", "values": {"shape": [2, 2, 1], "float32": "AAAA"}}, "map")
    refused({"type": "polygons", "label": "a", "points": 3}, "polygons")
    refused({"type": "boxes", "label": "a", "xyxy": {"a": 1}}, "xyxy")
    with pytest.raises(ValueError, match="become JSON"):
        to_json("words")


def test_pictures_are_found_from_the_root(tmp_path):
    (tmp_path / "images").mkdir()
    PilImage.fromarray(PICTURE).save(tmp_path / "images" / "a.png")
    conversation = Conversation((Message("user", (Image(tmp_path / "images" / "a.png"), "hi")),))
    data = conversation.to_json(root=tmp_path)
    assert data["messages"][0]["content"][0] == {"type": "image", "image": "images/a.png"}
    again = Conversation.from_json(data, root=tmp_path)
    assert again == conversation and again.images[0].size == (60, 40)
    assert to_json(Image("/elsewhere/a.png"), root=tmp_path)["image"] == "/elsewhere/a.png"
    assert from_json({"type": "image", "image": "https://a.b/c.png"}, root=tmp_path).source == "https://a.b/c.png"
    assert from_json(to_json(Image("x.png", size=(3, 4)))).size == (3, 4)


def test_to_coco():
    data = to_coco([everything(), Message("assistant", (Boxes("a dog", [[1, 1, 2, 3]], ignore=[True], image=1),))])
    json.dumps(data)
    assert [image["id"] for image in data["images"]] == [1, 2, 3] and data["images"][0]["width"] == 60
    names = [category["name"] for category in data["categories"]]
    assert names[0] == "a dog" and "run" not in names and "later" not in names and "none" in names
    first, last = data["annotations"][0], data["annotations"][-1]
    assert first["bbox"] == pytest.approx([0.1, 1 / 3, 29.9, 40.3 - 1 / 3], abs=1e-5) and first[
        "score"
    ] == pytest.approx(0.1)
    assert last == {
        "id": len(data["annotations"]),
        "image_id": 3,
        "category_id": 1,
        "bbox": [1, 1, 1, 2],
        "area": 2,
        "iscrowd": 1,
    }
    masks = [a for a in data["annotations"] if a["category_id"] == names.index("cats") + 1]
    assert np.array_equal(coco_mask.decode(masks[1]["segmentation"]), MASKS[1]) and masks[1]["area"] == MASKS[1].sum()
    person = next(a for a in data["annotations"] if "keypoints" in a)
    assert (
        person["num_keypoints"] == 1
        and person["keypoints"] == [1, 2, 2, 3, 4, 0]
        and person["area"] == pytest.approx(7.7)
    )
    assert data["categories"][person["category_id"] - 1]["keypoints"] == ["nose", "ear"]
    sign = next(a for a in data["annotations"] if isinstance(a.get("segmentation"), list))
    assert sign["area"] > 0 and len(sign["segmentation"][0]) == 6
    boxes = Message("assistant", (Boxes("b", [[0, 0, 1, 1]]),))
    assert to_coco(boxes, categories=["a", "b"])["annotations"][0]["category_id"] == 2
    with pytest.raises(ValueError, match="'b'"):
        to_coco(boxes, categories=["a"])


def test_coco_loads_what_we_write(tmp_path):
    from pycocotools.coco import COCO

    (tmp_path / "c.json").write_text(json.dumps(to_coco(everything())))
    coco = COCO(str(tmp_path / "c.json"))
    masks = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["cats"])))
    assert np.array_equal(coco.annToMask(masks[2]), MASKS[2])


def test_to_supervision():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = to_supervision(Boxes("dog", [[1, 2, 3, 4], [5, 6, 7, 8]], scores=[0.5, 0.6], track=[1, 2]))
    assert found.xyxy.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]] and found.confidence.tolist() == pytest.approx(
        [0.5, 0.6]
    )
    assert found.data["class_name"].tolist() == ["dog", "dog"] and found.tracker_id.tolist() == [1, 2]
    assert np.array_equal(to_supervision(Masks("m", MASKS)).mask, MASKS)
    assert len(to_supervision(Boxes("dog", []))) == len(to_supervision(Masks("m", MASKS[:0]))) == 0
    assert to_supervision(Polygons("s", [TRIANGLE])).xyxy.tolist() == [[1.25, 1, 20, 30]]
    assert to_supervision(Keypoints("man", ("a",), [[[1, 2, 2]]])).xy.tolist() == [[[1, 2]]]
    with pytest.raises(ValueError, match="Text"):
        to_supervision(Text("x"))
