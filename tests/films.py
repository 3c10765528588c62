"""Short films for tests of several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def filmed(path: Path, frames: int = 20, first: int = 0) -> Path:
    """A film of ten frames a second, 64 x 48 pixels; frame i is grey 10 i (counted anew after 250). first: its time in the file."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            pixels_HW3 = np.full((48, 64, 3), index * 10 % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels_HW3, format="rgb24")
            frame.pts = first + index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
