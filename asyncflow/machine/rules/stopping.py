"""Failing and cancelled runs: nothing new starts, what runs gets a grace time, is asked, then forced; the end.

A failed run lets siblings go on for `failure_grace_s` so that their results are kept; a cancelled one asks at once.
Asked attempts have `stop_grace_s` before they are forced. A request with `force`, which is what a second Ctrl-C is,
forces at once; any other repeated one changes nothing.
"""

from __future__ import annotations

from asyncflow.machine.events import (
    AttemptCancelled,
    FactIgnored,
    RunFinished,
    RunStatus,
    RunStopping,
    StopAsked,
    StopReason,
)
from asyncflow.machine.facts import CancelRequested
from asyncflow.machine.state import RunState, TaskState
from asyncflow.machine.turn import TurnUnderWay

__all__ = [
    "ask_all_to_stop",
    "ask_to_stop",
    "begin_stopping",
    "cancel_attempt",
    "cancel_run",
    "finish_if_done",
    "force_stop",
]


def begin_stopping(turn: TurnUnderWay, why: str) -> None:
    """After a failure: launch nothing more; running attempts may go on for the grace time."""
    if turn.state.stopping is None:
        stop_at = turn.at + turn.state.limits.failure_grace_s
        turn.emit(
            RunStopping(at=turn.at, cause=turn.cause, reason=StopReason.FAILURE, stop_at=stop_at, by=why)
        )


def cancel_run(turn: TurnUnderWay, fact: CancelRequested) -> None:
    """Stop everything now; a forced request does not wait for the grace time."""
    state = turn.state
    if state.stopping is None:
        turn.emit(
            RunStopping(at=turn.at, cause=turn.cause, reason=StopReason.CANCEL, stop_at=turn.at, by=fact.by)
        )
        ask_all_to_stop(turn, force=fact.force)
        return
    before = len(turn.events)
    ask_all_to_stop(turn, force=fact.force)
    if len(turn.events) == before:
        turn.emit(
            FactIgnored(
                at=turn.at, cause=turn.cause, fact="CancelRequested", why="the run is stopping already"
            )
        )


def ask_all_to_stop(turn: TurnUnderWay, *, force: bool = False) -> None:
    """Ask every running attempt that was not asked yet; with `force`, force every one not forced yet."""
    for task_id in list(turn.state.running):
        task = turn.state.tasks[task_id]
        if not task.stop_asked or (force and not task.stop_forced):
            ask_to_stop(turn, task, force=force)


def force_stop(turn: TurnUnderWay, task: TaskState) -> None:
    """The attempt did not end in its grace time."""
    ask_to_stop(turn, task, force=True, by=task.stopped_by)


def cancel_attempt(turn: TurnUnderWay, task: TaskState) -> None:
    """Record that an attempt ended because it was asked to."""
    turn.emit(AttemptCancelled(at=turn.at, cause=turn.cause, task=task.id, number=task.number))


def finish_if_done(turn: TurnUnderWay) -> None:
    """Notice the end of the run."""
    state = turn.state
    if state.status is not RunStatus.RUNNING or state.running:
        return
    if state.stopping is None and (state.ready or state.waiting or state.open_scopes):
        return
    turn.emit(RunFinished(at=turn.at, cause=turn.cause, status=_final_status(state)))


def ask_to_stop(turn: TurnUnderWay, task: TaskState, *, force: bool, by: str = "") -> None:
    """Ask an attempt, or force it; `by` says who wants the end of this task alone."""
    turn.emit(StopAsked(at=turn.at, cause=turn.cause, task=task.id, number=task.number, force=force, by=by))


def _final_status(state: RunState) -> RunStatus:
    if state.stopping is StopReason.CANCEL and not (state.has_ended and not state.failed):
        return RunStatus.CANCELLED
    if state.stopping is StopReason.FAILURE or state.failed or not state.has_ended:
        return RunStatus.FAILED
    return RunStatus.SUCCEEDED
