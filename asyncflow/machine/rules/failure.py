"""What a failed or lost attempt leads to: another try, the fallback of @catch, or the end of the task.

| what ended the attempt                    | what follows                                                        |
|-------------------------------------------|---------------------------------------------------------------------|
| it was asked to stop                      | cancelled                                                           |
| it alone was asked to stop, by somebody   | an error that is not tried again: the fallback, or failed           |
| lost through no fault, the run is stopping| cancelled                                                           |
| lost through no fault of the step         | tried again soon, no retry used up (`Limits.most_losses` times)     |
| an error worth a retry, and retries left  | tried again after the policy's wait                                 |
| any other, and the step has @catch        | a fallback attempt that runs no user code (three at most)           |
| any other                                 | the task has failed; the run stops, unless it is to keep going      |

A run that is stopping tries nothing again. Members of a gang are tried again one by one, as any task is: what the
others do without it in the meantime is the step's own affair.
"""

from __future__ import annotations

from zlib import crc32

from asyncflow.machine.events import AttemptFailed, AttemptLost, RetryScheduled, TaskFailed
from asyncflow.machine.facts import WorkerLost
from asyncflow.machine.graph import RetryPolicy
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ErrorInfo, Failed
from asyncflow.machine.rules.stopping import begin_stopping, cancel_attempt
from asyncflow.machine.state import TaskState
from asyncflow.machine.turn import TurnUnderWay

__all__ = [
    "LOST",
    "MAX_FALLBACKS",
    "accept_failure",
    "accept_loss",
    "end_idle_task",
    "fail_task",
    "has_retry",
    "retry_delay",
    "stopped_error",
]

MAX_FALLBACKS = 3
_LOSSES_AT_ONCE = 2
_LONGEST_LOSS_S = 60.0
LOST = "asyncflow.WorkerLost"
"""What the error of an attempt is called that is gone without a word, and that nobody can say more of."""


def accept_failure(turn: TurnUnderWay, task: TaskState, outcome: Failed) -> None:
    """Record a failure and decide what follows."""
    if task.stop_asked and not _is_ended_alone(turn, task):
        cancel_attempt(turn, task)
        return
    if task.stop_asked:
        outcome = Failed(
            error=stopped_error(task.stopped_by), artifacts=outcome.artifacts, usage=outcome.usage
        )
    turn.emit(
        AttemptFailed(
            at=turn.at,
            cause=turn.cause,
            task=task.id,
            number=task.number,
            error=outcome.error,
            artifacts=outcome.artifacts,
            usage=outcome.usage,
        )
    )
    _after_failure(turn, task, outcome.error)


def accept_loss(turn: TurnUnderWay, task: TaskState, fact: WorkerLost) -> None:
    """Record that an attempt is gone without a report, and decide what follows."""
    if task.stop_asked and _is_ended_alone(turn, task):
        accept_failure(turn, task, Failed(error=stopped_error(task.stopped_by)))
    elif task.stop_asked or (fact.is_our_fault and turn.state.stopping is not None):
        cancel_attempt(turn, task)
    elif fact.is_our_fault and task.losses < turn.state.limits.most_losses:
        turn.emit(
            AttemptLost(at=turn.at, cause=turn.cause, task=task.id, number=task.number, reason=fact.reason)
        )
        wake_at = turn.at + _delay_of_loss(task.losses)
        _schedule(turn, task, wake_at, is_fallback=task.is_fallback, uses_retry=False)
    else:
        accept_failure(turn, task, Failed(error=_error_of(task, fact)))


def _delay_of_loss(losses: int) -> float:
    """Return the wait after a task's nth loss: none after the first two, then growing, so that nothing spins."""
    return 0.0 if losses <= _LOSSES_AT_ONCE else min(_LONGEST_LOSS_S, 2.0 ** (losses - _LOSSES_AT_ONCE))


def fail_task(turn: TurnUnderWay, task: TaskState, error: ErrorInfo) -> None:
    """End a task as failed, and with it the run, unless the run is to keep going."""
    task_id, step = task.id, task.step
    turn.emit(TaskFailed(at=turn.at, cause=turn.cause, task=task_id, number=task.number, error=error))
    if not turn.state.limits.keep_going:
        begin_stopping(turn, f"task {task_id} of step {step} failed")


def stopped_error(by: str) -> ErrorInfo:
    """Return the error of a task that somebody asked to end."""
    return ErrorInfo("asyncflow.TaskCancelled", f"the task was cancelled by {by}", is_retryable=False)


def end_idle_task(turn: TurnUnderWay, task: TaskState, by: str) -> None:
    """End a task that has no attempt in flight: @catch takes it, or it has failed."""
    node, error = turn.state.node_of(task), stopped_error(by)
    if turn.state.stopping is None and node.catches and task.fallbacks < MAX_FALLBACKS:
        turn.emit(
            RetryScheduled(
                at=turn.at, cause=turn.cause, task=task.id, wake_at=turn.at, is_fallback=True, error=error
            )
        )
    else:
        fail_task(turn, task, error)


def has_retry(policy: RetryPolicy, failures: int) -> bool:
    """Tell whether a task that failed `failures` times may be tried again, errors aside."""
    return failures <= policy.times


def retry_delay(policy: RetryPolicy, failures: int, attempt: Attempt) -> float:
    """Return the wait before the next try, seconds.

    Args:
        policy: The step's policy.
        failures: Failed attempts so far, 1 or more.
        attempt: The one that failed; its digest spreads the wait, so that a replay spreads it alike.
    """
    delay = policy.delay_s
    for _ in range(failures - 1):
        delay *= policy.backoff
        if policy.max_delay_s is not None and delay >= policy.max_delay_s:
            break
    if policy.max_delay_s is not None:
        delay = min(delay, policy.max_delay_s)
    spread = crc32(f"{attempt.task}/{attempt.number}".encode()) / 0xFFFFFFFF
    return delay * (1.0 + policy.jitter * (2.0 * spread - 1.0))


def _after_failure(turn: TurnUnderWay, task: TaskState, error: ErrorInfo) -> None:
    node = turn.state.node_of(task)
    if turn.state.stopping is not None:
        fail_task(turn, task, error)
    elif not task.is_fallback and has_retry(node.retry, task.failures) and _is_worth_retry(node.retry, error):
        delay = retry_delay(node.retry, task.failures, Attempt(task.id, task.number))
        _schedule(turn, task, turn.at + delay, is_fallback=False, uses_retry=True)
    elif node.catches and task.fallbacks < MAX_FALLBACKS:
        _schedule(turn, task, turn.at, is_fallback=True, uses_retry=True)
    else:
        fail_task(turn, task, error)


def _schedule(
    turn: TurnUnderWay, task: TaskState, wake_at: float, *, is_fallback: bool, uses_retry: bool
) -> None:
    turn.emit(
        RetryScheduled(
            at=turn.at,
            cause=turn.cause,
            task=task.id,
            wake_at=wake_at,
            is_fallback=is_fallback,
            uses_retry=uses_retry,
        )
    )


def _is_worth_retry(policy: RetryPolicy, error: ErrorInfo) -> bool:
    if not error.is_retryable:
        return False
    if not policy.on or error.type in policy.on or _is_named(error.bases, policy):
        return True
    return bool(error.leaves) and all(_is_named(leaf, policy) for leaf in error.leaves)


def _is_named(names: tuple[str, ...], policy: RetryPolicy) -> bool:
    return any(name in policy.on for name in names)


def _is_ended_alone(turn: TurnUnderWay, task: TaskState) -> bool:
    return bool(task.stopped_by) and turn.state.stopping is None


def _error_of(task: TaskState, fact: WorkerLost) -> ErrorInfo:
    if task.is_timed_out:
        return ErrorInfo(
            "asyncflow.TimeoutException",
            "the step ran past its @timeout and did not end by itself; it was killed",
        )
    return ErrorInfo(fact.kind, fact.reason, bases=_lost_bases(fact.kind), is_retryable=fact.is_retryable)


def _lost_bases(kind: str) -> tuple[str, ...]:
    return (kind, LOST) if kind != LOST else ()
