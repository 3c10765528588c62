"""`superlens predict --video`: a file is watched, drawn with its moments, or refused with one sentence."""

import json

import pytest
import tiny
from films import filmed
from sentences import refused

import superlens
from superlens import cli
from superlens.data.check import check
from superlens.message import Conversation, Message, Moments, Video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model that watches videos, and a film of two seconds."""
    home = tmp_path_factory.mktemp("films")
    video = {"type": "frames", "sampling": {"type": "uniform", "frames": 3}}
    model = tiny.model(links={"moments": {"type": "codec", "code": "lita"}}, decoders={}, video=video)
    model.links["moments"].head_rows.data.mul_(100)  # it speaks of moments, whatever it is asked
    model.save_pretrained(str(home / "watcher"))
    filmed(home / "film.mp4")
    return home


def run(capsys, *words):
    code = cli.main([str(word) for word in words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_film_is_asked_about(folder, capsys):
    asked = ("predict", folder / "watcher", "When does it get bright?", "--video", folder / "film.mp4", "--device", "cpu")
    code, out, _ = run(capsys, *asked, "--out", folder / "answer", "--max-new-tokens", 4, "--min-score", 0)
    assert code == 0 and "moments" in out and " s" in out
    answer = json.loads((folder / "answer" / "answer.json").read_text())
    seconds = [second for part in answer["content"] if part["type"] == "moments" for ends in part["seconds"] for second in ends]
    assert seconds and all(0 <= second <= 2 for second in seconds)
    assert (folder / "answer" / "picture.png").stat().st_size > 100


def test_what_is_no_film_is_refused(folder, capsys):
    (folder / "words.mp4").write_text("words")
    for film, words in (("words.mp4", "as a video"), ("none.mp4", "does not exist")):
        code, _, err = run(capsys, "predict", folder / "watcher", "When?", "--video", folder / film, "--device", "cpu")
        assert code == 2 and words in err and "Traceback" not in err
    code, _, err = run(capsys, "predict", "nano", "When?", "--video", folder / "film.mp4", "--device", "cpu")
    assert code == 2 and "can not watch videos" in err


def test_seconds_outside_a_film_are_refused_before_they_are_learned(folder):
    model = superlens.load(str(folder / "watcher"), device="cpu")

    def talk(end):
        user = Message("user", (Video(folder / "film.mp4"), "When does it get bright?"))
        return Conversation((user, Message("assistant", (Moments("bright", [[1.0, end]]),))))

    model.processor.encode(talk(2.0))
    refused(lambda: model.processor.encode(talk(50.0)), "(1, 50)", "the video's 2 seconds")


def test_data_check_opens_films(folder):
    def line(film, end):
        user = [{"type": "video", "video": film}, {"type": "text", "text": "When?"}]
        answer = [{"type": "moments", "label": "bright", "seconds": [[1.0, end]]}]
        return json.dumps({"messages": [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]})

    (folder / "films.jsonl").write_text("\n".join([line("film.mp4", 2.0), line("film.mp4", 50.0), line("none.mp4", 2.0)]))
    late, missing = check(folder / "films.jsonl")
    assert late.record == "line 2" and "the video's 2 seconds" in late.sentence
    assert missing.record == "line 3" and "none.mp4" in missing.sentence and "does not exist" in missing.sentence
