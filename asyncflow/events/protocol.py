"""What a driver asks of an event log; the SQLite log and the in-memory log for tests both keep it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from asyncflow.events.codec import Recorded
from asyncflow.machine.events import Event

__all__ = ["EventLog"]


class EventLog(Protocol):
    """An append-only sequence of events per run."""

    async def append(self, run: int, events: Sequence[Event], *, expected_seq: int) -> int:
        """Record `events` as numbers expected_seq, expected_seq+1, ... of the run, durably and all or none.

        Returns:
            The next free sequence number.

        Raises:
            RunIsElsewhere: Another driver has written since (the run's next number is not `expected_seq`).
            StoreError: The log cannot be written; nothing of `events` is recorded.

        Cancellation:
            A cancelled call may or may not have recorded its events; never a part of them.
        """
        ...

    async def read(self, run: int, *, after: int = 0) -> Sequence[Recorded]:
        """Return the run's events with number >= `after`, in order. An unknown run has none.

        Events of a newer release are `UnknownEvent`: they count, and `evolve` skips them.
        """
        ...
