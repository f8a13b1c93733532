"""People end single tasks of a run that goes on, and let tasks that wait for their next try have it at once."""

from __future__ import annotations

from typing import Any

from asyncflow.machine.commands import Stop
from asyncflow.machine.events import AttemptFailed, Limits, RetryScheduled, RunStatus, TaskFailed
from asyncflow.machine.facts import CancelRequested, RetryRequested, TaskStopRequested
from asyncflow.machine.graph import RetryPolicy
from asyncflow.machine.outcome import ErrorInfo
from tests.unit.machine.bench import Bench, foreach, linear

KEEP_GOING = Limits(slots=4, keep_going=True)


def _wide(width: int, limits: Limits = KEEP_GOING, **work: Any) -> Bench:  # Any: fields of StepNode
    bench = Bench(foreach(**work), limits)
    bench.succeed(1, width=width)
    return bench


def _stop(bench: Bench, task: int | None = None, *, force: bool = False) -> list[str]:
    return bench.tell(TaskStopRequested(at=bench.now, by="ada", step="work", task=task, force=force))


def test_a_task_that_is_ended_is_asked_to_stop_and_has_failed_without_another_try() -> None:
    bench = _wide(2, retry=RetryPolicy(times=3))
    assert _stop(bench, 2) == ["StopAsked"]
    assert bench.commands[-1] == Stop(attempt=(2, 0), force=False)
    assert bench.lose(2) == ["AttemptFailed", "TaskFailed"]
    error = next(event.error for event in bench.log if isinstance(event, TaskFailed))
    assert (error.type, error.message) == ("asyncflow.TaskCancelled", "the task was cancelled by ada")
    bench.succeed(3)
    assert bench.state.status is RunStatus.FAILED
    assert bench.state.succeeded == 2


def test_a_failure_that_it_reports_while_it_is_stopped_is_told_as_the_cancel() -> None:
    bench = _wide(2)
    _stop(bench, 2)
    bench.fail(2)
    assert [event.error.type for event in bench.log if isinstance(event, AttemptFailed)] == [
        "asyncflow.TaskCancelled"
    ]


def test_a_task_that_succeeds_although_it_was_asked_has_succeeded() -> None:
    bench = _wide(1)
    _stop(bench, 2)
    assert bench.succeed(2)[0] == "AttemptSucceeded"


def test_a_second_request_changes_nothing_unless_it_forces() -> None:
    bench = _wide(1)
    assert _stop(bench, 2) == ["StopAsked"]
    assert _stop(bench, 2) == ["FactIgnored"]
    assert _stop(bench, 2, force=True) == ["StopAsked"]
    assert _stop(bench, 2, force=True) == ["FactIgnored"]


def test_one_that_does_not_end_in_its_grace_time_is_forced_and_is_still_a_failure() -> None:
    bench = _wide(1)
    _stop(bench, 2)
    assert bench.wait_until(bench.now + 10) == ["StopAsked"]
    assert bench.lose(2) == ["AttemptFailed", "TaskFailed", "RunFinished"]


def test_catch_takes_it_and_the_run_goes_on() -> None:
    bench = _wide(1, catches=True)
    _stop(bench, 2)
    assert bench.lose(2) == ["AttemptFailed", "RetryScheduled"]
    assert bench.wait_until(bench.now)[:2] == ["RetryDue", "AttemptLaunched"]
    caught = ErrorInfo("asyncflow.TaskCancelled", "the task was cancelled by ada", is_retryable=False)
    assert bench.commands[-1].fallback == caught  # type: ignore[union-attr]
    assert "TaskCreated" in bench.succeed(2, 1, caught=caught)


def test_a_whole_step_is_ended_with_the_branches_that_are_no_tasks_yet() -> None:
    bench = _wide(6)
    asked = _stop(bench)
    assert asked == ["StopAsked"] * 4 + ["TaskCreated", "TaskFailed"] * 2
    for task in (2, 3, 4, 5):
        bench.lose(task)
    assert bench.state.status is RunStatus.FAILED
    assert bench.state.failed == 6


def test_where_a_failure_ends_the_run_the_first_branch_that_is_ended_is_enough() -> None:
    bench = _wide(1000, Limits(slots=1))
    assert _stop(bench) == ["StopAsked", "TaskCreated", "TaskFailed", "RunStopping"]


def test_branches_of_a_step_that_catches_are_all_caught() -> None:
    bench = _wide(3, Limits(slots=1), catches=True)
    assert _stop(bench) == ["StopAsked"] + ["TaskCreated", "RetryScheduled"] * 2
    assert all(event.is_fallback for event in bench.log if isinstance(event, RetryScheduled))


def test_a_task_that_waits_for_its_next_try_can_be_ended() -> None:
    bench = _wide(2, retry=RetryPolicy(times=3, delay_s=60))
    bench.fail(2)
    assert _stop(bench, 2) == ["TaskFailed"]
    assert bench.state.waiting == 0


def test_a_cancel_of_the_run_takes_over_from_that_of_a_task() -> None:
    bench = _wide(2)
    _stop(bench, 2)
    bench.tell(CancelRequested(at=bench.now, by="ada"))
    assert bench.lose(2) == ["AttemptCancelled"]
    assert _stop(bench, 3) == ["FactIgnored"]


def test_a_task_that_waits_has_its_next_try_at_once_when_asked() -> None:
    bench = Bench(linear(retry=RetryPolicy(times=3, delay_s=600)))
    bench.succeed(1)
    assert bench.tell(RetryRequested(at=bench.now, by="ada", step="work", task=2)) == ["FactIgnored"]
    bench.fail(2)
    assert bench.tell(RetryRequested(at=bench.now, by="ada", step="work")) == ["RetryDue", "AttemptLaunched"]
    assert bench.wait_until(bench.now + 600) == []
    assert "TaskCreated" in bench.succeed(2, 1)
