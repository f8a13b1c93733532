"""The only place that reads the time, and how the driver waits for it."""

from __future__ import annotations

import time
from typing import Protocol

import anyio

__all__ = ["Clock", "SystemClock", "machine_time"]


class Clock(Protocol):
    """Time as the driver sees it; tests bring one that jumps."""

    def now(self) -> float:
        """Seconds since the epoch, UTC; never goes back."""
        ...

    async def wait(self, event: anyio.Event, until: float | None) -> None:
        """Return when `event` is set or the time is `until`, whichever comes first. None: wait for the event only.

        Cancellation: safe, nothing is left.
        """
        ...


def machine_time() -> float:
    """Return seconds since the machine was started, the same in all its processes; the wall clock's jumps are not."""
    return time.monotonic()


class SystemClock:
    """The wall clock as it was at the start, carried on by the monotonic one: no jump of the wall clock is seen."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.monotonic() + self._offset

    async def wait(self, event: anyio.Event, until: float | None) -> None:
        """Wait in real time."""
        if until is None:
            await event.wait()
            return
        with anyio.move_on_after(max(0.0, until - self.now())):
            await event.wait()
