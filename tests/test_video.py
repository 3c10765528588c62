"""Videos of frames and of files: read by PyAV, taken at seconds, refused with one sentence when they are none."""

import numpy as np
import pytest
from films import filmed
from sentences import refused

from superlens.media import Image
from superlens.video import Video


def grey(value, height=48, width=64):
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return filmed(tmp_path_factory.mktemp("film") / "clip.mp4")


def numbers(frames):
    return [int(frame.pixels.mean() / 10 + 0.5) for frame in frames]


def test_video_of_frames():
    video = Video([grey(0), grey(10)], fps=4)
    assert video.known_size == (64, 48) and video.known_seconds == video.seconds == 0.5 and video.read() is video
    assert video == Video(frames=(Image(grey(0)), Image(grey(10))), fps=4.0) and video != Video([grey(0)], fps=4)
    refused(lambda: Video())
    refused(lambda: Video([]), "at least one frame")
    refused(lambda: Video([grey(0)], fps=0))
    refused(lambda: Video("missing.mp4").read(), "missing.mp4")


def test_frames_are_taken_at_seconds():
    video = Video([grey(10 * index) for index in range(8)], fps=4)
    assert numbers(video.at([0, 0.24, 0.25, 1.0, 1.99, 9])) == [0, 0, 1, 4, 7, 7]
    assert video.at([]) == ()
    refused(lambda: video.at([1, 0]), "ascend")


def test_video_file(film, tmp_path):
    video = Video(film).read()
    assert len(video.frames) == 20 and video.fps == 10 and video.known_size == (64, 48)
    assert Video(film).known_seconds is None and Video(film).seconds == pytest.approx(2.0)
    slow = Video(film, fps=2).read()
    assert numbers(slow.frames) == [0, 5, 10, 15]
    broken = tmp_path / "clip.mp4"
    broken.write_text("no video")
    for call in (Video(broken).read, lambda: Video(broken).seconds, lambda: Video(broken).at([0])):
        refused(call, broken)


def test_seconds_of_a_file_are_those_of_its_frames(film):
    times = [0, 0.1, 0.15, 0.5, 1.0, 1.9, 2.0, 5.0]
    assert numbers(Video(film).at(times)) == numbers(Video(film).read().at(times)) == [0, 1, 1, 5, 10, 19, 19, 19]


def test_a_stream_that_breaks_off_is_refused(film, tmp_path):
    data = film.read_bytes()
    broken = tmp_path / "half.mp4"
    broken.write_bytes(data[: len(data) // 4])
    refused(lambda: Video(broken).at([0, 1]), broken)


def test_a_stream_that_breaks_off_in_the_middle_is_refused(tmp_path):
    """A Matroska file says its length at the beginning and can be opened whatever is missing behind."""
    whole = filmed(tmp_path / "whole.mkv", frames=40)
    assert len(Video(whole).read().frames) == 40
    broken = tmp_path / "broken.mkv"
    data = whole.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    assert Video(broken).at([0.1])  # before the break all is well
    refused(lambda: Video(broken).at([0, 3.5]), "broken.mkv", "breaks off", "of 4.0 seconds")
    refused(Video(broken).read, "breaks off")


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_a_file_whose_first_frame_is_not_at_zero_is_whole(tmp_path, kind):
    film = filmed(tmp_path / f"cut.{kind}", frames=30, first=50)
    assert Video(film).seconds == pytest.approx(3.0, abs=0.05)
    assert len(Video(film).read().frames) == 30
    grey = [float(np.asarray(frame.pixels).mean()) for frame in Video(film).at([0.0, 1.05, 2.95])]
    assert grey == pytest.approx([0, 100, 290 % 250], abs=6)


@pytest.mark.parametrize(
    ("kind", "words"), [("avi", "holds no frames"), ("mkv", "ends before its first frame"), ("mp4", "no pictures")]
)
def test_a_video_without_frames_is_refused(tmp_path, kind, words):
    """A stream of pictures with none in it."""
    av = pytest.importorskip("av")
    path = tmp_path / f"empty.{kind}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        container.start_encoding()
    for call in (lambda: Video(path).at([0.0]), Video(path).read):
        refused(call, f"empty.{kind}", words)


def test_a_file_without_pictures_is_refused(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    refused(lambda: Video(path).seconds, "no pictures")
