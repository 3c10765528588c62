import numpy as np
import pytest

from superlens.data.sources import open_source
from superlens.data.sources.voc import VocSource


def test_voc_counts_from_one_and_includes_the_last_pixel(write_voc):
    source = open_source(write_voc())
    assert isinstance(source, VocSource) and len(source) == 2 and source.names == ("cat", "dog")
    cat, dog = source.examples("boxes")[0].answer.boxes
    assert dog.xyxy.tolist() == [[0, 0, 64, 48]] and dog.ignore is None
    assert cat.xyxy.tolist() == [[10, 5, 20, 30]] and cat.ignore.tolist() == [True]
    assert [part.count for part in source.examples("boxes")[1].answer.boxes] == [0, 0]
    assert source.examples("boxes")[0].picture == "one"


def test_files_that_count_from_zero_are_taken_as_they_stand(write_voc):
    source = open_source(write_voc([("dog", 0, 0, 64, 48, 0), ("cat", 11, 6, 20, 30, 0)]))
    assert source.examples("boxes")[0].answer.boxes[0].xyxy.tolist() == [[11, 6, 20, 30]]


def test_one_xml_file(write_voc):
    source = open_source(write_voc() / "Annotations" / "one.xml")
    assert len(source) == 1
    conversation = source.conversation(0, np.random.default_rng(0))
    assert conversation.images[0].size == (64, 48)


def test_a_split_is_read_from_its_list(write_voc):
    folder = write_voc()
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/train.txt").write_text("one 1\n")
    assert len(open_source(folder, split="train")) == 1
    with pytest.raises(ValueError, match="split val"):
        open_source(folder, split="val")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objects": [("dog", 10, 10, 70, 20, 0)]}, "leaves its picture"),
        ({"objects": [("dog", 10, 10, 9, 20, 0)]}, "is empty"),
        ({"objects": [("", 10, 10, 20, 20, 0)]}, "no <name>"),
        ({"objects": [("dog", "x", 10, 20, 20, 0)]}, "four numbers"),
        ({"picture": False}, "no picture"),
        ({"objects": ()}, "nothing to ask"),
    ],
)
def test_broken_files_are_refused(write_voc, options, words):
    with pytest.raises(ValueError, match=words):
        open_source(write_voc(**options))
