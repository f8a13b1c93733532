"""A run begins, another driver takes it over, its capacity changes."""

from __future__ import annotations

from asyncflow.machine.events import DriverChanged, LimitsChanged, RunCreated
from asyncflow.machine.facts import DriverStarted, LimitsRequested, RunRequested
from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.machine.rules.flow import begin_flow
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["begin_run", "change_driver", "change_limits"]


def begin_run(turn: TurnUnderWay, fact: RunRequested) -> None:
    """Record the run and bring forth its first task."""
    graph = turn.state.graph
    turn.emit(
        RunCreated(
            at=turn.at,
            cause=turn.cause,
            run=fact.run,
            flow=graph.flow,
            user=fact.user,
            tags=fact.tags,
            graph=graph.to_data(),
            limits=fact.limits,
            origin_run=fact.origin_run,
            rerun_steps=fact.rerun_steps,
            meta=fact.meta,
        )
    )
    begin_flow(turn, ManifestKey(fact.run, PARAMETERS_TASK, 0))


def change_driver(turn: TurnUnderWay, fact: DriverStarted) -> None:
    """Record who goes on with the run; what became of the attempts in flight is told by the backend."""
    turn.emit(DriverChanged(at=turn.at, cause=turn.cause, host=fact.host, pid=fact.pid, limits=fact.limits))


def change_limits(turn: TurnUnderWay, fact: LimitsRequested) -> None:
    """Record the new capacity; `settle` makes use of it."""
    turn.emit(LimitsChanged(at=turn.at, cause=turn.cause, limits=fact.limits))
