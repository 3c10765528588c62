"""`superlens predict --video`: a file is watched, drawn with its moments, or refused with one sentence."""

import json

import numpy as np
import pytest
import tiny

from superlens import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model that watches videos, and a film of two seconds."""
    av = pytest.importorskip("av")
    home = tmp_path_factory.mktemp("films")
    video = {"type": "frames", "sampling": {"type": "uniform", "frames": 3}}
    model = tiny.model(links={"moments": {"type": "codec", "code": "lita"}}, decoders={}, video=video)
    model.links["moments"].head_rows.data.mul_(100)  # it speaks of moments, whatever it is asked
    model.save_pretrained(str(home / "watcher"))
    with av.open(str(home / "film.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 10, np.uint8), format="rgb24")))
        container.mux(stream.encode())
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
