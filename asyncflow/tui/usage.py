"""What a run uses of this machine now: processor and memory of its tasks' process groups and its scheduler."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["Usage", "UsageMeter"]


@dataclass(frozen=True, slots=True)
class Usage:
    """One sample."""

    cpu_percent: float
    """100 is one core."""
    memory_bytes: int


class UsageMeter:
    """Samples /proc. Where there is none (macOS), nothing is known."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._at = 0.0
        has_proc = os.path.exists("/proc/self/stat")
        self._tick = os.sysconf("SC_CLK_TCK") if has_proc else 0
        self._page = os.sysconf("SC_PAGE_SIZE") if has_proc else 0

    def sample(self, groups: Collection[int], now: float) -> Usage | None:
        """Return what the process groups use; None when it cannot be told. Blocking: some ms.

        Processor time is that since the last call; a process seen for the first time counts from the next one on.
        """
        if not self._tick or not groups:
            return None
        seconds: dict[int, float] = {}
        memory = 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            fields = _stat(name)
            if fields is None or not ({int(name), int(fields[2])} & set(groups)):
                continue
            seconds[int(name)] = (int(fields[11]) + int(fields[12])) / self._tick
            memory += int(fields[21]) * self._page
        spent = sum(max(0.0, value - self._seconds.get(pid, value)) for pid, value in seconds.items())
        elapsed = now - self._at
        self._seconds, self._at = seconds, now
        return Usage(100 * spent / elapsed if 0 < elapsed < 60 else 0.0, memory)


def _stat(pid: str) -> list[str] | None:
    """Return the fields of a process's stat after its name; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None
