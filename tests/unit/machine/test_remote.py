"""Steps that run on another platform: slots of their own, pending, lost in many ways, taken over by a later driver."""

from __future__ import annotations

import pytest

from asyncflow.machine.commands import Launch
from asyncflow.machine.events import (
    AttemptFailed,
    AttemptLost,
    AttemptPending,
    Limits,
    RunStatus,
    TaskFailed,
)
from asyncflow.machine.facts import AttemptAdopted, DriverStarted, WorkerLost, WorkerPending
from asyncflow.machine.graph import Pool, Resources, RetryPolicy, StepNode, Transition
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import OUT_OF_MEMORY
from asyncflow.machine.rules.timers import next_wake
from tests.unit.machine.bench import Bench, foreach, linear

WORK = 2
EVICTED = "asyncflow.Evicted"


def lose(bench: Bench, number: int, kind: str = "asyncflow.WorkerLost", **more: bool) -> list[str]:
    return bench.tell(
        WorkerLost(at=bench.now, attempt=Attempt(WORK, number), reason="gone", kind=kind, **more)
    )


def at_work(**node: object) -> Bench:
    bench = Bench(linear(is_remote=True, **node), Limits(most_losses=5))
    bench.succeed(1)
    return bench


def test_jobs_elsewhere_take_slots_of_their_own() -> None:
    bench = Bench(foreach(is_remote=True), Limits(slots=1, remote_slots=3))

    bench.succeed(1, width=5)

    assert [step for step, _, _ in bench.launched()] == ["start", "work", "work", "work"]
    assert bench.state.running_remote == 3
    bench.succeed(2)
    assert bench.state.running_remote == 3


def test_a_job_elsewhere_takes_a_remote_slot_though_it_is_async() -> None:
    node = StepNode(name="a", transition=Transition.END, is_async=True, is_remote=True)

    assert node.pool is Pool.REMOTE


def test_jobs_elsewhere_do_not_wait_for_this_machines_memory() -> None:
    bench = Bench(foreach(is_remote=True, resources=Resources()), Limits(slots=1, memory_mb=1.0))

    bench.succeed(1, width=50)

    assert len(bench.launched()) == 51


def test_a_gang_elsewhere_is_launched_whole_when_there_is_room() -> None:
    bench = Bench(foreach(Transition.PARALLEL, is_remote=True), Limits(slots=1, remote_slots=4))
    bench.succeed(1, width=4)
    assert len(bench.launched()) == 5

    small = Bench(foreach(Transition.PARALLEL, is_remote=True), Limits(slots=99, remote_slots=3))
    small.succeed(1, width=4)
    assert small.state.status is RunStatus.FAILED


def test_why_a_job_is_pending_is_recorded_until_it_has_started() -> None:
    bench = at_work()
    pending = WorkerPending(at=5.0, attempt=Attempt(WORK, 0), why="no node")

    assert bench.tell(pending) == ["AttemptPending"]
    bench.start(WORK)
    assert bench.tell(pending) == ["FactIgnored"]
    assert [event.why for event in bench.events(AttemptPending)] == ["no node"]


@pytest.mark.parametrize("kind", [EVICTED, "asyncflow.SpotReclaimed", "asyncflow.WorkerLost"])
def test_losses_that_are_nobodys_fault_use_up_no_retry(kind: str) -> None:
    bench = at_work(retry=RetryPolicy(times=1, delay_s=0.0))

    for number in range(3):
        assert "AttemptLost" in lose(bench, number, kind, is_our_fault=True)
        bench.wait_until(next_wake(bench.state) or bench.now)
    assert "AttemptFailed" in lose(bench, 3)
    bench.wait_until(next_wake(bench.state) or bench.now)
    bench.succeed(WORK, 4)

    assert len(bench.events(AttemptLost)) == 3
    assert len(bench.events(AttemptFailed)) == 1


def test_the_loss_beyond_the_last_one_allowed_is_a_failure_of_its_kind() -> None:
    bench = at_work()

    for number in range(6):
        lose(bench, number, EVICTED, is_our_fault=True)
        bench.wait_until(next_wake(bench.state) or bench.now)

    assert bench.state.status is RunStatus.FAILED
    assert bench.events(TaskFailed)[0].error.type == EVICTED
    assert len(bench.events(AttemptLost)) == 5


def test_an_attempt_that_ran_out_of_memory_asks_for_more() -> None:
    policy = RetryPolicy(times=3, delay_s=0.0, memory_factor=2.0, on=(OUT_OF_MEMORY, EVICTED))
    bench = at_work(retry=policy)

    lose(bench, 0, OUT_OF_MEMORY)
    bench.wait_until(bench.now)
    lose(bench, 1, EVICTED, is_our_fault=True)
    bench.wait_until(bench.now)
    lose(bench, 2, OUT_OF_MEMORY)
    bench.wait_until(bench.now)

    launches = [
        command for command in bench.commands if isinstance(command, Launch) and command.step == "work"
    ]
    assert [launch.memory_factor for launch in launches] == [1.0, 2.0, 2.0, 4.0]


def test_only_what_a_retry_is_for_is_tried_again() -> None:
    policy = RetryPolicy(times=3, delay_s=0.0, on=(OUT_OF_MEMORY,))
    tried, ended = at_work(retry=policy), at_work(retry=policy)

    assert "RetryScheduled" in lose(tried, 0, OUT_OF_MEMORY)
    assert "TaskFailed" in lose(ended, 0)


@pytest.mark.parametrize("kind", ["asyncflow.WorkerLost", OUT_OF_MEMORY, EVICTED])
def test_every_loss_is_one_for_a_retry_that_names_losses(kind: str) -> None:
    bench = at_work(retry=RetryPolicy(times=1, delay_s=0.0, on=("asyncflow.WorkerLost",)))

    assert "RetryScheduled" in lose(bench, 0, kind)


def test_what_no_try_can_help_is_not_tried_again() -> None:
    bench = at_work(retry=RetryPolicy(times=3, delay_s=0.0))

    assert "TaskFailed" in lose(bench, 0, "asyncflow.ImageError", is_retryable=False)


def test_a_later_driver_takes_over_what_lives() -> None:
    bench = at_work()
    bench.start(WORK)

    bench.tell(DriverStarted(at=bench.now, host="other", pid=3, limits=bench.state.limits))
    bench.tell(AttemptAdopted(at=bench.now, attempt=Attempt(WORK, 0)))

    assert bench.succeed(WORK)[0] == "AttemptSucceeded"
    assert [number for step, _, number in bench.launched() if step == "work"] == [0]
