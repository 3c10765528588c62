"""Files that are whole or not there: whoever is stopped while writing leaves what was there before."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A name beside `path` to write to; it becomes `path` when all is written, and is removed when it was not. Several processes may
    write the same path: each has a name of its own, and the last one stays."""
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole_json(path: str | os.PathLike, value: Any) -> None:
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=1), encoding="utf-8")
