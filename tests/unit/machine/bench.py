"""A machine under test: facts by name, events by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from asyncflow.machine.commands import Command, Launch
from asyncflow.machine.decide import step
from asyncflow.machine.events import Event, Limits
from asyncflow.machine.facts import Fact, RunRequested, TimerFired, WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.graph import Graph, StepNode, Transition
from asyncflow.machine.ids import Attempt
from asyncflow.machine.invariants import check_invariants
from asyncflow.machine.outcome import ErrorInfo, Failed, Succeeded
from asyncflow.machine.state import CloneKey, CloneSource, RunState

__all__ = ["BAD", "Bench", "foreach", "linear", "split"]

BAD = ErrorInfo("builtins.ValueError", "bad", bases=("builtins.ValueError", "builtins.Exception"))
_E = TypeVar("_E")


def linear(**middle: Any) -> Graph:  # Any: fields of StepNode
    """start -> work -> end"""
    return _graph(
        StepNode(name="start", transition=Transition.LINEAR, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("end",), **middle),
        StepNode(name="end", transition=Transition.END),
    )


def foreach(transition: Transition = Transition.FOREACH, **body: Any) -> Graph:  # Any: fields of StepNode
    """start -> work * n -> join -> end"""
    return _graph(
        StepNode(name="start", transition=transition, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("join",), **body),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    )


def split(first: Mapping[str, Any], second: Mapping[str, Any]) -> Graph:  # Any: fields of StepNode
    """start -> (big, small) -> join -> end"""
    return _graph(
        StepNode(name="start", transition=Transition.SPLIT, next=("big", "small")),
        StepNode(name="big", transition=Transition.LINEAR, next=("join",), **first),
        StepNode(name="small", transition=Transition.LINEAR, next=("join",), **second),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    )


def _graph(*nodes: StepNode) -> Graph:
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


class Bench:
    """One run; every fact is checked against the invariants."""

    def __init__(
        self,
        graph: Graph,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        clones: Mapping[CloneKey, CloneSource] | None = None,
    ) -> None:
        self.state = RunState(graph=graph, clones=clones or {})
        self.now = 100.0
        self.log: list[Event] = []
        self.commands: list[Command] = []
        self.tell(RunRequested(at=self.now, run=1, user="u", limits=limits))

    def tell(self, fact: Fact) -> list[str]:
        """Tell one fact; return the names of the events it led to."""
        turn = step(self.state, fact)
        self.log.extend(turn.events)
        self.commands.extend(turn.commands)
        check_invariants(self.state)
        return [type(event).__name__ for event in turn.events]

    def start(self, task: int, number: int = 0) -> list[str]:
        return self.tell(WorkerStarted(at=self.now, attempt=Attempt(task, number), where="w", pid=1))

    def succeed(self, task: int, number: int = 0, **outcome: Any) -> list[str]:  # Any: fields of Succeeded
        done = Succeeded(**outcome)
        return self.tell(WorkerReported(at=self.now, attempt=Attempt(task, number), outcome=done))

    def fail(self, task: int, number: int = 0, error: ErrorInfo = BAD) -> list[str]:
        return self.tell(
            WorkerReported(at=self.now, attempt=Attempt(task, number), outcome=Failed(error=error))
        )

    def lose(self, task: int, number: int = 0, *, is_our_fault: bool = False) -> list[str]:
        attempt = Attempt(task, number)
        return self.tell(WorkerLost(at=self.now, attempt=attempt, reason="gone", is_our_fault=is_our_fault))

    def wait_until(self, at: float) -> list[str]:
        self.now = at
        return self.tell(TimerFired(at=at))

    def launched(self) -> list[tuple[str, int, int]]:
        """(step, task, attempt) of every launch so far."""
        return [
            (command.step, command.attempt.task, command.attempt.number)
            for command in self.commands
            if isinstance(command, Launch)
        ]

    def events(self, kind: type[_E]) -> list[_E]:
        return [event for event in self.log if isinstance(event, kind)]
