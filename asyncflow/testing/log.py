"""An event log in memory, which keeps what the real one keeps."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.lowlevel

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.codec import Recorded

__all__ = ["MemoryLog"]


class MemoryLog:
    """An `EventLog` without a file. Nothing outlives it."""

    def __init__(self) -> None:
        self._runs: dict[int, list[Recorded]] = {}

    async def append(self, run: int, events: Sequence[Recorded], *, expected_seq: int) -> int:
        """Record a batch. See `EventLog.append`."""
        await anyio.lowlevel.checkpoint()
        log = self._runs.setdefault(run, [])
        if len(log) != expected_seq:
            raise RunIsElsewhere(f"run {run} has {len(log)} events, this driver knew of {expected_seq}")
        log.extend(events)
        return len(log)

    async def read(self, run: int, *, after: int = 0) -> Sequence[Recorded]:
        """Return the events from number `after` on. See `EventLog.read`."""
        await anyio.lowlevel.checkpoint()
        return self._runs.get(run, [])[after:]
