"""Pictures with words and edits, in the formats they are published in, read, checked and asked about."""

import json

import numpy as np
import pytest
from PIL import Image as Pil

from superlens.data.check import check
from superlens.data.sources.files import recognise
from superlens.data.sources.open import open_source


def paint(path, value, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pil.fromarray(np.full((*size[::-1], 3), value, np.uint8)).save(path, quality=95)


@pytest.fixture
def instruct(tmp_path):
    """Two prompts of InstructPix2Pix, one with two seeds."""
    seeds = [["000001", ["11", "12"]], ["000002", ["7"]]]
    (tmp_path / "seeds.json").write_text(json.dumps(seeds))
    for name, numbers in seeds:
        for number in numbers:
            paint(tmp_path / name / f"{number}_0.jpg", 20)
            paint(tmp_path / name / f"{number}_1.jpg", 200)
        (tmp_path / name / "prompt.json").write_text(json.dumps({"input": "a field", "edit": "Make it snow.", "output": "snow"}))
    return tmp_path


@pytest.fixture
def beside(tmp_path):
    for number in range(3):
        paint(tmp_path / f"0000{number}.png", 40 * number)
        (tmp_path / f"0000{number}.txt").write_text("Two dogs on a beach.\n")
    return tmp_path


def lines(folder, records, name="metadata.jsonl"):
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / name


def drawn(source, count=40):
    return [source.conversation(index % len(source), np.random.default_rng(index)) for index in range(count)]


def test_edits_of_instruct_pix2pix(instruct):
    assert recognise(instruct) == "pairs" and not check(instruct)
    source = open_source(instruct)
    assert len(source) == 3
    for talk in drawn(source, 6):
        shown, made = talk.images
        assert shown.pixels.mean() < 40 and made.pixels.mean() > 180 and made.of == 0
        assert "make it snow" in talk.messages[0].text.lower()
    example = source.examples("image")[2]
    assert example.task == "edit_image" and len(example.question.images) == 1 and example.answer.images[0].of == 0


def test_pictures_with_words_go_both_ways(beside):
    assert recognise(beside) == "pairs" and not check(beside)
    talks = drawn(open_source(beside))
    new = [talk for talk in talks if not talk.messages[0].images]
    told = [talk for talk in talks if talk.messages[0].images]
    assert len(new) > len(told) > 5
    assert all("Two dogs on a beach" in talk.messages[0].text and talk.messages[1].images[0].of is None for talk in new)
    assert all(talk.messages[1].text == "Two dogs on a beach." for talk in told)
    assert not drawn(open_source(beside, tasks={"caption_image": 1}))[3].messages[0].images


def test_examples_are_the_same_for_the_same_seed_and_worded_apart_from_training(beside):
    source = open_source(beside)
    one, two = (source.examples("image", seed=1) for _ in range(2))
    assert [item.question for item in one] == [item.question for item in two]
    said = {talk.messages[0].text for talk in drawn(source, 300)}
    assert not said & {item.question.messages[0].text for seed in range(20) for item in source.examples("image", seed=seed)}
    assert source.examples("text")[0].answer.text == "Two dogs on a beach."


@pytest.mark.parametrize("record", [
    {"file_name": "a.png", "text": "a dog"},
    {"image": "a.png", "caption": "a dog"},
    {"image_file_name": "a.png", "text": "a dog"},
    {"input_image": "b.png", "edit_prompt": "make it bright", "edited_image": "a.png"},
    {"original_image_file_name": "b.png", "instruction": "make it bright", "edited_image_file_name": "a.png"},
])  # fmt: skip
def test_lines_of_every_kind(tmp_path, record):
    paint(tmp_path / "a.png", 200)
    paint(tmp_path / "b.png", 20)
    file = lines(tmp_path, [record] * 2)
    for path in (file, tmp_path):
        assert recognise(path) == "pairs" and not check(path)
        talk = open_source(path).conversation(0, np.random.default_rng(0))
        assert talk.images[-1].pixels.mean() > 180


def test_broken_records_are_named(tmp_path, instruct):
    paint(tmp_path / "a.png", 200)
    paint(tmp_path / "b.png", 20, size=(8, 8))
    (tmp_path / "c.png").write_bytes(b"no picture")
    good = {"input_image": "a.png", "edit_prompt": "go", "edited_image": "a.png"}
    file = lines(tmp_path, [good, good | {"edited_image": "z.png"}, good | {"edit_prompt": " "}, good | {"input_image": 3},
                            good | {"input_image": "b.png"}, good | {"edited_image": "c.png"}], "edits.jsonl")
    file.write_text(file.read_text() + "{oops\n[1]\n")
    told = {problem.record: problem.sentence for problem in check(file)}
    assert set(told) == {f"line {number}" for number in (2, 3, 4, 5, 6, 7, 8)}
    assert "does not exist" in told["line 2"] and "no words" in told["line 3"] and "8 x 8" in told["line 5"]
    with pytest.raises(ValueError, match="line 2"):
        open_source(file)
    (instruct / "000002" / "prompt.json").write_text("{}")
    assert [problem.record for problem in check(instruct)] == ["prompt 000002"]


def test_mixed_and_empty_sets_are_refused(tmp_path):
    paint(tmp_path / "a.png", 200)
    edit, words = {"input_image": "a.png", "edit_prompt": "go", "edited_image": "a.png"}, {"file_name": "a.png", "text": "a dog"}
    with pytest.raises(ValueError, match="holds captions and edits"):
        open_source(lines(tmp_path, [edit, words]))
    with pytest.raises(ValueError, match="can not teach"):
        open_source(lines(tmp_path, [edit]), tasks={"caption": 1})
    with pytest.raises(ValueError, match="no part"):
        open_source(lines(tmp_path, [edit])).examples("boxes")


def test_restorations_are_learned_from_matching_squares_at_their_own_size(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "p").mkdir()
    clean = rng.integers(0, 200, (150, 400, 3)).astype(np.uint8)
    changed = {"brighter": clean + np.uint8(20), "mirrored": clean[:, ::-1], "turned": np.rot90(clean), "over": np.rot90(clean, 2)}
    records = []
    for name, before in changed.items():
        for which, pixels in (("before", before), ("after", clean)):
            Pil.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "p" / f"{name}_{which}.png")
        records.append({"input_image": f"p/{name}_before.png", "edited_image": f"p/{name}_after.png", "edit_prompt": "mend it",
                        "restored": True})  # fmt: skip
    source = open_source(lines(tmp_path, records))
    seen = set()
    for seed in range(6):
        shown, made = source.conversation(0, np.random.default_rng(seed)).images
        assert shown.pixels.shape == (128, 128, 3) and np.array_equal(shown.pixels, made.pixels + np.uint8(20))
        seen.add(made.pixels.tobytes())
    assert len(seen) > 3
    for number, name in enumerate(("mirrored", "turned", "over"), 1):  # a square would not lie where it lies in the other
        shown, made = source.conversation(number, np.random.default_rng(0)).images
        assert np.array_equal(shown.pixels, changed[name]) and np.array_equal(made.pixels, clean)
    example = source.examples("image")[0]
    assert example.answer.images[0].size == (400, 150)
