"""Which frames of a video are shown, and what was shown: times and geometry. No weights.

Legend: F frames, N moments. Seconds count from the start of the video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superlens.vision.canvas import Canvas


@dataclass(frozen=True)
class Clip:
    """One video as it was shown: its length in seconds, the second of each frame, and the canvas that all frames share."""

    seconds: float
    times: tuple[float, ...]
    canvas: Canvas

    @property
    def shares(self) -> np.ndarray:
        """(F,) where each frame stands in the video, 0..1."""
        return np.clip(np.array(self.times, np.float32) / self.seconds, 0, 1)


class UniformSampling:
    """`frames` frames at equal distances, the first and the last of the video among them (LITA, arXiv 2403.19046)."""

    def __init__(self, frames: int = 16):
        self.frames = _checked(frames)

    def times(self, seconds: float) -> np.ndarray:
        """(F,) seconds at which a video of this length is looked at."""
        return np.linspace(0, seconds, self.frames)


class SegmentSampling(UniformSampling):
    """The middle of each of `frames` segments of equal length (TSN, Wang et al., arXiv 1608.00859)."""

    def times(self, seconds: float) -> np.ndarray:
        return (np.arange(self.frames) + 0.5) / self.frames * seconds


class RateSampling:
    """`fps` frames a second; of videos that would give more than `most`, `most` at equal distances."""

    def __init__(self, fps: float = 1.0, most: int = 64):
        if not fps > 0:
            raise ValueError(f"video.sampling.fps must be above 0, got {fps}.")
        self.fps, self.most = float(fps), _checked(most)

    def times(self, seconds: float) -> np.ndarray:
        count = max(int(np.ceil(seconds * self.fps - 1e-6)), 1)
        return np.arange(count) / self.fps if count <= self.most else UniformSampling(self.most).times(seconds)


def _checked(frames: int) -> int:
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 1:
        raise ValueError(f"a video is shown by at least 1 frame, got {frames!r}.")
    return frames
