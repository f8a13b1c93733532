"""What a failed, lost or late attempt leads to."""

from __future__ import annotations

import pytest

from asyncflow.machine.commands import Launch, Stop
from asyncflow.machine.events import FactIgnored, Limits, RetryScheduled, RunStatus, TaskFailed
from asyncflow.machine.facts import AttemptAdopted, WorkerReported
from asyncflow.machine.graph import RetryPolicy
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ErrorInfo, Succeeded
from asyncflow.machine.rules.failure import MAX_FALLBACKS, retry_delay
from tests.unit.machine.bench import BAD, Bench, foreach, linear

VALUE_ERROR = ("x.Child", "builtins.ValueError")
GROUP = ErrorInfo("builtins.ExceptionGroup", "two", bases=("builtins.ExceptionGroup", "builtins.Exception"))

WORK = 2


def _at_work(**work: object) -> Bench:
    bench = Bench(linear(**work))
    bench.succeed(1)
    return bench


def test_a_failure_without_retries_fails_the_task_and_the_run() -> None:
    bench = _at_work()
    assert bench.fail(WORK) == ["AttemptFailed", "TaskFailed", "RunStopping", "RunFinished"]
    assert bench.state.status is RunStatus.FAILED


def test_a_retry_without_delay_is_launched_when_the_timer_fires() -> None:
    bench = _at_work(retry=RetryPolicy(times=1))
    assert bench.fail(WORK) == ["AttemptFailed", "RetryScheduled"]
    assert bench.wait_until(bench.now) == ["RetryDue", "AttemptLaunched"]
    assert bench.launched()[-1] == ("work", WORK, 1)


def test_retries_are_used_up_one_by_one() -> None:
    bench = _at_work(retry=RetryPolicy(times=2))
    for number in range(2):
        bench.fail(WORK, number)
        bench.wait_until(bench.now)
    assert "TaskFailed" in bench.fail(WORK, 2)


@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (BAD, True),
        (ErrorInfo("x.Child", "", bases=("x.Child", "builtins.ValueError")), True),
        (ErrorInfo("builtins.KeyError", "", bases=("builtins.KeyError",)), False),
        (BAD._replace(is_retryable=False), False),
        (GROUP._replace(leaves=(VALUE_ERROR, VALUE_ERROR)), True),
        (GROUP._replace(leaves=(VALUE_ERROR, ("builtins.KeyError",))), False),
        (GROUP, False),
    ],
)
def test_only_errors_worth_a_retry_are_retried(error: ErrorInfo, is_retried: bool) -> None:
    bench = _at_work(retry=RetryPolicy(times=3, on=("builtins.ValueError",)))
    assert ("RetryScheduled" in bench.fail(WORK, error=error)) is is_retried


def test_the_wait_grows_by_the_factor_and_stays_below_its_bound() -> None:
    policy = RetryPolicy(times=9, delay_s=2.0, backoff=3.0, max_delay_s=20.0)
    waits = [retry_delay(policy, failures, Attempt(1, failures)) for failures in range(1, 6)]
    assert waits == [2.0, 6.0, 18.0, 20.0, 20.0]


def test_jitter_spreads_waits_and_is_the_same_on_every_replay() -> None:
    policy = RetryPolicy(times=9, delay_s=10.0, jitter=0.5)
    waits = [retry_delay(policy, 1, Attempt(task, 0)) for task in range(50)]
    assert waits == [retry_delay(policy, 1, Attempt(task, 0)) for task in range(50)]
    assert len(dict.fromkeys(waits)) == 50
    assert all(5.0 <= wait <= 15.0 for wait in waits)


def test_a_loss_that_is_our_fault_uses_up_no_retry() -> None:
    bench = _at_work()
    assert bench.lose(WORK, is_our_fault=True) == ["AttemptLost", "RetryScheduled"]
    assert not bench.events(RetryScheduled)[-1].uses_retry
    bench.wait_until(bench.now)
    assert bench.launched()[-1] == ("work", WORK, 1)


def test_a_task_that_is_lost_again_and_again_is_tried_at_growing_intervals() -> None:
    bench = _at_work()
    waits: list[float] = []
    for number in range(12):
        bench.lose(WORK, number, is_our_fault=True)
        wake_at = bench.events(RetryScheduled)[-1].wake_at
        waits.append(wake_at - bench.now)
        bench.wait_until(wake_at)
    assert waits == [0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def test_a_step_that_always_takes_its_worker_down_fails_in_the_end() -> None:
    bench = _at_work()
    for number in range(Limits().most_losses):
        bench.lose(WORK, number, is_our_fault=True)
        bench.wait_until(bench.events(RetryScheduled)[-1].wake_at)
    assert "TaskFailed" in bench.lose(WORK, Limits().most_losses, is_our_fault=True)


def test_a_death_is_an_error_of_its_own() -> None:
    bench = _at_work()
    bench.lose(WORK)
    assert bench.events(TaskFailed)[0].error == ErrorInfo("asyncflow.WorkerLost", "gone")


def test_the_last_attempt_of_a_step_with_catch_is_told_to_catch() -> None:
    bench = _at_work(retry=RetryPolicy(times=1), catches=True)
    bench.fail(WORK)
    bench.wait_until(bench.now)
    launches = [command for command in bench.commands if isinstance(command, Launch)]
    assert [launch.catches for launch in launches if launch.step == "work"] == [False, True]


def test_a_process_that_dies_under_catch_gets_a_fallback_that_knows_the_error() -> None:
    bench = _at_work(catches=True)
    bench.lose(WORK)
    bench.wait_until(bench.now)
    launch = bench.commands[-1]
    assert isinstance(launch, Launch)
    assert launch.fallback == ErrorInfo("asyncflow.WorkerLost", "gone")
    assert "TaskCreated" in bench.succeed(WORK, 1, caught=launch.fallback)


def test_a_fallback_that_is_lost_by_our_fault_is_a_fallback_again() -> None:
    bench = _at_work(catches=True)
    bench.lose(WORK)
    bench.wait_until(bench.now)
    bench.lose(WORK, 1, is_our_fault=True)
    bench.wait_until(bench.now)
    launch = bench.commands[-1]
    assert isinstance(launch, Launch)
    assert launch.fallback is not None


def test_a_fallback_that_keeps_dying_fails_the_task() -> None:
    bench = _at_work(catches=True)
    bench.lose(WORK)
    for number in range(1, MAX_FALLBACKS):
        bench.wait_until(bench.now)
        bench.lose(WORK, number)
    bench.wait_until(bench.now)
    assert "TaskFailed" in bench.lose(WORK, MAX_FALLBACKS)


def test_a_step_past_its_timeout_is_killed_after_the_margin_and_says_so() -> None:
    bench = _at_work(timeout_s=10.0)
    bench.start(WORK)
    assert bench.wait_until(bench.now + 14.9) == []
    assert bench.wait_until(bench.now + 0.2) == ["AttemptTimedOut"]
    assert bench.commands[-1] == Stop(attempt=Attempt(WORK, 0), force=True)
    bench.lose(WORK)
    assert bench.events(TaskFailed)[0].error.type == "asyncflow.TimeoutException"


@pytest.mark.parametrize("attempt", [Attempt(WORK, 1), Attempt(99, 0), Attempt(1, 0)])
def test_news_of_an_attempt_that_is_not_in_flight_changes_nothing(attempt: Attempt) -> None:
    bench = _at_work()
    assert bench.tell(WorkerReported(at=1.0, attempt=attempt, outcome=Succeeded())) == ["FactIgnored"]
    assert bench.events(FactIgnored)[-1].task == attempt.task


def test_a_second_start_is_ignored() -> None:
    bench = _at_work()
    assert bench.start(WORK) == ["AttemptStarted"]
    assert bench.start(WORK) == ["FactIgnored"]


def test_an_adopted_attempt_just_goes_on() -> None:
    bench = _at_work()
    assert bench.tell(AttemptAdopted(at=1.0, attempt=Attempt(WORK, 0))) == []
    assert bench.tell(AttemptAdopted(at=1.0, attempt=Attempt(WORK, 5))) == ["FactIgnored"]


def test_a_late_timer_of_a_run_that_is_over_is_not_even_recorded() -> None:
    bench = _at_work()
    bench.fail(WORK)
    assert bench.wait_until(bench.now + 100) == []


def test_a_foreach_that_reports_no_width_fails_without_a_retry() -> None:
    bench = Bench(foreach())
    assert "TaskFailed" in bench.succeed(1)


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_foreach_wider_than_the_cap_ends_the_run_and_says_why_and_the_split_stays_good(
    keep_going: bool,
) -> None:
    bench = Bench(foreach(), Limits(max_splits=2, keep_going=keep_going))
    assert "AttemptSucceeded" in bench.succeed(1, width=3)
    assert [event.task for event in bench.events(TaskFailed)] == [2]
    assert "3 items, more than --max-num-splits 2" in bench.events(TaskFailed)[0].error.message
    assert bench.state.status is RunStatus.FAILED
    assert len(bench.launched()) == 1


def test_a_foreach_as_wide_as_the_cap_runs() -> None:
    bench = Bench(foreach(), Limits(max_splits=2))
    bench.succeed(1, width=2)
    assert len(bench.launched()) == 3


def test_an_attempt_lost_by_our_fault_while_the_run_stops_is_not_tried_again() -> None:
    bench = Bench(foreach(), Limits(slots=3))
    bench.succeed(1, width=3)
    bench.fail(2)
    assert bench.lose(3, is_our_fault=True) == ["AttemptCancelled"]
    assert bench.succeed(4) == ["AttemptSucceeded", "RunFinished"]


def test_a_fallback_after_a_fallback_that_died_still_knows_the_first_error() -> None:
    bench = _at_work(catches=True)
    bench.fail(WORK)
    bench.wait_until(bench.now)
    bench.lose(WORK, 1)
    bench.wait_until(bench.now)
    launch = bench.commands[-1]
    assert isinstance(launch, Launch)
    assert (launch.attempt, launch.fallback) == (Attempt(WORK, 2), BAD)


def test_an_empty_foreach_runs_its_join_with_no_inputs() -> None:
    bench = Bench(foreach())
    bench.succeed(1, width=0)
    launch = bench.commands[-1]
    assert isinstance(launch, Launch)
    assert (launch.step, list(launch.inputs)) == ("join", [])
    assert launch.split is not None
