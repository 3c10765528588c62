import json

import pytest

from superlens.data.check import check

BOX = {"type": "boxes", "label": "dogs", "xyxy": [[1, 2, 30, 40]]}


def found(path):
    return {(problem.record, problem.sentence) for problem in check(path)}


def has(path, record, words):
    return any(name == record and words in sentence for name, sentence in found(path))


def test_sound_files_are_clean(write_coco, write_semantic, write_captions, write_voc, write_lines, chat):
    assert check(write_coco(masks=True)) == [] and check(write_captions()) == [] and check(write_voc()) == []
    assert check(write_semantic()[0]) == [] and check(write_lines(chat([BOX]))) == [] and check("world") == []


@pytest.mark.parametrize(
    ("record", "words", "change"),
    [
        ("image 2", "more than one image", lambda data: data["images"][2].update(id=2)),
        ("image 1", "whole numbers above 0", lambda data: data["images"][0].update(width=0)),
        ("image 1", "file_name", lambda data: data["images"][0].pop("file_name")),
        ("image 2", "is also that of image 1", lambda data: data["images"][1].update(file_name="images/1.png")),
        ("image 1", "the picture", lambda data: data["images"][0].update(width=70)),
        ("image 1", "does not exist", lambda data: data["images"][0].update(file_name="images/gone.png")),
        ("image 1", "no category of the file", lambda data: data["images"][0].update(unlabelled_classes=["cow"])),
        ("category 1", "more than one category", lambda data: data["categories"][1].update(id=1)),
        ("category 2", "expected a word", lambda data: data["categories"][1].update(name=" ")),
        ("annotation 1", "more than one annotation", lambda data: data["annotations"][1].update(id=1)),
        ("annotation 1", "image_id 9", lambda data: data["annotations"][0].update(image_id=9)),
        ("annotation 1", "category_id 9", lambda data: data["annotations"][0].update(category_id=9)),
        ("annotation 1", "is empty", lambda data: data["annotations"][0].update(bbox=[1, 1, 0, 5])),
        ("annotation 1", "leaves the picture", lambda data: data["annotations"][0].update(bbox=[1, 1, 5, 50])),
        ("annotation 1", "leaves the picture", lambda data: data["annotations"][0].update(bbox=[-3, 1, 5, 5])),
        ("annotation 1", "expected [x, y", lambda data: data["annotations"][0].update(bbox=[1, 1, 5])),
        ("annotation 1", "expected [x, y", lambda data: data["annotations"][0].update(bbox=[1, 1, 5, float("nan")])),
        ("annotation 1", "iscrowd", lambda data: data["annotations"][0].update(iscrowd=2)),
        ("annotation 1", "polygon", lambda data: data["annotations"][0].update(segmentation=[[1, 2, 3, 4]])),
        ("annotation 1", "leaves", lambda data: data["annotations"][0].update(segmentation=[[1, 2, 90, 4, 5, 9]])),
        ("annotation 1", "mask is broken",
         lambda data: data["annotations"][0].update(segmentation={"size": [48, 64], "counts": "zz~"})),
        ("annotation 1", "of size",
         lambda data: data["annotations"][0].update(segmentation={"size": [64, 48], "counts": [64 * 48]})),
        ("annotation 1", "add up",
         lambda data: data["annotations"][0].update(segmentation={"size": [48, 64], "counts": [5, 5]})),
        ("annotation 1", "mask is empty",
         lambda data: data["annotations"][0].update(segmentation={"size": [48, 64], "counts": [48 * 64]})),
        ("annotation 1", "do not touch",
         lambda data: data["annotations"][0].update(segmentation=[[40, 40, 60, 40, 60, 46]])),
    ],
)
def test_each_broken_record_is_named(write_coco, record, words, change):
    path = write_coco(change)
    assert has(path, record, words), found(path)


def test_truncated_and_foreign_pictures(write_coco, tmp_path):
    path = write_coco()
    whole = (tmp_path / "images/1.png").read_bytes()
    (tmp_path / "images/1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "images/2.png").write_text("no picture")
    assert [problem.record for problem in check(path)] == ["image 1", "image 2"]


def test_all_problems_are_found_at_once(write_coco):
    def spoil(data):
        data["annotations"][0]["category_id"] = 9
        data["annotations"][3]["bbox"] = [1, 1, 0, 0]
        data["images"][2]["file_name"] = "images/none.png"

    assert {problem.record for problem in check(write_coco(spoil))} == {"annotation 1", "annotation 4", "image 3"}


def test_captions_must_say_something(write_captions):
    path = write_captions()
    data = json.loads(path.read_text())
    data["annotations"][1]["caption"] = "  "
    path.write_text(json.dumps(data))
    assert has(path, "annotation 1", "caption is empty")


def test_voc_records(write_voc, save_picture):
    folder = write_voc([("dog", 10, 10, 70, 20, 0), ("cat", 5, 5, 4, 9, 0)])
    save_picture(folder / "JPEGImages/two.png", width=30)
    (folder / "Annotations/bad.xml").write_text("<annotation>")
    assert has(folder, "one.xml", 'of "dog" leaves') and has(folder, "one.xml", 'of "cat" is empty')
    assert has(folder, "two.xml", "the picture") and has(folder, "bad.xml", "not valid XML")


def test_jsonl_lines(write_lines, chat):
    outside = {"type": "boxes", "label": "dogs", "xyxy": [[1, 2, 90, 40]]}
    question = {"messages": chat("x")["messages"][:1]}
    path = write_lines(chat([BOX]), "{broken", chat([outside]), chat("Two.", picture="images/gone.png"), question,
                       chat([{"type": "boxs", "label": "x", "xyxy": []}]))
    assert [problem.record for problem in check(path)] == [f"line {line}" for line in range(2, 7)]
    assert has(path, "line 2", "not valid JSON") and has(path, "line 3", "leaves its picture")
    assert has(path, "line 4", "does not exist") and has(path, "line 5", "nothing to learn")
    assert has(path, "line 6", "boxes")


def test_llava_records(write_lines):
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]
    records = [{"id": 1, "image": "images/1.png", "conversations": turns},
               {"id": 1, "image": "images/1.png", "conversations": turns},
               {"id": 2, "image": "images/gone.png", "conversations": turns},
               {"id": 3, "conversations": turns}]
    path = write_lines(json.dumps(records), name="llava.json")
    assert has(path, "record 2 (id 1)", "repeats record 1") and has(path, "record 3 (id 2)", "does not exist")
    assert has(path, "record 4 (id 3)", "has 0 pictures") and len(check(path)) == 3


def test_files_that_can_not_be_read_are_one_problem(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"images": [\n  oops')
    assert [problem.record for problem in check(path)] == ["file"] and has(path, "file", "line 2")
    assert [problem.record for problem in check(tmp_path / "gone.json")] == ["file"]


def test_progress_sees_every_picture(write_coco):
    seen = []
    check(write_coco(), progress=lambda records: [seen.append(record) or record for record in records])
    assert len(seen) == 3
