"""Publication inside the process: the driver says once what was recorded, everyone who subscribed hears it.

A subscriber has a bounded queue. When it is full, what follows is dropped for that subscriber alone, and it is told
so by `Lagged`: events it then reads again from the log, notices are gone. The publisher never waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager

import anyio

from asyncflow.events.codec import Recorded
from asyncflow.events.notices import Notice
from asyncflow.records import record

__all__ = ["Batch", "Bus", "Lagged", "Message", "Subscription"]


@record
class Batch:
    """Events that were recorded together."""

    run: int
    seq: int
    """Number of the first."""
    events: Sequence[Recorded]


@record
class Lagged:
    """The subscriber was too slow; messages were dropped."""

    run: int
    from_seq: int | None
    """Read the run's log from this event on; what follows in the queue may repeat some. None: no event was lost."""
    lost_notices: int = 0
    """How many notices were lost for good, of all runs."""


Message = Batch | Notice | Lagged


class Subscription:
    """One subscriber's end: iterate over it. Ends when the bus is closed and the queue is drained.

    Cancellation: safe; a message is either given out or stays in the queue.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queue: deque[Batch | Notice] = deque()
        self._size = 0
        self._lost_from: dict[int, int] = {}
        self._lost_notices = 0
        self._arrival = anyio.Event()
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while True:
            message = self.take_nowait()
            if message is not None:
                return message
            if self._is_closed:
                raise StopAsyncIteration
            self._arrival = anyio.Event()
            await self._arrival.wait()

    def take_nowait(self) -> Message | None:
        """Return the next message, None if there is none."""
        if self._queue:
            message = self._queue.popleft()
            self._size -= _size(message)
            return message
        if self._lost_from:
            run = next(iter(self._lost_from))
            return self._lagged(run, self._lost_from.pop(run))
        return self._lagged(0, None) if self._lost_notices else None

    def put(self, message: Batch | Notice) -> None:
        """Queue a message, or note that it was lost. Called by the bus."""
        if isinstance(message, Batch) and message.run in self._lost_from:
            return  # it is read from the log with the others
        size = _size(message)
        if not self._queue or self._size + size <= self._capacity:
            self._queue.append(message)
            self._size += size
        elif isinstance(message, Batch):
            self._lost_from[message.run] = message.seq
        else:
            self._lost_notices += 1
        self._arrival.set()

    def close(self) -> None:
        """Say that nothing follows. Called by the bus."""
        self._is_closed = True
        self._arrival.set()

    def _lagged(self, run: int, from_seq: int | None) -> Lagged:
        lost, self._lost_notices = self._lost_notices, 0
        return Lagged(run=run, from_seq=from_seq, lost_notices=lost)


class Bus:
    """Hands what is published to every subscription. All methods are called on one event loop; none waits."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._is_closed = False

    @contextmanager
    def subscribe(self, capacity: int = 10_000) -> Generator[Subscription]:
        """Hear what is published from now on, until the block is left.

        Args:
            capacity: How many events and notices may wait. One batch is always taken, however large.
        """
        subscription = Subscription(capacity)
        if self._is_closed:
            subscription.close()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def publish(self, run: int, seq: int, events: Sequence[Recorded]) -> None:
        """Tell of events that are durable, the first of which is number `seq` of the run."""
        if not self._subscriptions:
            return
        batch = Batch(run=run, seq=seq, events=tuple(events))
        for subscription in self._subscriptions:
            subscription.put(batch)

    def notify(self, notice: Notice) -> None:
        """Tell of something that is not recorded."""
        for subscription in self._subscriptions:
            subscription.put(notice)

    def close(self) -> None:
        """Say that nothing follows: subscriptions end once they are drained. Safe to call twice."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.close()


def _size(message: Batch | Notice) -> int:
    return len(message.events) if isinstance(message, Batch) else 1
