"""A memory of bounded size for decoded pictures and masks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np


class ByteCache:
    """Keeps what `make` returned until `megabytes` are full; the longest unused goes first.

    A copy sent to another process starts empty: what is cached is never shipped.
    """

    def __init__(self, megabytes: float) -> None:
        if megabytes < 0:
            raise ValueError(f"cache_mb is {megabytes}; expected 0 (no cache) or more.")
        self.megabytes = megabytes
        self._reset()

    def _reset(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of `key`, made now if it is not kept. Arrays are made read-only, since they are shared."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value = make()
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        size = _bytes_of(value)
        limit = self.megabytes * 1e6
        with self._lock:
            if size <= limit and key not in self._kept:
                self._kept[key] = (value, size)
                self._bytes += size
                while self._bytes > limit:
                    self._bytes -= self._kept.popitem(last=False)[1][1]
        return value

    def __getstate__(self) -> dict:
        return {"megabytes": self.megabytes}

    def __setstate__(self, state: dict) -> None:
        self.megabytes = state["megabytes"]
        self._reset()


def _bytes_of(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes + 200
    if isinstance(value, (bytes, str)):
        return len(value) + 60
    if isinstance(value, dict):
        return 250 + sum(_bytes_of(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return 60 + sum(_bytes_of(item) for item in value)
    return 40
