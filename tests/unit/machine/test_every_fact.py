"""Every kind of fact in every state of a task and of a run: it concludes what it should, or is ignored and says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from asyncflow.machine.decide import commands, outstanding, step
from asyncflow.machine.events import FactIgnored, Limits, RunStatus
from asyncflow.machine.facts import (
    AttemptAdopted,
    CancelRequested,
    DriverStarted,
    Fact,
    LimiterGranted,
    LimiterRecalled,
    LimitsRequested,
    RetryRequested,
    RunRequested,
    TaskStopRequested,
    TimerFired,
    WorkerLost,
    WorkerPending,
    WorkerReported,
    WorkerStarted,
)
from asyncflow.machine.graph import Permit, RetryPolicy
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Failed, Succeeded
from asyncflow.machine.state import RunState
from tests.unit.machine.bench import BAD, Bench, linear

AT = 200.0
TASK = 2
GATE = Permit("gate", 3)


def _queued(bench: Bench) -> None:
    bench.tell(LimiterRecalled(at=AT, permit=GATE.id, count=3))
    bench.succeed(1)


def _launched(bench: Bench) -> None:
    bench.succeed(1)


def _started(bench: Bench) -> None:
    _launched(bench)
    bench.start(TASK)


def _waiting(bench: Bench) -> None:
    _started(bench)
    bench.fail(TASK)


def _asked_to_stop(bench: Bench) -> None:
    _started(bench)
    bench.tell(CancelRequested(at=bench.now, by="test"))


def _timed_out(bench: Bench) -> None:
    _started(bench)
    bench.wait_until(bench.now + 60 + 5)


def _ended(bench: Bench) -> None:
    _started(bench)
    bench.succeed(TASK)


STATES: dict[str, Callable[[Bench], None]] = {
    "queued": _queued,
    "launched": _launched,
    "started": _started,
    "waiting": _waiting,
    "asked": _asked_to_stop,
    "timed out": _timed_out,
    "ended": _ended,
}


def _task_facts(attempt: Attempt) -> dict[str, Fact]:
    return {
        "started": WorkerStarted(at=AT, attempt=attempt, where="w", pid=1),
        "pending": WorkerPending(at=AT, attempt=attempt, why="no node"),
        "adopted": AttemptAdopted(at=AT, attempt=attempt),
        "succeeded": WorkerReported(at=AT, attempt=attempt, outcome=Succeeded()),
        "failed": WorkerReported(at=AT, attempt=attempt, outcome=Failed(error=BAD)),
        "lost": WorkerLost(at=AT, attempt=attempt, reason="killed"),
        "evicted": WorkerLost(at=AT, attempt=attempt, reason="evicted", is_our_fault=True),
    }


RETRIED = ["AttemptFailed", "RetryScheduled"]
SUCCEEDED = ["AttemptSucceeded", "TaskCreated", "AttemptLaunched"]
CANCELLED = ["AttemptCancelled", "RunFinished"]
EXPECTED: dict[str, dict[str, list[str] | str]] = {
    "queued": dict.fromkeys(_task_facts(Attempt(0, 0)), "not in flight"),
    "launched": {
        "started": ["AttemptStarted"],
        "pending": ["AttemptPending"],
        "adopted": [],
        "succeeded": SUCCEEDED,
        "failed": RETRIED,
        "lost": RETRIED,
        "evicted": ["AttemptLost", "RetryScheduled"],
    },
    "started": {
        "started": "has started already",
        "pending": "has started already",
        "adopted": [],
        "succeeded": SUCCEEDED,
        "failed": RETRIED,
        "lost": RETRIED,
        "evicted": ["AttemptLost", "RetryScheduled"],
    },
    "waiting": dict.fromkeys(_task_facts(Attempt(0, 0)), "not in flight"),
    "asked": {
        "started": "has started already",
        "pending": "has started already",
        "adopted": [],
        "succeeded": ["AttemptSucceeded", "RunFinished"],
        "failed": CANCELLED,
        "lost": CANCELLED,
        "evicted": CANCELLED,
    },
    "timed out": {
        "started": "has started already",
        "pending": "has started already",
        "adopted": [],
        "succeeded": SUCCEEDED,
        "failed": RETRIED,
        "lost": RETRIED,
        "evicted": ["AttemptLost", "RetryScheduled"],
    },
    "ended": dict.fromkeys(_task_facts(Attempt(0, 0)), "has ended or never was"),
}
"""Names of the events that follow; a text: the fact is ignored, and the reason has these words."""


def _bench() -> Bench:
    graph = linear(retry=RetryPolicy(times=3, delay_s=500.0), timeout_s=60.0, permits=(GATE,))
    bench = Bench(graph, Limits(slots=4))
    bench.tell(LimiterGranted(at=bench.now, permit=GATE.id, count=3))
    return bench


def _expect(bench: Bench, fact: Fact, expected: list[str] | str) -> None:
    names = bench.tell(fact)
    if isinstance(expected, list):
        assert names == expected
        return
    assert names == ["FactIgnored"]
    ignored = bench.events(FactIgnored)[-1]
    assert expected in ignored.why
    assert ignored.fact == type(fact).__name__


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fact", _task_facts(Attempt(0, 0)))
def test_a_fact_of_the_attempt_in_flight(state: str, fact: str) -> None:
    bench = _bench()
    STATES[state](bench)
    _expect(bench, _task_facts(Attempt(TASK, 0))[fact], EXPECTED[state][fact])


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fact", _task_facts(Attempt(0, 0)))
@pytest.mark.parametrize("attempt", [Attempt(TASK, 7), Attempt(99, 0)])
def test_a_fact_of_any_other_attempt_is_ignored(state: str, fact: str, attempt: Attempt) -> None:
    bench = _bench()
    STATES[state](bench)
    is_unknown = attempt.task == 99 or state == "ended"
    _expect(bench, _task_facts(attempt)[fact], "has ended or never was" if is_unknown else "not in flight")


def _run_facts() -> dict[type, Fact]:
    return {
        RunRequested: RunRequested(at=AT, run=1, user="u", limits=Limits()),
        DriverStarted: DriverStarted(at=AT, host="h", pid=1, limits=Limits()),
        TimerFired: TimerFired(at=AT),
        CancelRequested: CancelRequested(at=AT, by="test"),
        LimitsRequested: LimitsRequested(at=AT, limits=Limits(slots=9)),
        TaskStopRequested: TaskStopRequested(at=AT, by="test", step="work", task=TASK),
        RetryRequested: RetryRequested(at=AT, by="test", step="work"),
        LimiterGranted: LimiterGranted(at=AT, permit=GATE.id, count=1),
        LimiterRecalled: LimiterRecalled(at=AT, permit=GATE.id, count=1),
    }


def _stopping(bench: Bench) -> None:
    _asked_to_stop(bench)


def _over(bench: Bench) -> None:
    _asked_to_stop(bench)
    bench.lose(TASK)


RUNS: dict[str, tuple[Callable[[Bench], None], dict[type, list[str] | str]]] = {
    "running": (
        _started,
        {
            RunRequested: "exists already",
            DriverStarted: ["DriverChanged"],
            TimerFired: ["AttemptTimedOut"],
            CancelRequested: ["RunStopping", "StopAsked"],
            LimitsRequested: ["LimitsChanged"],
            TaskStopRequested: ["StopAsked"],
            RetryRequested: "waits for its next try",
            LimiterGranted: ["PermitsGranted"],
            LimiterRecalled: ["PermitsReturned"],
        },
    ),
    "stopping": (
        _stopping,
        {
            RunRequested: "exists already",
            DriverStarted: ["DriverChanged"],
            TimerFired: ["StopAsked", "AttemptTimedOut"],
            CancelRequested: "is stopping already",
            LimitsRequested: ["LimitsChanged"],
            TaskStopRequested: "no such task",
            RetryRequested: "waits for its next try",
            LimiterGranted: ["PermitsGranted"],
            LimiterRecalled: ["PermitsReturned"],
        },
    ),
    "over": (
        _over,
        {
            RunRequested: "exists already",
            DriverStarted: "has ended (cancelled)",
            TimerFired: [],
            CancelRequested: "has ended (cancelled)",
            LimitsRequested: "has ended (cancelled)",
            TaskStopRequested: "has ended (cancelled)",
            RetryRequested: "has ended (cancelled)",
            LimiterGranted: "has ended (cancelled)",
            LimiterRecalled: "has ended (cancelled)",
        },
    ),
}


@pytest.mark.parametrize("state", RUNS)
@pytest.mark.parametrize("kind", _run_facts())
def test_a_fact_of_the_run(state: str, kind: type) -> None:
    reach, expected = RUNS[state]
    bench = _bench()
    reach(bench)
    _expect(bench, _run_facts()[kind], expected[kind])


@pytest.mark.parametrize("fact", [*_run_facts().values(), *_task_facts(Attempt(TASK, 0)).values()])
def test_nothing_happens_to_a_run_that_is_over_or_does_not_exist(fact: Fact) -> None:
    over = _bench()
    _over(over)
    assert {*over.tell(fact)} <= {"FactIgnored"}
    assert over.state.status is RunStatus.CANCELLED
    if not isinstance(fact, RunRequested):
        nothing = RunState(graph=linear())
        assert {type(event).__name__ for event in step(nothing, fact).events} <= {"FactIgnored"}
        assert nothing.status is None


def test_every_kind_of_fact_is_in_the_tables() -> None:
    known = [*_run_facts(), *(type(fact) for fact in _task_facts(Attempt(0, 0)).values())]
    assert set(known) == set(get_args(Fact))


@pytest.mark.parametrize("state", STATES)
def test_what_is_outstanding_is_what_was_asked_for_and_not_answered(state: str) -> None:
    bench = _bench()
    STATES[state](bench)
    expected = {"launched": ["Launch"], "asked": ["Stop"], "timed out": ["Stop"], "ended": ["Launch"]}
    assert [type(command).__name__ for command in outstanding(bench.state)] == expected.get(state, [])


def test_an_event_of_a_task_that_is_gone_has_no_image() -> None:
    bench = _bench()
    _launched(bench)
    log = list(bench.log)
    _ended(_bench())
    bench.succeed(TASK)
    assert all(command.attempt.task != TASK for command in commands(bench.state, log))
