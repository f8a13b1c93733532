"""What a run tells whoever listens: every recorded event in order, from any point on; and what tasks print, live."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from asyncflow.events.bus import Batch, Bus, Lagged
from asyncflow.events.codec import Recorded, to_plain
from asyncflow.events.notices import LogLines
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.events.sqlite_log import SqliteLog

__all__ = ["LogText", "RunEvent", "follow", "follow_logs"]


@record
class RunEvent:
    """A recorded event and its place in the run."""

    run: int
    seq: int
    """Its number in the run, from 0. Going on later: `run.events(after=seq + 1)`."""
    event: Recorded
    """One of `asyncflow.machine.events`; `UnknownEvent` if a newer release has written it."""
    has_lagged: bool = False
    """The listener was too slow to be told live: this event and those up to the present come from the log."""

    @property
    def kind(self) -> str:
        """The name of the event's class."""
        return type(self.event).__name__

    def to_dict(self) -> dict[str, Any]:  # Any: JSON-like
        """Return the event as plain data: `run`, `seq`, `event` (its kind) and its fields."""
        return {"run": self.run, "seq": self.seq, **to_plain(self.event)}


@record
class LogText:
    """Lines that a task has printed."""

    run: int
    step: str
    task: int
    attempt: int
    stream: str
    """`stdout` or `stderr`."""
    text: bytes
    """Whole lines as they were written: data, never markup or terminal codes."""
    lost: int = 0
    """How many pieces before this one were not told, as the listener was too slow. The log file has them."""


async def follow(
    log: SqliteLog, bus: Bus, run: int, *, after: int, capacity: int
) -> AsyncGenerator[RunEvent, None]:
    """Yield a run's events from number `after` on: what is recorded, then what comes, until the bus is closed.

    Each exactly once and in order, whatever is lost on the way: it is read from the log.

    Args:
        log: Where the run is recorded.
        bus: Where it is told of.
        run: The run.
        after: Number of the first event.
        capacity: How many events may wait for a slow listener.
    """
    next_seq = after
    with bus.subscribe(capacity) as subscription:
        async for event in _recorded(log, run, next_seq):
            yield event
            next_seq = event.seq + 1
        async for message in subscription:
            if isinstance(message, Lagged) and message.from_seq is not None:
                async for event in _recorded(log, run, next_seq, has_lagged=True):
                    yield event
                    next_seq = event.seq + 1
            elif isinstance(message, Batch):
                for seq, event in enumerate(message.events, message.seq):
                    if seq >= next_seq:
                        yield RunEvent(run=run, seq=seq, event=event)
                        next_seq = seq + 1


async def _recorded(
    log: SqliteLog, run: int, after: int, *, has_lagged: bool = False
) -> AsyncGenerator[RunEvent, None]:
    while page := await log.read_page(run, after=after):
        for seq, event in enumerate(page, after):
            yield RunEvent(run=run, seq=seq, event=event, has_lagged=has_lagged)
        after += len(page)


async def follow_logs(bus: Bus, *, capacity: int) -> AsyncGenerator[LogText, None]:
    """Yield what tasks print from now on, until the bus is closed."""
    lost = 0
    with bus.subscribe(capacity) as subscription:
        async for message in subscription:
            if isinstance(message, Lagged):
                lost += message.lost_notices
            elif isinstance(message, LogLines):
                yield LogText(
                    run=message.run,
                    step=message.step,
                    task=message.attempt.task,
                    attempt=message.attempt.number,
                    stream=message.stream,
                    text=message.text,
                    lost=lost,
                )
                lost = 0
