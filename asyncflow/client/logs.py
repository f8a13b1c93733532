"""What an attempt printed, as its log file has it. The log of a cloned task is its origin's."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator

from asyncflow.machine.ids import ManifestKey
from asyncflow.store.layout import log_path
from asyncflow.store.logfile import LogLine, read_log

__all__ = ["LogLine", "has_log", "last_lines", "lines"]

_TAIL_BYTES = 256 << 10


def lines(home: str, key: ManifestKey, *, position: int = 0) -> Iterator[LogLine]:
    """Yield an attempt's lines from a position in its log on; nothing if it printed nothing.

    Raises:
        StoreError: The log is there and cannot be read.
    """
    return read_log(_path(home, key), position=position)


def has_log(home: str, key: ManifestKey) -> bool:
    """Tell whether the attempt printed anything."""
    try:
        return os.path.getsize(_path(home, key)) > 0
    except OSError:
        return False


def last_lines(home: str, key: ManifestKey, count: int) -> list[bytes]:
    """Return an attempt's last lines, without newlines. Of a long log only the last 256 KB are looked at."""
    path = _path(home, key)
    try:
        position = max(0, os.path.getsize(path) - _TAIL_BYTES)
    except OSError:
        return []
    tail: deque[bytes] = deque(maxlen=count)
    is_cut = position > 0
    for line in read_log(path, position=position):
        if not is_cut:
            tail.append(line.text)
        is_cut = False
    return list(tail)


def _path(home: str, key: ManifestKey) -> str:
    return log_path(home, key.run, key.task, key.attempt)
