"""What falls due: a retry's wait, a timeout's margin, the grace of a stopping attempt, the grace of a failing run."""

from __future__ import annotations

from asyncflow.machine.events import AttemptTimedOut, RetryDue
from asyncflow.machine.evolve import is_stale
from asyncflow.machine.facts import TimerFired
from asyncflow.machine.rules.stopping import ask_all_to_stop, force_stop
from asyncflow.machine.state import RunState, Timer, TimerKind
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["fire_timers", "next_wake"]


def next_wake(state: RunState) -> float | None:
    """Return when `TimerFired` should come, seconds since the epoch; None while nothing waits for time."""
    return state.timers[0].at if state.timers else None


def fire_timers(turn: TurnUnderWay, fact: TimerFired) -> None:
    """Settle everything that is due at the fact's time."""
    due = [timer for timer in sorted(turn.state.timers) if timer.at <= fact.at]
    for timer in due:
        if not is_stale(turn.state, timer):
            _fire(turn, timer)


def _fire(turn: TurnUnderWay, timer: Timer) -> None:
    if timer.kind is TimerKind.STOP:
        ask_all_to_stop(turn)
        return
    task = turn.state.tasks[timer.task]
    if timer.kind is TimerKind.RETRY:
        turn.emit(RetryDue(at=turn.at, cause=turn.cause, task=task.id))
    elif timer.kind is TimerKind.TIMEOUT:
        turn.emit(AttemptTimedOut(at=turn.at, cause=turn.cause, task=task.id, number=task.number))
    else:
        force_stop(turn, task)
