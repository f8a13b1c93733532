"""The machine's front: a fact comes in, events are concluded, commands go out. Pure and deterministic.

    step(state, fact) -> Turn(events, commands)

A fact never raises: one that cannot be (late, repeated, for an attempt that is not the current one) is recorded as
`FactIgnored`. A turn ends with `settle`: fill slots, then notice the end. Nothing else launches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from asyncflow.machine.commands import Command, Launch, Stop
from asyncflow.machine.events import (
    AttemptLaunched,
    AttemptPending,
    AttemptStarted,
    AttemptTimedOut,
    Event,
    FactIgnored,
    StopAsked,
)
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
from asyncflow.machine.graph import StepNode
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ErrorInfo, Failed, Succeeded
from asyncflow.machine.rules.admission import fill_slots
from asyncflow.machine.rules.failure import accept_failure, accept_loss, has_retry
from asyncflow.machine.rules.flow import accept_success, transition_problem
from asyncflow.machine.rules.lifecycle import begin_run, change_driver, change_limits
from asyncflow.machine.rules.permits import lower_permits, raise_permits
from asyncflow.machine.rules.requests import retry_now, stop_tasks
from asyncflow.machine.rules.stopping import cancel_run, finish_if_done
from asyncflow.machine.rules.timers import fire_timers
from asyncflow.machine.state import RunState, TaskState, TaskStatus
from asyncflow.machine.turn import Turn, TurnUnderWay

__all__ = ["commands", "outstanding", "step", "step_all"]


def step(state: RunState, fact: Fact) -> Turn:
    """Take one fact; move the state; return what was concluded and what is to be done."""
    return step_all(state, (fact,))


def step_all(state: RunState, facts: Iterable[Fact]) -> Turn:
    """Take all that arrived since the last turn, in order, and settle once."""
    turn = TurnUnderWay(state)
    for fact in facts:
        turn.begin_fact(fact.at)
        _decide(turn, fact)
    _settle(turn)
    return Turn(tuple(turn.events), commands(state, turn.events))


def commands(state: RunState, events: Sequence[Event]) -> tuple[Command, ...]:
    """Return the effects these events ask for; `state` is the state after them. One event, at most one command."""
    asked: list[Command] = []
    for event in events:
        kind = type(event)
        if kind is AttemptLaunched or kind is StopAsked or kind is AttemptTimedOut:
            command = _image(state, event)  # pyright: ignore[reportArgumentType]  # narrowed by `kind`
            if command is not None:
                asked.append(command)
    return tuple(asked)


def outstanding(state: RunState) -> tuple[Command, ...]:
    """Return what was asked for and is not answered yet, to be repeated after a restart."""
    asked: list[Command] = []
    for task_id in state.running:
        task = state.tasks[task_id]
        if not task.is_started:
            asked.append(_launch(state, task))
        if task.stop_asked or task.is_timed_out:
            force = task.stop_forced or task.is_timed_out
            asked.append(Stop(attempt=Attempt(task.id, task.number), force=force))
    return tuple(asked)


def _settle(turn: TurnUnderWay) -> None:
    if turn.state.status is None or turn.state.is_over:
        return
    fill_slots(turn)
    finish_if_done(turn)


def _decide(turn: TurnUnderWay, fact: Fact) -> None:
    why = _why_out_of_place(turn.state, fact)
    if why is not None:
        _ignore(turn, fact, why)
        return
    _RULES[type(fact)](turn, fact)


def _why_out_of_place(state: RunState, fact: Fact) -> str | None:
    if isinstance(fact, RunRequested):
        return None if state.status is None else "the run exists already"
    if state.status is None:
        return "the run does not exist yet"
    if state.is_over:
        return f"the run has ended ({state.status})"
    return None


def _ignore(turn: TurnUnderWay, fact: Fact, why: str) -> None:
    if isinstance(fact, TimerFired):
        return
    attempt: Attempt | None = getattr(fact, "attempt", None)
    turn.emit(
        FactIgnored(
            at=turn.at,
            cause=turn.cause,
            fact=type(fact).__name__,
            why=why,
            task=attempt.task if attempt else None,
            number=attempt.number if attempt else None,
        )
    )


def _current_task(
    turn: TurnUnderWay,
    fact: WorkerStarted | WorkerPending | WorkerReported | WorkerLost | AttemptAdopted,
) -> TaskState | None:
    """Return the task if the fact speaks of its attempt in flight; else record that it is ignored."""
    task = turn.state.tasks.get(fact.attempt.task)
    if task is None:
        _ignore(turn, fact, "the task has ended or never was")
    elif task.status is not TaskStatus.RUNNING or task.number != fact.attempt.number:
        _ignore(turn, fact, f"attempt {fact.attempt.number} is not in flight")
    else:
        return task
    return None


def _worker_started(turn: TurnUnderWay, fact: WorkerStarted) -> None:
    task = _current_task(turn, fact)
    if task is None:
        return
    if task.is_started:
        _ignore(turn, fact, "the attempt has started already")
        return
    turn.emit(
        AttemptStarted(
            at=turn.at,
            cause=turn.cause,
            task=task.id,
            number=task.number,
            where=fact.where,
            pid=fact.pid,
            metadata=fact.metadata,
        )
    )


def _worker_pending(turn: TurnUnderWay, fact: WorkerPending) -> None:
    task = _current_task(turn, fact)
    if task is None:
        return
    if task.is_started:
        _ignore(turn, fact, "the attempt has started already")
        return
    turn.emit(AttemptPending(at=turn.at, cause=turn.cause, task=task.id, number=task.number, why=fact.why))


def _attempt_adopted(turn: TurnUnderWay, fact: AttemptAdopted) -> None:
    _current_task(turn, fact)


def _worker_reported(turn: TurnUnderWay, fact: WorkerReported) -> None:
    task = _current_task(turn, fact)
    if task is None:
        return
    outcome = fact.outcome
    if isinstance(outcome, Succeeded):
        problem = transition_problem(turn.state.node_of(task), outcome)
        if problem is None:
            accept_success(turn, task, outcome)
            return
        outcome = Failed(error=ErrorInfo("asyncflow.InvalidNextError", problem, is_retryable=False))
    accept_failure(turn, task, outcome)


def _worker_lost(turn: TurnUnderWay, fact: WorkerLost) -> None:
    task = _current_task(turn, fact)
    if task is not None:
        accept_loss(turn, task, fact)


_RULES: dict[type, Callable[[TurnUnderWay, Any], None]] = {  # Any: each rule takes its own fact type
    RunRequested: begin_run,
    DriverStarted: change_driver,
    WorkerStarted: _worker_started,
    WorkerPending: _worker_pending,
    AttemptAdopted: _attempt_adopted,
    WorkerReported: _worker_reported,
    WorkerLost: _worker_lost,
    TimerFired: fire_timers,
    CancelRequested: cancel_run,
    TaskStopRequested: stop_tasks,
    RetryRequested: retry_now,
    LimitsRequested: change_limits,
    LimiterGranted: raise_permits,
    LimiterRecalled: lower_permits,
}


def _image(state: RunState, event: AttemptLaunched | StopAsked | AttemptTimedOut) -> Command | None:
    task = state.tasks.get(event.task)
    if task is None or task.number != event.number:
        return None
    if isinstance(event, AttemptLaunched):
        return _launch(state, task)
    force = True if isinstance(event, AttemptTimedOut) else event.force
    return Stop(attempt=Attempt(event.task, event.number), force=force)


def _launch(state: RunState, task: TaskState) -> Launch:
    node = state.graph.steps[task.step]
    closed = None if task.closes is None else state.scopes[task.closes]
    is_branch = task.scope is not None and task.scope in state.scopes
    return Launch(
        attempt=Attempt(task.id, task.number),
        step=task.step,
        inputs=(task.parent,) if closed is None else closed.inputs(state.run),
        split=None if closed is None else closed.manifest,
        index=task.index if task.scope is not None else None,
        width=state.scopes[task.scope].width if is_branch and task.scope is not None else None,
        frames=task.frames,
        iteration=task.iteration,
        catches=_catches_now(node, task),
        fallback=task.last_error if task.is_fallback else None,
        timeout_s=node.timeout_s,
        max_retries=node.retry.times,
        is_async=node.is_async,
        memory_factor=node.retry.memory_factor**task.ooms,
    )


def _catches_now(node: StepNode, task: TaskState) -> bool:
    return node.catches and not has_retry(node.retry, task.failures + 1)
