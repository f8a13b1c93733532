"""A backend without processes: what an attempt comes to is said by a function."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Callable, Sequence

import anyio

from asyncflow.backends.base import Capabilities
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome, Succeeded
from asyncflow.records import field, record
from asyncflow.runtime.clock import Clock
from asyncflow.worker.spec import TaskSpec

__all__ = ["FakeBackend", "Script", "Scripted"]


@record
class Scripted:
    """What an attempt comes to."""

    outcome: Outcome | None = field(default_factory=Succeeded)
    """None: it dies without a word."""
    takes_s: float = 0.0
    """How long it runs, seconds of the clock."""


Script = Callable[[TaskSpec], Scripted]
"""Says what an attempt comes to."""


class FakeBackend:
    """Keeps the contract of every backend, at once and without a process.

    Args:
        clock: Gives facts their time, and is waited on for attempts that take time.
        script: What each attempt comes to. None: all succeed at once.
    """

    capabilities = Capabilities(name="fake", survives_driver=False, shares_filesystem=True)

    def __init__(self, clock: Clock, script: Script | None = None) -> None:
        self.launched: list[TaskSpec] = []
        """Every attempt launched, in order."""
        self._clock = clock
        self._script: Script = script or (lambda spec: Scripted())
        self._facts: list[Fact] = []
        self._ends: list[tuple[float, Attempt]] = []
        self._running: dict[Attempt, Scripted] = {}
        self._known: dict[Attempt, None] = {}
        self._arrived = anyio.Event()
        self._is_closed = False

    async def launch(self, spec: TaskSpec) -> None:
        """Start an attempt; one that is known is left alone."""
        attempt = spec.attempt
        if attempt in self._known:
            return
        self._known[attempt] = None
        self.launched.append(spec)
        scripted = self._script(spec)
        now = self._clock.now()
        self._facts.append(WorkerStarted(at=now, attempt=attempt, where="fake", pid=None))
        self._running[attempt] = scripted
        if scripted.takes_s <= 0:
            self._end(attempt, now)
        else:
            heapq.heappush(self._ends, (now + scripted.takes_s, attempt))
        self._arrived.set()

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """End an attempt; an unknown one is no error."""
        if self._running.pop(attempt, None) is not None:
            reason = "killed" if force else "stopped"
            self._facts.append(WorkerLost(at=self._clock.now(), attempt=attempt, reason=reason))
            self._arrived.set()

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens, in batches, until `aclose`."""
        while not self._is_closed:
            await self._clock.wait(self._arrived, self._ends[0][0] if self._ends else None)
            self._arrived = anyio.Event()
            self._end_due()
            if self._facts:
                facts, self._facts = self._facts, []
                yield facts

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say that every attempt is lost, as its driver was."""
        now = self._clock.now()
        return [
            WorkerLost(at=now, attempt=attempt, reason="its driver died", is_our_fault=True)
            for attempt in attempts
        ]

    async def aclose(self) -> None:
        """Forget what still runs. Safe to call twice."""
        self._is_closed = True
        self._running.clear()
        self._arrived.set()

    def assert_nothing_unexpected(self) -> None:
        """Raise AssertionError if an attempt still runs or was launched twice."""
        assert not self._running, f"still running: {list(self._running)}"
        attempts = [spec.attempt for spec in self.launched]
        assert len(attempts) == len(dict.fromkeys(attempts)), "an attempt was launched twice"

    def _end_due(self) -> None:
        now = self._clock.now()
        while self._ends and self._ends[0][0] <= now:
            self._end(heapq.heappop(self._ends)[1], now)

    def _end(self, attempt: Attempt, at: float) -> None:
        scripted = self._running.pop(attempt, None)
        if scripted is None:
            return
        if scripted.outcome is None:
            self._facts.append(WorkerLost(at=at, attempt=attempt, reason="killed", exit_code=-9))
        else:
            self._facts.append(WorkerReported(at=at, attempt=attempt, outcome=scripted.outcome))
