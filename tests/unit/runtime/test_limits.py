"""The limiter between a machine and the ledgers: runs side by side, and what goes wrong with the files."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from asyncflow.machine.commands import Launch
from asyncflow.machine.decide import step_all
from asyncflow.machine.events import Limits
from asyncflow.machine.facts import (
    CancelRequested,
    Fact,
    RunRequested,
    WorkerLost,
    WorkerReported,
    WorkerStarted,
)
from asyncflow.machine.graph import Permit
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Succeeded
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.limits import Limiter
from asyncflow.runtime.limits_directory import find_directory
from tests.unit.machine.bench import foreach

GATE = Permit("gate", 2)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return find_directory()


class Run:
    """A machine and its limiter; attempts end when the test says so."""

    def __init__(self, state: RunState, limiter: Limiter) -> None:
        self.state = state
        self.limiter = limiter
        self.inbox = Inbox()
        self.clock = SystemClock()
        self.running: list[Attempt] = []
        self.most = 0
        self._turned = anyio.Event()

    async def drive(self) -> None:
        """Take turns for ever."""
        while True:
            facts = await self.inbox.take(self.clock, None)
            turn = step_all(self.state, facts)
            self.limiter.after_turn(facts, turn.events)
            self.running += [command.attempt for command in turn.commands if isinstance(command, Launch)]
            self.most = max(self.most, len(self.running))
            self._turned.set()
            self._turned = anyio.Event()

    def tell(self, *facts: Fact) -> None:
        self.inbox.put(facts)

    def end(self, *, width: int | None = None) -> None:
        """The oldest attempt succeeds."""
        attempt = self.running.pop(0)
        self.tell(WorkerReported(at=1.0, attempt=attempt, outcome=Succeeded(width=width)))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a turn after which something is so."""
        with anyio.fail_after(20):
            while not condition():
                await self._turned.wait()


@asynccontextmanager
async def running(
    name: str, *permits: Permit, width: int = 4, patience_s: float = 60.0
) -> AsyncIterator[Run]:
    """A run whose foreach tasks wait for permits."""
    state = RunState(graph=foreach(permits=permits))
    async with Limiter(state, run=name, patience_s=patience_s) as limiter, anyio.create_task_group() as tasks:
        run = Run(state, limiter)
        tasks.start_soon(run.drive)
        tasks.start_soon(limiter.keep, run.inbox, run.clock)
        run.tell(RunRequested(at=1.0, run=1, user="u", limits=Limits()))
        await run.until(lambda: bool(run.running))
        run.end(width=width)
        yield run
        tasks.cancel_scope.cancel()


def _holders(place: str) -> str:
    return "".join(file.read_text() for file in Path(place).glob("*/ledger.json"))


def _only_ledger(place: str) -> Path:
    (ledger,) = [entry for entry in Path(place).iterdir() if entry.name != "owners"]
    return ledger


async def test_two_runs_share_what_there_is_and_the_second_gets_its_share(place: str) -> None:
    async with running("one", GATE) as one:
        await one.until(lambda: len(one.running) == 2)
        async with running("two", GATE) as two:
            await one.until(lambda: one.state.granted.get(GATE.id) == 1)
            one.end()
            await two.until(lambda: len(two.running) == 1)
            assert len(one.running) == 1
            for run in (one, two, one, two, two):
                await run.until(lambda run=run: bool(run.running))
                run.end()
            await two.until(lambda: two.state.succeeded >= 4)
        assert (one.most, two.most) == (2, 1)


async def test_leaving_gives_everything_back(place: str) -> None:
    async with running("one", GATE, Permit("gate", 100, 1.0)) as one:
        await one.until(lambda: len(one.running) >= 1)
        assert '"one"' in _holders(place)
    assert '"one"' not in _holders(place)
    assert os.listdir(os.path.join(place, "owners")) == []


@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01])
async def test_leaving_at_any_moment_gives_everything_back(place: str, after_s: float) -> None:
    async with running("one", GATE, Permit("other", 1)):
        await anyio.sleep(after_s)
    assert '"one"' not in _holders(place)
    assert os.listdir(os.path.join(place, "owners")) == []


async def test_what_a_cancelled_run_holds_is_given_back_as_its_attempts_end(place: str) -> None:
    async with running("one", GATE) as one:
        await one.until(lambda: len(one.running) == 2)
        async with running("two", GATE, width=1) as two:
            one.tell(CancelRequested(at=1.0, by="test"))
            for attempt in list(one.running):
                one.tell(WorkerLost(at=1.0, attempt=attempt, reason="stopped"))
            await two.until(lambda: len(two.running) == 1)


async def test_another_runs_smaller_limit_counts_and_is_said_once(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="asyncflow.runtime.limits"):
        async with running("one", Permit("gate", 1)) as one:
            await one.until(lambda: bool(one.running))
            async with running("two", Permit("gate", 9)) as two:
                with anyio.move_on_after(0.3):
                    await two.until(lambda: len(two.running) > 0)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "two: another run on this machine gives 1 as the limit of gate, this one 9. The smaller counts."
    ]


async def test_the_starts_of_a_rate_are_freed_by_the_ends_of_attempts(place: str) -> None:
    async with running("one", Permit("gate", 3, 0.2), width=9) as one:
        for done in range(9):
            await one.until(lambda: bool(one.running))
            one.tell(WorkerStarted(at=1.0, attempt=one.running[0], where="w", pid=1))
            if done % 2:
                await anyio.sleep(0.01)
            one.end()
        await one.until(lambda: one.state.succeeded >= 10)


async def test_a_directory_that_is_cleared_away_is_made_again_and_the_limit_holds(place: str) -> None:
    async with running("one", GATE, width=6) as one:
        await one.until(lambda: len(one.running) == 2)
        shutil.rmtree(place)
        async with running("two", GATE, width=3) as two:
            for _ in range(2000):
                if '"one"' in _holders(place):  # it says again what it holds
                    break
                await anyio.sleep(0.01)
            for _ in range(5):
                one.end()
                await one.until(lambda: bool(one.running))
            await two.until(lambda: bool(two.running))
            assert len(one.running) <= 2


async def test_a_ledger_that_cannot_be_used_is_waited_for_and_said_once(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running("one", GATE, width=1) as one:
        await one.until(lambda: bool(one.running))
        ledger = _only_ledger(place)
    shutil.rmtree(ledger)
    ledger.write_text("a file in its place")
    async with running("two", GATE, width=2) as two:
        with anyio.move_on_after(0.2):
            await two.until(lambda: bool(two.running))
        assert not two.running
        ledger.unlink()
        await two.until(lambda: bool(two.running))
    assert sum("waits for its ledger" in record.getMessage() for record in caplog.records) == 1


async def test_a_run_without_limits_touches_no_file(place: str) -> None:
    async with running("one") as one:
        await one.until(lambda: len(one.running) == 4)
        assert os.listdir(os.path.join(place, "owners")) == []


async def test_what_is_waited_for_long_is_said_once(place: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running("Flow/1", GATE) as one:
        await one.until(lambda: len(one.running) == 2)
        async with (
            running("Flow/2", Permit("gate", 2), patience_s=0.1),
            running("Flow/3", Permit("gate", 1, 3600.0), patience_s=0.1) as other,
        ):
            await other.until(lambda: len(other.running) == 1)
            other.end()
            while len(caplog.records) < 2:  # noqa: ASYNC110 - a log record sets no event
                await anyio.sleep(0.01)
            await anyio.sleep(0.2)
    said = sorted(record.getMessage().partition(" in ")[0] for record in caplog.records)
    assert said == [
        "Flow/2: tasks wait for the limit of gate: permits are held by Flow/1; see `asyncflow limits`.",
        "Flow/3: tasks wait for the limit of gate: the next start may be",
    ]
