"""The whole runtime on virtual time: driver, machine, log and a backend without processes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from asyncflow.errors import RunIsElsewhere
from asyncflow.machine.events import Event, Limits, RunStatus
from asyncflow.machine.evolve import fold
from asyncflow.machine.facts import DriverStarted, RunRequested
from asyncflow.machine.graph import Graph, RetryPolicy, StepNode, Transition
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ErrorInfo, Failed, Succeeded
from asyncflow.machine.state import RunState
from asyncflow.runtime.driver import Driver
from asyncflow.testing import FakeBackend, FakeClock, MemoryLog, Script, Scripted
from asyncflow.worker.spec import TaskSpec

RUN = 1
DAY_S = 86_400.0
NEVER = RetryPolicy()
BAD = Failed(error=ErrorInfo("ValueError", "bad"))


def _foreach(retry: RetryPolicy = NEVER) -> Graph:
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("join",), retry=retry),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


class Bench:
    """One run of the runtime."""

    def __init__(self, graph: Graph, script: Script, log: MemoryLog | None = None) -> None:
        self.clock = FakeClock()
        self.log = log or MemoryLog()
        self.backend = FakeBackend(self.clock, script)
        self.state = RunState(graph=graph)
        self.published: list[Event] = []

    async def drive(self, slots: int = 16) -> RunStatus:
        request = RunRequested(at=self.clock.now(), run=RUN, user="u", limits=Limits(slots=slots))
        return await self._driver().drive(RUN, [request])

    async def go_on(self) -> RunStatus:
        self.state = fold(self.state.graph, await self.log.read(RUN))
        in_flight = [Attempt(task, self.state.tasks[task].number) for task in self.state.running]
        adopted = await self.backend.adopt(in_flight)
        began = DriverStarted(at=self.clock.now(), host="h", pid=1, limits=self.state.limits)
        return await self._driver().drive(RUN, [began, *adopted])

    def _driver(self) -> Driver:
        return Driver(self.state, log=self.log, backend=self.backend, clock=self.clock, publish=self._publish)

    def _publish(self, first_seq: int, events: Sequence[Event]) -> None:
        assert first_seq == len(self.published)
        self.published.extend(events)


def _succeed(width: int, takes_s: float = 0.0) -> Script:
    def script(spec: TaskSpec) -> Scripted:
        return Scripted(outcome=Succeeded(width=width if spec.step == "start" else None), takes_s=takes_s)

    return script


async def test_a_wide_foreach_runs_every_branch_and_one_join() -> None:
    bench = Bench(_foreach(), _succeed(2000))
    assert await bench.drive() is RunStatus.SUCCEEDED
    assert len(bench.backend.launched) == 2003
    join = next(spec for spec in bench.backend.launched if spec.step == "join")
    assert len(join.inputs) == 2000
    bench.backend.assert_nothing_unexpected()


async def test_what_is_published_is_what_is_recorded() -> None:
    bench = Bench(_foreach(), _succeed(5))
    await bench.drive()
    assert bench.published == await bench.log.read(RUN)


async def test_tasks_beyond_the_slots_wait_for_those_before_them() -> None:
    bench = Bench(_foreach(), _succeed(10, takes_s=60.0))
    began = bench.clock.now()
    await bench.drive(slots=2)
    assert bench.clock.now() - began == pytest.approx(60.0 * (1 + 5 + 1 + 1), abs=1)


async def test_a_day_of_retries_passes_in_no_time() -> None:
    tries: dict[int, int] = {}

    def script(spec: TaskSpec) -> Scripted:
        tries[spec.attempt.task] = spec.attempt.number
        if spec.step == "work" and spec.attempt.number < 8:
            return Scripted(outcome=BAD)
        return _succeed(3)(spec)

    retry = RetryPolicy(times=8, delay_s=400.0, backoff=2.0, jitter=0.1)
    bench = Bench(_foreach(retry), script)
    began = bench.clock.now()
    assert await bench.drive() is RunStatus.SUCCEEDED
    assert bench.clock.now() - began > DAY_S
    assert sorted(tries.values()) == [0, 0, 0, 8, 8, 8]


async def test_a_task_that_dies_for_good_fails_the_run_and_names_itself() -> None:
    def script(spec: TaskSpec) -> Scripted:
        return Scripted(outcome=None) if spec.step == "join" else _succeed(2)(spec)

    bench = Bench(_foreach(), script)
    assert await bench.drive() is RunStatus.FAILED
    failed = [event for event in bench.published if type(event).__name__ == "TaskFailed"]
    assert [event.error.message for event in failed] == ["killed"]  # type: ignore[union-attr]


async def test_siblings_of_a_failure_have_a_grace_time_and_are_stopped_then() -> None:
    def script(spec: TaskSpec) -> Scripted:
        if spec.step != "work":
            return _succeed(3)(spec)
        return {0: Scripted(outcome=BAD), 1: Scripted(takes_s=2.0), 2: Scripted(takes_s=3600.0)}[
            spec.index or 0
        ]

    bench = Bench(_foreach(), script)
    began = bench.clock.now()
    assert await bench.drive() is RunStatus.FAILED
    names = [type(event).__name__ for event in bench.published]
    assert names.count("AttemptSucceeded") == 2
    assert names.count("AttemptCancelled") == 1
    assert bench.clock.now() - began == pytest.approx(5.0, abs=1)


async def test_a_second_driver_is_refused_and_has_changed_nothing() -> None:
    log = MemoryLog()
    await Bench(_foreach(), _succeed(2), log).drive()
    before = list(await log.read(RUN))
    with pytest.raises(ExceptionGroup) as raised:
        await Bench(_foreach(), _succeed(2), log).drive()
    assert raised.group_contains(RunIsElsewhere)
    assert await log.read(RUN) == before


@pytest.mark.parametrize("length", range(4, 30, 3))
async def test_a_driver_that_takes_over_finishes_what_the_first_began(length: int) -> None:
    whole = Bench(_foreach(), _succeed(4))
    await whole.drive()
    batches = MemoryLog()
    await batches.append(RUN, whole.published[: _turn_end(whole, length)], expected_seq=0)  # type: ignore[arg-type]
    bench = Bench(_foreach(), _succeed(4), batches)
    bench.published = list(await batches.read(RUN))  # type: ignore[arg-type]
    if fold(_foreach(), bench.published).is_over:
        pytest.skip("the first driver had finished by then")
    assert await bench.go_on() is RunStatus.SUCCEEDED
    done = [event.task for event in bench.published if type(event).__name__ == "AttemptSucceeded"]  # type: ignore[union-attr]
    assert len(done) == len(dict.fromkeys(done)) == 7


def _turn_end(bench: Bench, length: int) -> int:
    """Return the first end of a turn at or after `length`: a turn is one batch of the log."""
    ends = [place for place, event in enumerate(bench.published) if type(event).__name__ == "AttemptLaunched"]
    return next((place + 1 for place in ends if place + 1 >= length), len(bench.published))
