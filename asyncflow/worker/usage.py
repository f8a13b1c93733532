"""What an attempt uses of the machine, as the operating system counts it."""

from __future__ import annotations

import sys
import time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from asyncflow.machine.outcome import Usage

__all__ = ["Meter"]

_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Runs from where it is made."""

    __slots__ = ("_at", "_cpu_s")

    def __init__(self) -> None:
        self._at = time.time()
        self._cpu_s = _cpu_s()

    def read(self) -> Usage:
        """Return what this process, and those of its children that ended, used since."""
        return Usage(
            started_at=self._at,
            ended_at=time.time(),
            cpu_s=round(_cpu_s() - self._cpu_s, 6),
            max_rss_bytes=getrusage(RUSAGE_SELF).ru_maxrss * _RSS_UNIT_BYTES,
        )


def _cpu_s() -> float:
    own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
