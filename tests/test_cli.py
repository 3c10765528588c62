"""The command line: results on stdout, one sentence on stderr for what the user can mend, a model when all is well."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pil

import superlens.recipes
from superlens.cli import main
from superlens.message import Boxes, Image, Masks, Message, Text


class Model:
    """Answers everything with the same two boxes and a mask; fails on questions about unicorns."""

    formats = {part: SimpleNamespace(part=part, answers=part, medium="picture") for part in ("boxes", "masks")}
    processor = SimpleNamespace(formats=formats, points_at=False)

    def __init__(self):
        self.asked = []

    def ask(self, question, errors="raise", **options):
        self.asked.append((question, options))
        if isinstance(question, list):
            assert errors == "return"
            return [self.answer(conversation) for conversation in question]
        return self.answer(question)

    def answer(self, conversation):
        if "unicorn" in conversation.messages[-1].text:
            return ValueError("the conversation is 9000 tokens long,\nthe model reads at most 2048")
        if not conversation.images:
            return Message("assistant", (Image(np.full((20, 30, 3), 7, np.uint8)),))
        width, height = conversation.images[0].size
        boxes = Boxes("red [b]circles", [[0, 0, width / 2, height / 2], [1, 1, width, height]], [0.9, 0.4])
        mask = Masks("stars", np.ones((1, height, width), bool), scores=[0.8])
        return Message("assistant", (boxes, Text(", "), mask, Text(" and "), Boxes("moons", []))).about(conversation)


@pytest.fixture
def loaded(monkeypatch):
    """What was loaded: a list of (name, device, dtype); `loaded.model` answers."""

    class Loaded(list):
        model = Model()

        def load(self, name, device=None, dtype=None):
            self.append((name, device, dtype))
            return self.model

    loaded = Loaded()
    monkeypatch.setattr(superlens.recipes, "build", SimpleNamespace(load=loaded.load), raising=False)
    return loaded


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def run(capsys, monkeypatch):
    """run(words...) -> (code, stdout, stderr)"""
    monkeypatch.delenv("SUPERLENS_DEBUG", raising=False)

    def call(*words):
        code = main([str(word) for word in words])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


def refused(outcome, words=""):
    """Exit code 2, nothing on stdout, one sentence on stderr that holds `words`."""
    code, out, err = outcome
    assert (code, out) == (2, "") and err.count("\n") == 1 and words in err, outcome
    assert "Traceback" not in err
    return err


def line(picture, words="What is there?", role="user"):
    content = [{"type": "image", "image": picture}, {"type": "text", "text": words}]
    return json.dumps({"messages": [{"role": role, "content": content}]})


def test_help_imports_nothing_heavy():
    """What makes `superlens --help` quick (0.15 s measured); seconds themselves are no matter for a test."""
    code = (
        "import sys; from superlens.cli import main; main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'numpy', 'pydantic', 'PIL')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("demo", "predict", "train", "evaluate", "recipes", "data"):
        assert command in done.stdout


def test_python_m_superlens():
    done = subprocess.run([sys.executable, "-m", "superlens", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("superlens ")


def test_predict_prints_words_and_a_table(run, loaded, picture):
    code, out, _ = run("predict", "nano", "Find circles.", "--image", picture, "--dtype", "bf16", "--device", "cpu")
    assert code == 0 and loaded == [("nano", "cpu", "bfloat16")]
    assert out.startswith("red [b]circles, stars and moons")
    assert "0.90" in out and "none" in out and "2400 px" in out
    question, options = loaded.model.asked[-1]
    assert question.messages[-1].text == "Find circles." and len(question.images) == 1
    assert options == {"min_score": 0.3, "max_new_tokens": 256, "seed": 0}


def test_predict_as_json_with_several_pictures_and_a_folder(run, loaded, picture, tmp_path):
    words = ["predict", "nano", "Compare.", "--image", picture, "--image", picture, "--json", "--min-score", "0.5"]
    code, out, _ = run(*words, "--out", tmp_path / "new" / "folder")
    answer = json.loads(out)
    assert code == 0 and Message.from_json(answer).boxes[0].count == 2
    assert json.loads((tmp_path / "new/folder/answer.json").read_text()) == answer
    assert Pil.open(tmp_path / "new/folder/picture.png").width > 60
    question, options = loaded.model.asked[-1]
    assert len(question.images) == 2 and options["min_score"] == 0.5


def test_what_is_pointed_at_stands_where_the_words_say(run, loaded, picture, tmp_path):
    width, height = Pil.open(picture).size
    drawn = Pil.new("L", (width, height))
    drawn.paste(255, (4, 5, 9, 11))
    drawn.save(tmp_path / "mask.png")
    (tmp_path / "line.json").write_text("[[1, 2], [3, 4], [5, 4]]")
    options = ["--point", "3,4", "--not-point", "9,2.5", "--box", "1,2,8,9", "--mask", tmp_path / "mask.png"]
    words = ["Is <region> like <region>?", "--image", picture, *options, "--scribble", tmp_path / "line.json"]
    assert run("predict", "nano", *words)[0] == 0
    content = loaded.model.asked[-1][0].messages[-1].content
    assert [type(part).__name__ for part in content] == ["Image", "Text", "Region", "Text", "Region", "Text", *["Region"] * 3]
    regions = loaded.model.asked[-1][0].messages[-1].regions
    assert [region.kind for region in regions] == ["point", "point", "box", "mask", "scribble"]
    assert [region.positive for region in regions] == [True, False, True, True, True]
    assert regions[3].mask.sum() == 5 * 6 and regions[4].points.tolist() == [[1, 2], [3, 4], [5, 4]]


def test_wrong_regions_are_refused(run, loaded, picture, tmp_path):
    Pil.new("L", Pil.open(picture).size).save(tmp_path / "black.png")
    Pil.new("L", (7, 5), 255).save(tmp_path / "small.png")
    (tmp_path / "line.json").write_text('{"a": 1}')
    for options, words in (
        (["--point", "3"], "expected x,y"),
        (["--box", "3,4,5"], "expected x1,y1,x2,y2"),
        (["--box", "9,4,5,6"], "wrong order"),
        (["--point", "3000,4"], "outside its picture"),
        (["--mask", tmp_path / "black.png"], "all black"),
        (["--mask", tmp_path / "small.png"], "resize it"),
        (["--mask", tmp_path / "none.png"], "no file"),
        (["--scribble", tmp_path / "none.json"], "no file"),
        (["--scribble", tmp_path / "line.json"], "list of points"),
    ):
        refused(run("predict", "nano", "What is it?", "--image", picture, *options), words)
    refused(run("predict", "nano", "Is <region> red?", "--image", picture), "no region is given")
    refused(run("predict", "nano", "--conversations", "a.jsonl", "--out", "b.jsonl", "--point", "1,2"), "leave WORDS")
    assert not loaded


def test_bad_pictures_are_refused_before_the_model_is_loaded(run, loaded, picture, tmp_path):
    whole = Path(picture).read_bytes()
    for name, content in (("cut.png", whole[: len(whole) // 2]), ("words.png", b"hello"), ("empty.png", b"")):
        (tmp_path / name).write_bytes(content)
        refused(run("predict", "nano", "hi", "--image", picture, "--image", tmp_path / name), name)
    refused(run("predict", "nano", "hi", "--image", tmp_path / "missing.png"), "does not exist")
    refused(run("predict", "nano", "hi", "--image", tmp_path), "is a folder")
    assert not loaded


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["predict", "nano", " ", "--image", "PICTURE"], "no words"),
        (["predict"], "Missing argument"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--devise", "cpu"], "--devi"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--device", "cdua"], "did you mean 'cuda'?"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--device", "cuda:99"], "use --device cpu"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--dtype", "bfloat61"], "did you mean 'bfloat16'?"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--min-score", "2"], "--min-score"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--min-score", "nan"], "--min-score"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--seed", "-1"], "--seed"),
        (["predict", "nano", "hi", "--image", "PICTURE", "--out", "PICTURE"], "in the way"),
        (["predict", "nano", "--conversations", "nothere.jsonl", "--out", "o.jsonl"], "no file 'nothere.jsonl'"),
        (["predict", "nano", "--conversations", "PICTURE"], "needs --out"),
        (["predict", "nano", "hi", "--conversations", "PICTURE", "--out", "o.jsonl"], "leave WORDS"),
        (["predict", "nano", "--conversations", "PICTURE", "--out", "PICTURE"], "is the file of the questions"),
        (["predict", "nano", "--conversations", "PICTURE", "--out", "o", "--batch-size", "0"], "--batch-size"),
        (["evaluate", "nano", "--data", "world", "--part", "boxs"], "did you mean 'boxes'?"),
        (["evaluate", "nano", "--data", "world", "--part", "boxes", "--metric", "app"], "did you mean 'ap'?"),
        (["evaluate", "nano", "--data", "world", "--part", "boxes", "--limit", "0"], "--limit"),
        (["evaluate", "nano", "--data", "nothere", "--part", "boxes"], "No such data set"),
        (["recipes", "nanno"], "did you mean 'nano'?"),
        (["train", "nanno", "--data", "world", "--out", "r"], "did you mean 'nano'?"),
        (["train", "nano", "--data", "world", "--out", "r", "--set", "stages.0.stps=1"], "did you mean 'steps'?"),
        (["train", "nano", "--data", "nothere", "--out", "r"], "No such data set"),
        (["train", "nano", "--data", "world:0", "--out", "r"], "positive number"),
        (["train", "nano", "--out", "r"], "Missing option"),
        (["predit"], "predict"),
    ],
)
def test_mistakes_become_one_sentence_and_code_2(run, loaded, picture, words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(run(*(picture if word == "PICTURE" else word for word in words)), sentence)
    assert not loaded and not (tmp_path / "r").exists()


def test_debug_shows_the_traceback_and_bugs_are_not_hidden(run, loaded, picture, monkeypatch):
    monkeypatch.setattr(Model, "answer", lambda self, conversation: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("predict", "nano", "hi", "--image", picture)
    monkeypatch.setenv("SUPERLENS_DEBUG", "1")
    with pytest.raises(ValueError, match="nanno"):
        main(["recipes", "nanno"])


def test_conversations_are_answered_in_order_and_bad_ones_become_errors(run, loaded, picture, tmp_path):
    lines = [line("picture.png"), "{broken", "", line("missing.png"), line("picture.png", " "), line(picture),
             line("picture.png", role="assistant"), line("picture.png", "a unicorn?"), '{"messages": [7]}',
             '{"messages": []}', '{"messages": [{"role": "user", "content": 5}]}', line("picture.png")]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    out = tmp_path / "new" / "out.jsonl"
    words = ("--conversations", tmp_path / "in.jsonl", "--out", out, "--batch-size", 3)
    code, stdout, err = run("predict", "nano", *words)
    assert code == 2 and stdout == "" and err.startswith("8 of 11 conversations")
    answers = [json.loads(row) for row in out.read_text().splitlines()]
    assert len(answers) == 11 and [("role" in a) for a in answers] == [n in (0, 4, 10) for n in range(11)]
    assert all(set(answer) == {"error"} for answer in answers if "role" not in answer)
    assert "missing.png" in answers[2]["error"] and "9000 tokens long, the" in answers[6]["error"]
    assert list(out.parent.iterdir()) == [out] and len(loaded) == 1
    assert all(options["batch_size"] == 3 for _, options in loaded.model.asked[-4:])


def test_conversations_that_all_work_end_with_code_0(run, loaded, picture, tmp_path):
    (tmp_path / "in.jsonl").write_text(line(picture) + "\n" + line(picture) + "\n")
    code, _, _ = run("predict", "nano", "--conversations", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    assert code == 0 and len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_ctrl_c_keeps_the_answers_so_far(run, loaded, picture, tmp_path, monkeypatch):
    def stop(self, conversation):
        if "stop" in conversation.messages[-1].text:
            raise KeyboardInterrupt
        return Message("assistant", "fine")

    monkeypatch.setattr(Model, "answer", stop)
    (tmp_path / "in.jsonl").write_text(line(picture) + "\n" + line(picture, "stop") + "\n")
    words = ("--conversations", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl", "--batch-size", 1)
    code, _, err = run("predict", "nano", *words)
    assert code == 130 and "out.jsonl.part" in err and not (tmp_path / "out.jsonl").exists()
    assert len((tmp_path / "out.jsonl.part").read_text().splitlines()) == 1
    assert run("predict", "nano", "stop", "--image", picture)[0] == 130


def test_recipes(run):
    code, out, _ = run("recipes")
    assert code == 0 and "nano" in out.splitlines()
    code, out, _ = run("recipes", "nano")
    assert code == 0 and out.startswith("# nano") and "\neye:" in out


def test_data_world_check_preview_and_convert(run, tmp_path):
    file = tmp_path / "drawn" / "world.jsonl"
    assert run("data", "world", "--out", file, "--count", 3, "--seed", 1)[0] == 0
    assert len(file.read_text().splitlines()) == 3
    refused(run("data", "world", "--out", file), "exists already")
    code, out, err = run("data", "check", file)
    assert (code, out) == (0, "") and "3 records, nothing broken" in err
    assert run("data", "preview", file, "--out", tmp_path / "sheet.png", "--count", 5)[0] == 0
    assert Pil.open(tmp_path / "sheet.png").width > 1300
    refused(run("data", "preview", file, "--out", tmp_path / "sheet.txt"), "name of a picture")
    assert run("data", "convert", file, "--out", tmp_path / "again.jsonl", "--limit", 2)[0] == 0
    assert len((tmp_path / "again.jsonl").read_text().splitlines()) == 2
    refused(run("data", "convert", "world", "--out", tmp_path / "w.jsonl"), "endless")


def test_broken_data_sets_are_named_and_refused(run, loaded, picture, tmp_path):
    answered = json.loads(line("picture.png"))
    answered["messages"].append({"role": "assistant", "content": "Yes."})
    file = tmp_path / "data.jsonl"
    file.write_text(json.dumps(answered) + "\n" + json.dumps(answered).replace("picture.png", "gone.png") + "\n")
    code, out, err = run("data", "check", file)
    assert code == 2 and out.startswith(f"{file}: line 2:") and err == "1 broken record.\n"
    refused(run("train", "nano", "--data", file, "--out", tmp_path / "run"), "line 2")
    refused(run("evaluate", "nano", "--data", file, "--part", "text"), "line 2")
    assert not loaded and not (tmp_path / "run").exists()


def test_evaluate_prints_one_flat_object(run, loaded):
    code, out, err = run("evaluate", "nano", "--data", "world", "--part", "boxes", "--limit", 3, "--json")
    assert code == 0 and set(json.loads(out)) == {"AP", "AP50", "AP75"} and out.count("\n") == 1
    assert err == ""
    code, out, _ = run("evaluate", "nano", "--data", "world", "--part", "boxes", "--limit", 2)
    assert code == 0 and "AP50" in out


@pytest.fixture
def trained(monkeypatch):
    """Calls of a trainer that does nothing, or what `trained.do` says."""
    import superlens.train

    trained = SimpleNamespace(calls=[], do=lambda: None)

    def train(*words):
        trained.calls.append(words)
        trained.do()

    monkeypatch.setattr(superlens.train, "trainer", SimpleNamespace(train=train), raising=False)
    return trained


def test_train_hands_everything_on(run, trained, tmp_path):
    out = str(tmp_path / "run")
    words = ("--data", "world:2", "--data", "world", "--set", "stages.0.steps=5", "--set", "stages.0.batch=2")
    code, _, _ = run("train", "nano", *words, "--out", out, "--seed", 3, "--device", "cpu", "--whole")
    assert code == 0
    settings = ["stages.0.steps=5", "stages.0.batch=2"]
    assert trained.calls == [("nano", ["world:2", "world"], out, settings, False, 3, "cpu", None, True, "none")]


def test_train_refuses_a_folder_that_is_in_use(run, trained, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    refused(run("train", "nano", "--data", "world", "--out", tmp_path), "holds another run")
    refused(run("train", "nano", "--data", "world", "--out", tmp_path / "run.json"), "is a file")
    assert not trained.calls
    assert run("train", "nano", "--data", "world", "--out", tmp_path, "--resume")[0] == 0


def test_ctrl_c_in_training(run, trained, tmp_path):
    def stop():
        raise KeyboardInterrupt("stopped in stage 'one' with a checkpoint; --resume goes on from it")

    trained.do = stop
    code, _, err = run("train", "nano", "--data", "world", "--out", tmp_path / "run")
    assert code == 130 and "--resume" in err and err.count("\n") == 1


def test_demo_writes_pictures_and_a_page_that_needs_nothing_else(run, loaded, tmp_path, monkeypatch):
    from superlens import demo

    scenes = (("boxes", "boxes", 1), ("count", "text", 1), ("keypoints", "keypoints", 1), ("region_text", "text", 1))
    monkeypatch.setattr(demo, "SCENES", scenes)  # this model knows no keypoints, and can not be pointed at things
    monkeypatch.setattr(demo, "PHOTOS", demo.PHOTOS[:1])
    code, _, err = run("demo", "--out", tmp_path / "demo")
    assert code == 0 and "gallery.html" in err and loaded[0][0] == "nano"
    pictures = sorted(path.name for path in (tmp_path / "demo").glob("*.png"))
    assert pictures[0] == "01-boxes.png" and len(pictures) >= 2 + 2 + 6
    assert not [name for name in pictures if "keypoints" in name or "region" in name]
    page = (tmp_path / "demo" / "gallery.html").read_text()
    assert page.count("<figure>") == len(pictures) == page.count("data:image/jpeg")
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    assert "red [b]circles (2), stars (1) and moons (none)" in page
    assert run("demo", "--out", tmp_path / "demo")[0] == 0  # its own files may be replaced


def test_a_model_that_does_not_draw_needs_a_picture(run, loaded):
    refused(run("predict", "nano", "hi"), "no picture")
    assert loaded and not loaded.model.asked


def test_a_model_that_draws_needs_no_picture(run, loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "processor", SimpleNamespace(formats={"new": SimpleNamespace(medium=None)}))
    code, _, _ = run("predict", "nano", "Draw a red star.", "--out", tmp_path / "made")
    assert code == 0 and Pil.open(tmp_path / "made" / "new-1.png").size == (30, 20)
    assert Pil.open(tmp_path / "made" / "picture.png").size[0] >= 30


def test_data_degrade_writes_pairs_that_can_be_trained_on(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Pil.fromarray(np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)).save(folder / f"{number}.png")
    code, _, err = run("data", "degrade", folder, "--with", "noise:25", "--out", tmp_path / "pairs")
    assert code == 0 and "2 pairs" in err
    assert run("data", "check", tmp_path / "pairs")[0] == 0
    refused(run("data", "degrade", folder, "--with", "nois:3", "--out", tmp_path / "other"), "noise")
    refused(run("data", "degrade", folder, "--with", "flip", "--out", folder), "exists")
    assert not (tmp_path / "other").exists()
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes()[:900])
    refused(run("data", "degrade", folder, "--with", "noise:25", "--out", tmp_path / "other"), "2.png")
    assert not (tmp_path / "other").exists()  # nothing half done is left
    (tmp_path / "list.json").write_text('{"images": [{"id": 1, "file_name": 5}]}')
    nameless = run("data", "degrade", tmp_path / "list.json", "--with", "noise:25", "--out", tmp_path / "other")
    refused(nameless, "images[0] has no file name")


def test_evaluate_degrades_asks_and_measures(run, loaded, tmp_path):
    """A model that gives back what it is shown: as near to the original as what it was shown, and nearer where nothing was spoiled."""

    class Giver(Model):
        formats = {"restore": SimpleNamespace(part="restore", answers="image", medium="picture")}
        processor = SimpleNamespace(formats=formats, points_at=False)

        def answer(self, conversation):
            return Message("assistant", (Image(conversation.images[0].pixels, of=0, restored=True),)).about(conversation)

    loaded.model = Giver()
    for number in range(3):
        smooth = Pil.fromarray(np.random.default_rng(number).integers(0, 255, (6, 9, 3), np.uint8)).resize((72, 48))
        smooth.save(tmp_path / f"{number}.png")
    asked = ("evaluate", "m", "--data", tmp_path, "--part", "image", "--json", "--degrade")
    code, out, _ = run(*asked, "noise:25")
    told = json.loads(out)
    assert code == 0 and told["psnr"] == pytest.approx(told["before"], abs=1e-6) and 19 < told["psnr"] < 23
    assert run(*asked, "noise:25")[1] == out and run(*asked, "noise:25", "--seed", 1)[1] != out
    assert json.loads(run(*asked, "noise:15")[1])["psnr"] > told["psnr"] + 3
    (question, _) = loaded.model.asked[0]
    assert all("noise" in one.messages[0].text or "grain" in one.messages[0].text for one in question)
    alike = json.loads(run(*asked, "blur:7", "--metric", "ssim")[1])
    assert 0.2 < alike["ssim"] < 0.999 and "psnr" not in alike


def test_evaluate_refuses_to_degrade_what_can_not_be(run, loaded, tmp_path):
    Pil.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    refused(run("evaluate", "nano", "--data", tmp_path, "--part", "boxes", "--degrade", "noise:25"), "--part image")
    refused(run("evaluate", "nano", "--data", tmp_path, "--part", "image", "--degrade", "rotate:999"), "360")
    asked = ("evaluate", "nano", "--data", tmp_path, "--part", "image", "--degrade", "noise:25")
    refused(run(*asked, "--metric", "geneval"), "psnr, ssim or routing, got --metric geneval")
    refused(run(*asked, "--task", "edit_image"), "--task edit_image")
    assert not loaded


def test_who_lacks_a_link_is_told_which_recipes_have_one():
    import tiny

    from superlens.cli import _sentence
    from superlens.links.base import NoLinkError

    writes_boxes = tiny.model(links={"boxes": tiny.RECIPE["links"]["boxes"]})
    with pytest.raises(NoLinkError) as caught:
        writes_boxes.processor.format_of(Masks("a dog", np.zeros((0, 4, 4), bool)))
    told = _sentence(caught.value)
    assert told.startswith("This recipe has no link that writes masks; it writes boxes. These recipes have one: gsva, ")
