"""Moving pictures as parts of a message: files read by PyAV, or frames; sampled, never held whole when a file is long.

Seconds count from the first frame; the frame shown at a second is the last one that began by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from superlens.media import Image, Part, reason, short

MAX_VIDEO_FRAMES = 10_000
ROUNDED = 0.002  # seconds by which times in files may be off
MICRO = 1_000_000  # what PyAV counts the length of a file in, a second's parts
LACKING = 1.0  # seconds by which a stream may end before its header says


@dataclass(frozen=True, eq=False)
class Video(Part):
    """A moving picture: a file, or frames.

    source: path of a video file (read by PyAV), or None when `frames` are given.
    frames: tuple of `Image` (arrays and paths are wrapped), all of one size.
    fps: frames per second: of `frames` (default 1), or at which a file is sampled (default: its own rate).
    """

    source: str | None = None
    frames: tuple[Image, ...] | None = None
    fps: float | None = None

    def __post_init__(self):
        source, frames = self.source, self.frames
        if isinstance(source, (list, tuple)) and frames is None:
            source, frames = None, source
        if isinstance(source, os.PathLike):
            source = os.fspath(source)
        if (source is None) == (frames is None):
            raise ValueError("A video is made from a source or from frames: give exactly one of them.")
        if source is not None and not (isinstance(source, str) and source.strip()):
            raise ValueError(f"A video's source must be a path, got {short(repr(source))}.")
        if frames is not None:
            frames = tuple(frame if isinstance(frame, Image) else Image(frame) for frame in frames)
            if not frames:
                raise ValueError("A video needs at least one frame, got none.")
        fps = self.fps if self.fps is not None else (1.0 if frames is not None else None)
        if fps is not None and not (isinstance(fps, (int, float)) and np.isfinite(fps) and fps > 0):
            raise ValueError(f"A video's fps must be above 0, got {fps!r}.")
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "fps", None if fps is None else float(fps))

    @property
    def known_size(self) -> tuple[int, int] | None:
        """(width, height) where no file has to be read for it, else None."""
        return self.frames[0].known_size if self.frames else None

    @property
    def known_seconds(self) -> float | None:
        """Length in seconds where no file has to be read for it, else None."""
        return len(self.frames) / self.fps if self.frames else None

    @property
    def seconds(self) -> float:
        """Length in seconds, of a file as its header says it; where that says nothing, its frames are counted.

        Raises ValueError with one sentence when PyAV is missing, or the file is missing or no video.
        """
        if self.frames is not None:
            return self.known_seconds
        with _opened(self.source) as (container, stream):
            claimed = _claimed(stream) or _whole(container)
            return claimed or max(seconds for seconds, _ in _decoded(self.source, container, stream)) + 1 / _rate(stream)

    def at(self, seconds: Sequence[float]) -> tuple[Image, ...]:
        """The frames shown at these seconds, which ascend; only they are kept in memory. Beyond the end it is the last frame.

        Raises ValueError as `seconds` does, and where a stream breaks off before its end.
        """
        wanted = list(seconds)
        if any(later < earlier for earlier, later in pairwise(wanted)):
            raise ValueError("the seconds at which frames are taken must ascend.")
        if self.frames is not None:
            last = len(self.frames) - 1
            return tuple(self.frames[min(max(int(second * self.fps + 1e-6), 0), last)] for second in wanted)
        found: list[Image] = []
        with _opened(self.source) as (container, stream):
            shown = None
            for start, frame in _decoded(self.source, container, stream):
                while shown is not None and len(found) < len(wanted) and wanted[len(found)] + ROUNDED < start:
                    shown = _image(shown)
                    found.append(shown)
                shown = frame
                if len(found) == len(wanted):
                    break
        rest = len(wanted) - len(found)
        return tuple(found) + ((_image(shown),) * rest if rest else ())

    def read(self, fps: float | None = None) -> Video:
        """This video with its frames in memory, a file sampled at `fps` (default: `self.fps`, else its own rate).

        Raises ValueError as `seconds` does, and for more than 10,000 frames.
        """
        if self.frames is not None:
            return self
        frames: list[Image] = []
        with _opened(self.source) as (container, stream):
            rate = _rate(stream)
            fps = fps or self.fps or rate
            for start, frame in _decoded(self.source, container, stream):
                while start + 0.5 / rate >= len(frames) / fps:
                    if len(frames) == MAX_VIDEO_FRAMES:
                        raise ValueError(f"The video '{self.source}' gives more than {MAX_VIDEO_FRAMES} frames; lower fps.")
                    frames.append(_image(frame))
        return Video(frames=tuple(frames), fps=fps)


@contextmanager
def _opened(path: str):
    """(container, video stream) of a file."""
    try:
        import av
    except ImportError as error:
        raise ValueError(f"Reading the video '{path}' needs PyAV: pip install av.") from error
    if not os.path.isfile(path):
        raise ValueError(f"The video '{path}' does not exist.")
    try:
        container = av.open(path)
    except EOFError as error:
        raise ValueError(f"The video '{path}' ends before its first frame.") from error
    except (OSError, ValueError) as error:  # PyAV's other errors derive from these
        raise ValueError(f"Cannot read '{path}' as a video: {reason(error)}.") from error
    with container:
        if not container.streams.video:
            raise ValueError(f"Cannot read '{path}' as a video: it holds no pictures.")
        yield container, container.streams.video[0]


def _decoded(path: str, container, stream) -> Iterator[tuple[float, object]]:
    """(seconds since the first frame, PyAV frame), in order."""
    first, shown, longest = None, 0.0, 1 / _rate(stream)
    try:
        for frame in container.decode(stream):
            seconds = float(frame.time or 0.0)
            first = seconds if first is None else first
            longest, shown = max(longest, seconds - first - shown), seconds - first
            yield shown, frame
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"Cannot read '{path}' as a video: its stream is broken ({reason(error)}).") from error
    if first is None:
        raise ValueError(f"The video '{path}' holds no frames.")
    claimed = _claimed(stream)
    if not claimed and len(container.streams) == 1:  # beside sound, what the file claims may be the sound's
        claimed = _whole(container)
    if claimed - shown - longest > max(LACKING, longest):
        raise ValueError(f"Cannot read '{path}' as a video: its stream breaks off at {shown:.1f} of {claimed:.1f} seconds.")


def _claimed(stream) -> float:
    """The length that a stream itself claims, in seconds; 0 where it claims none (Matroska)."""
    return float(stream.duration * stream.time_base) if stream.duration else 0.0


def _whole(container) -> float:
    """Seconds that a file claims as a whole, 0 where it claims none; Matroska counts from 0, not from the first frame."""
    before = max(container.start_time or 0, 0) if "matroska" in container.format.name else 0
    return max((container.duration or 0) - before, 0) / MICRO


def _rate(stream) -> float:
    return float(stream.average_rate or 25)


def _image(frame) -> Image:
    return frame if isinstance(frame, Image) else Image(frame.to_ndarray(format="rgb24"))
