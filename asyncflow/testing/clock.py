"""A clock for tests: nobody waits, time jumps to what is due next."""

from __future__ import annotations

import heapq

import anyio
import anyio.lowlevel

__all__ = ["FakeClock"]

_QUIET_TURNS = 12
"""Rounds of the event loop without an event, after which nothing but time can help."""


class FakeClock:
    """Virtual time: it jumps to the earliest deadline anybody waits for, once nothing else can happen.

    Args:
        start: Seconds since the epoch.
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self._now = start
        self._deadlines: list[float] = []

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError if it would go back."""
        if seconds < 0:
            raise ValueError(f"time cannot go back by {-seconds} s")
        self._now += seconds

    async def wait(self, event: anyio.Event, until: float | None) -> None:
        """Return when `event` is set or the virtual time is `until`. Cancellation: safe."""
        if until is None:
            await event.wait()
            return
        heapq.heappush(self._deadlines, until)
        try:
            await self._wait(event, until)
        finally:
            self._deadlines.remove(until)
            heapq.heapify(self._deadlines)

    async def _wait(self, event: anyio.Event, until: float) -> None:
        quiet = 0
        while not event.is_set() and self._now < until:
            await anyio.lowlevel.checkpoint()
            # Whoever waits for an earlier time goes first, and then has time to act on it.
            quiet = quiet + 1 if self._deadlines[0] >= until else 0
            if quiet >= _QUIET_TURNS and not event.is_set():
                self._now = max(self._now, until)
