"""What people ask of single tasks while the run goes on: to end, or to wait no longer for their next try.

A task that somebody ends has failed with `asyncflow.TaskCancelled`, which no @retry tries again and @catch takes. So
the run ends as after any failure, unless the step catches or the run keeps going.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncflow.machine.events import FactIgnored, RetryDue
from asyncflow.machine.facts import RetryRequested, TaskStopRequested
from asyncflow.machine.rules.failure import end_idle_task
from asyncflow.machine.rules.flow import create_branch
from asyncflow.machine.rules.stopping import ask_to_stop
from asyncflow.machine.state import TaskState, TaskStatus
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["retry_now", "stop_tasks"]


def stop_tasks(turn: TurnUnderWay, fact: TaskStopRequested) -> None:
    """End a task, or all tasks of a step with the branches that are no tasks yet."""
    before = len(turn.events)
    if turn.state.stopping is None:
        for task in list(_named(turn, fact)):
            _stop(turn, task, fact)
        if fact.task is None:
            _stop_unborn(turn, fact)
    if len(turn.events) == before:
        _ignore(turn, fact, "no such task is to be ended")


def retry_now(turn: TurnUnderWay, fact: RetryRequested) -> None:
    """Let tasks that wait for their next try have it at once."""
    before = len(turn.events)
    for task in list(_named(turn, fact)):
        if task.status is TaskStatus.WAITING:
            turn.emit(RetryDue(at=turn.at, cause=turn.cause, task=task.id))
    if len(turn.events) == before:
        _ignore(turn, fact, "no such task waits for its next try")


def _stop(turn: TurnUnderWay, task: TaskState, fact: TaskStopRequested) -> None:
    if turn.state.stopping is not None or task.is_fallback:
        return
    if task.status is not TaskStatus.RUNNING:
        end_idle_task(turn, task, fact.by)
    elif not task.stop_asked or (fact.force and not task.stop_forced):
        ask_to_stop(turn, task, force=fact.force, by=fact.by)


def _stop_unborn(turn: TurnUnderWay, fact: TaskStopRequested) -> None:
    """End branches that wait for room to become tasks, until the run is stopping because of them."""
    state = turn.state
    feeders = [split for split in state.open_by_split if fact.step in state.graph.steps[split].next]
    for split in feeders:
        while state.stopping is None and (scopes := state.open_by_split.get(split)):
            end_idle_task(turn, create_branch(turn, state.scopes[next(iter(scopes))]), fact.by)


def _named(turn: TurnUnderWay, fact: TaskStopRequested | RetryRequested) -> Iterator[TaskState]:
    for task in turn.state.tasks.values():
        if task.step == fact.step and fact.task in (None, task.id):
            yield task


def _ignore(turn: TurnUnderWay, fact: TaskStopRequested | RetryRequested, why: str) -> None:
    turn.emit(FactIgnored(at=turn.at, cause=turn.cause, fact=type(fact).__name__, why=why, task=fact.task))
