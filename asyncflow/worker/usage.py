"""What an attempt uses of the machine, as the operating system counts it."""

from __future__ import annotations

import sys
import time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from asyncflow.machine.outcome import Usage

__all__ = ["Meter", "SharedMeter"]

_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Runs from where it is made. Counts the children that the process had before, too: a task's process has none."""

    __slots__ = ("_at", "_cpu_s")

    def __init__(self) -> None:
        self._at = time.time()
        self._cpu_s = time.process_time()

    def read(self) -> Usage:
        """Return what this process, and those of its children that ended, used since."""
        own, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
        used_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime - self._cpu_s
        return Usage(self._at, time.time(), max(0.0, used_s), own.ru_maxrss * _RSS_UNIT_BYTES)


class SharedMeter(Meter):
    """For one of many attempts in a process: whose processor time it was cannot be told, so none is."""

    __slots__ = ()

    def read(self) -> Usage:
        """Return the times, and the memory of the whole process."""
        return super().read()._replace(cpu_s=0.0)
