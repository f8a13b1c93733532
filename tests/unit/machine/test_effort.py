"""A turn costs what happens in it, not how wide the flow is: calls are counted, not time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from asyncflow.machine.decide import step_all
from asyncflow.machine.events import Limits
from asyncflow.machine.facts import LimiterGranted, RunRequested, WorkerReported
from asyncflow.machine.graph import Graph, Permit, StepNode, Transition
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Succeeded
from asyncflow.machine.rules.permits import permits_held, permits_spare, permits_wanted
from asyncflow.machine.state import RunState
from tests.unit.machine.bench import foreach

PERMIT = Permit("api", 5)


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls, of Python and built-in functions, that `work` makes."""
    count = 0

    def note(frame: Any, kind: str, argument: object) -> None:
        nonlocal count
        count += kind in ("call", "c_call")

    # A collection in between would count too: hypothesis measures each one with calls of its own.
    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def _succeed(state: RunState, task: int, width: int | None = None) -> None:
    step_all(state, [WorkerReported(at=1.0, attempt=Attempt(task, 0), outcome=Succeeded(width=width))])


def _started(graph: Graph, slots: int) -> RunState:
    state = RunState(graph=graph)
    step_all(state, [RunRequested(at=1.0, run=1, user="u", limits=Limits(slots=slots))])
    return state


def _wide(width: int) -> RunState:
    state = _started(foreach(permits=(PERMIT,)), 16)
    _succeed(state, 1, width)
    step_all(state, [LimiterGranted(at=1.0, permit=PERMIT.id, count=5)])
    return state


def _nested(width: int) -> RunState:
    """`width` open scopes whose branches wait for a permit, below a foreach that goes on."""
    linear = Transition.LINEAR
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("outer",)),
        StepNode(name="outer", transition=Transition.FOREACH, next=("inner",)),
        StepNode(name="inner", transition=linear, next=("join_inner",), permits=(PERMIT,)),
        StepNode(name="join_inner", transition=linear, next=("join_outer",), closes="outer"),
        StepNode(name="join_outer", transition=linear, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    graph = Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})
    state = _started(graph, 4)
    _succeed(state, 1, 10 * width)
    for _ in range(width):
        _succeed(state, next(iter(state.running)), 3)
    assert len(state.open_scopes) == width + 1
    return state


@pytest.mark.parametrize("make", [_wide, _nested])
def test_a_turn_of_a_flow_that_waits_for_permits_costs_the_same_however_much_waits(
    make: Callable[[int], RunState],
) -> None:
    efforts: list[int] = []
    for width in (50, 100_000 if make is _wide else 2_000):
        state = make(width)
        done = next(iter(state.running))
        efforts.append(calls_of(lambda state=state, done=done: _succeed(state, done, 3)))
    assert efforts[0] == efforts[1]


@pytest.mark.parametrize("ask", [permits_wanted, permits_spare, permits_held])
def test_asking_what_is_wanted_costs_the_same_however_much_waits(ask: Callable[[RunState], object]) -> None:
    few, many = _nested(50), _nested(2_000)
    assert calls_of(lambda: ask(few)) == calls_of(lambda: ask(many))


def test_a_turn_that_launches_many_costs_as_much_for_each() -> None:
    def effort(count: int) -> int:
        state = _started(foreach(), 16)
        _succeed(state, 1, 100_000)
        done = [
            WorkerReported(at=1.0, attempt=Attempt(task, 0), outcome=Succeeded())
            for task in list(state.running)[:count]
        ]
        return calls_of(lambda: step_all(state, done))

    assert effort(16) <= 16 * effort(1)
