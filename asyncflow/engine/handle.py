"""A run that an engine drives, as the program that started it sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from asyncflow.engine.events import LogText, RunEvent, follow, follow_logs
from asyncflow.engine.result import (
    FinalArtifacts,
    RunCancelled,
    RunStopped,
    failure_of,
    final_artifacts,
)
from asyncflow.events.bus import Bus
from asyncflow.events.notices import LogLines
from asyncflow.machine.events import (
    AttemptSucceeded,
    Event,
    RunStatus,
    TaskCloned,
    TaskCreated,
    TaskFailed,
)
from asyncflow.machine.facts import CancelRequested
from asyncflow.machine.ids import Attempt
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox

if TYPE_CHECKING:
    from asyncflow.events.sqlite_log import SqliteLog

__all__ = ["HandleObserver", "RunHandle"]

_QUEUE = 10_000
"""Events that may wait for a slow listener before it is sent to the log."""
_LOG_QUEUE = 1_000


class RunHandle:
    """A run of an `Engine`, which makes it. Valid until the engine is left."""

    def __init__(self, log: SqliteLog, home: str, flow: str, end: str) -> None:
        self._log = log
        self._home = home
        self._flow = flow
        self._end_step = end
        self._bus = Bus()
        self._id = 0
        self._status: RunStatus | None = None
        self._error: BaseException | None = None
        self._is_recorded = False
        self._registered = anyio.Event()
        self._ended = anyio.Event()
        self._inbox: Inbox | None = None
        self._clock: Clock | None = None
        self._asked: CancelRequested | None = None

    def __repr__(self) -> str:
        return f"<run {self.pathspec}, {self._status or 'running'}>"

    @property
    def id(self) -> int:
        """The run's id, unique in the store."""
        return self._id

    @property
    def flow(self) -> str:
        """The flow's name."""
        return self._flow

    @property
    def pathspec(self) -> str:
        """`Flow/id`."""
        return f"{self._flow}/{self._id}"

    @property
    def status(self) -> RunStatus | None:
        """How the run has ended. None: it has not, or it was interrupted."""
        return self._status

    @property
    def is_over(self) -> bool:
        """Whether nothing of the run runs here any more."""
        return self._ended.is_set()

    async def events(self, *, after: int = 0) -> AsyncGenerator[RunEvent, None]:
        """Yield the run's events, from the first (or number `after`) to the last, then live until the run ends.

        Every event comes once and in order. A listener that is slow costs bounded memory: what it misses is read
        from the log, and the events that come from there say `has_lagged`.

        Raises:
            StoreError: The log cannot be read, or the engine was left.

        Cancellation: safe; go on later with `after`.
        """
        async for event in follow(self._log, self._bus, self._id, after=after, capacity=_QUEUE):
            yield event

    async def logs(self) -> AsyncGenerator[LogText, None]:
        """Yield what tasks print from now on, until the run ends. A slow listener misses some, and is told.

        All that was ever printed is in the log files: `asyncflow logs RUN`.
        """
        async for text in follow_logs(self._bus, capacity=_LOG_QUEUE):
            yield text

    async def wait(self) -> RunStatus:
        """Wait until the run has ended; return how.

        Raises:
            RunStopped: The engine was left before.
            StoreError: The run could not be recorded, and has stopped; what was recorded can be resumed.

        Cancellation: safe; the run goes on.
        """
        await self._ended.wait()
        if self._status is None:
            raise self._error or RunStopped(
                f"Run {self._id} was interrupted when its engine was left",
                hint=f"Go on with it: asyncflow resume {self._id}, or engine.resume({self._id})",
            )
        return self._status

    async def result(self) -> FinalArtifacts:
        """Wait for the run to succeed; return what its end step has left.

        Raises:
            RunFailed: It failed; says which step and why.
            RunCancelled: It was cancelled.
            RunStopped, StoreError: As of `wait`.

        Cancellation: safe; the run goes on.
        """
        status = await self.wait()
        if status is RunStatus.SUCCEEDED:
            return await anyio.to_thread.run_sync(final_artifacts, self._home, self._id, self._end_step)
        if status is RunStatus.CANCELLED:
            raise RunCancelled(
                f"Run {self._id} was cancelled", hint=f"Go on with what is left: asyncflow resume {self._id}"
            )
        raise await anyio.to_thread.run_sync(failure_of, self._home, self._id)

    async def cancel(self, *, force: bool = False) -> None:
        """Stop the run and wait until it has ended: tasks are asked, and killed when their grace time is over.

        Args:
            force: Kill them at once.

        Cancellation: the run is stopped all the same.
        """
        self._ask_to_stop(force=force)
        await self._ended.wait()

    # From the engine

    def _ask_to_stop(self, *, force: bool = False) -> None:
        at = self._clock.now() if self._clock is not None else 0.0
        self._asked = CancelRequested(at=at, by="engine", force=force)
        if self._inbox is not None:
            self._inbox.put((self._asked,))

    async def _steer(self, inbox: Inbox, clock: Clock) -> None:
        """Pass on what is asked of the run, until cancelled."""
        self._inbox, self._clock = inbox, clock
        if self._asked is not None:
            self._ask_to_stop(force=self._asked.force)
        await anyio.sleep_forever()

    def _finish(self, status: RunStatus | None, error: BaseException | None = None) -> None:
        self._status, self._error = status, error
        self._inbox = None
        self._bus.close()
        self._registered.set()
        self._ended.set()

    async def _begun(self) -> None:
        """Wait until the run is recorded, so that everybody can find it. Raises what kept it from that."""
        await self._registered.wait()
        if not self._is_recorded:
            await self.wait()


class HandleObserver:
    """Tells a run's handle what the driver says (`runtime.session.Observer`).

    Args:
        handle: The run's.
        steps: Step by task, of tasks that exist already when a run goes on.
    """

    def __init__(self, handle: RunHandle, steps: Mapping[int, str]) -> None:
        self._handle = handle
        self._steps = dict(steps)

    def registered(self, run: int) -> None:
        """The run has an id and a lease."""
        self._handle._id = run

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """One turn's events are durable."""
        for event in events:
            if isinstance(event, TaskCreated):
                self._steps[event.task] = event.step
            elif isinstance(event, AttemptSucceeded | TaskFailed | TaskCloned):
                self._steps.pop(event.task, None)
        self._handle._is_recorded = True
        self._handle._registered.set()
        self._handle._bus.publish(self._handle.id, first_seq, events)

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """A task has printed something."""
        step = self._steps.get(attempt.task, "")
        notice = LogLines(run=self._handle.id, attempt=attempt, step=step, pid=None, stream=stream, text=text)
        self._handle._bus.notify(notice)

    async def wait_ready(self) -> None:
        """There is always room: what a slow listener cannot take is not told to it."""
