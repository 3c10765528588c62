"""DeepLabCut's CollectedData files: one animal or several, old and new ways to write a path, and what can be wrong in them."""

import pytest

from superlens.data.check import check
from superlens.data.convert import convert
from superlens.data.sources import open_source
from superlens.data.sources.deeplabcut import DeepLabCutSource
from superlens.data.sources.files import recognise

# A mouse whose snout and tail base are labelled; a frame without it; one with a point that is half written.
SINGLE = """scorer,Ann,Ann,Ann,Ann,Ann,Ann
bodyparts,snout,snout,leftEar,leftEar,Tail_base,Tail_base
coords,x,y,x,y,x,y
labeled-data\\m1\\img0.png,10.5,20,,,30.5,20
labeled-data\\m1\\img1.png,,,,,NaN,nan
labeled-data\\m1\\img2.png,,,5,6,1,
"""
NEW = """scorer,,,Ann,Ann,Ann,Ann
bodyparts,,,hand,hand,finger,finger
coords,,,x,y,x,y
labeled-data,m1,img0.png,10,20,30,40
"""
SEVERAL = """scorer,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann
individuals,mouse1,mouse1,mouse1,mouse1,mouse2,mouse2,mouse2,mouse2,single,single
bodyparts,nose,nose,tail,tail,nose,nose,tail,tail,corner1,corner1
coords,x,y,x,y,x,y,x,y,x,y
labeled-data/m1/img0.png,10,10,20,10,40,40,50,30,1,2
labeled-data/m1/img1.png,,,,,40,40,,,,
"""


@pytest.fixture
def write(tmp_path, save_picture):
    """A CSV of a project, its pictures beside it; returns the file."""

    def write(text, video="m1", pictures=3):
        folder = tmp_path / "labeled-data" / video
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(pictures):
            save_picture(folder / f"img{number}.png", seed=number)
        path = folder / "CollectedData_Ann.csv"
        path.write_text(text)
        return path

    return write


def parts(source):
    return [example.answer.keypoints[0] for example in source.examples("keypoints")]


def test_one_animal(write):
    source = open_source(write(SINGLE))
    assert isinstance(source, DeepLabCutSource) and len(source) == 3 and source.tasks == {"keypoints": 1}
    first, none, third = parts(source)
    assert first.label == "animal" and first.names == ("snout", "left ear", "tail base")
    assert first.xyv.tolist() == [[[10.5, 20, 2], [0, 0, 0], [30.5, 20, 2]]] and first.ignore is None
    # Extent 20 x 0; a fifth of the longer side is 4, and 8 pixels is the least.
    assert first.xyxy.tolist() == [[2.5, 12, 38.5, 28]]
    assert none.count == 0 and third.xyv.tolist() == [[[0, 0, 0], [5, 6, 2], [0, 0, 0]]], "half a point is none"
    assert source.pictures[0].id == "labeled-data/m1/img0.png" and source.examples("keypoints")[0].question.images[0].size == (64, 48)


def test_the_new_way_to_write_paths_and_a_word_of_ones_own(write):
    (part,) = parts(open_source(write(NEW), thing="Mouse"))
    assert part.label == "mouse" and part.names == ("hand", "finger") and part.xyv[0].tolist() == [[10, 20, 2], [30, 40, 2]]
    assert part.xyxy.tolist() == [[2, 12, 38, 48]]


def test_several_animals_and_points_of_the_scene(write):
    source = open_source(write(SEVERAL))
    assert source.names == ("mouse", "scene")
    mice, scene, one, nothing = parts(source)
    assert mice.names == ("nose", "tail") and mice.xyv[:, :, 0].tolist() == [[10, 20], [40, 50]]
    assert scene.label == "scene" and scene.names == ("corner1",) and scene.xyv.tolist() == [[[1, 2, 2]]]
    assert one.count == 1 and one.xyv.tolist() == [[[40, 40, 2], [0, 0, 0]]] and nothing.count == 0
    assert parts(open_source(write(SEVERAL.replace("mouse", "individual"))))[0].label == "animal"


def test_a_project_is_a_folder(write, tmp_path):
    write(SINGLE), write(SINGLE.replace("m1", "m2"), video="m2")
    for folder in (tmp_path, tmp_path / "labeled-data", tmp_path / "labeled-data" / "m2"):
        assert recognise(folder) == "deeplabcut"
        assert len(open_source(folder)) == (3 if folder.name == "m2" else 6) and check(folder) == []
    write(NEW, video="m2")
    with pytest.raises(ValueError, match="names other points of the animal"):
        open_source(tmp_path)


def test_pictures_are_found_in_the_root(write, tmp_path, save_picture):
    path = write(NEW, pictures=0)
    with pytest.raises(ValueError, match=r"m1/img0\.png"):
        open_source(path)
    save_picture(tmp_path / "else" / "img0.png")
    assert len(open_source(path, root=tmp_path / "else")) == 1


def test_it_becomes_our_jsonl(write, tmp_path):
    assert convert(write(SINGLE), tmp_path / "out.jsonl") == 3 and check(tmp_path / "out.jsonl") == []
    assert [part.count for part in parts(open_source(tmp_path / "out.jsonl"))] == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SINGLE.replace("10.5", "ten"), 'labeled-data/m1/img0.png: The x of its point "snout" is no number'),
        (SINGLE.replace("30.5", "99"), r'img0.png: Its point "tail base" \(99, 20\) is outside the picture of 64 x 48'),
        (SINGLE.replace("img1", "img9"), "img9.png"),
        (SINGLE.replace("coords,x,y", "coords,x,likelihood"), "predictions of DeepLabCut"),
        (SINGLE.replace("coords,x,y", "coords,x,z"), "without a column x and a column y"),
        (SINGLE.replace("bodyparts", "parts"), 'no row "bodyparts"'),
        (SINGLE.split("labeled")[0], "no labelled frames"),
    ],
)
def test_broken_files_are_refused(write, text, words):
    path = write(text)
    with pytest.raises(ValueError, match=words):
        open_source(path)
    assert len(check(path)) == (0 if "labelled frames" in words else 1)
