"""A state that contradicts itself is noticed, whatever it is that differs."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import pytest

from asyncflow.machine.events import Limits, RunStatus
from asyncflow.machine.graph import Graph, RetryPolicy
from asyncflow.machine.ids import Frame
from asyncflow.machine.invariants import MachineBug, check_invariants
from asyncflow.machine.state import Needs, RunState, TaskStatus
from tests.unit.machine.bench import Bench, foreach, split

Spoil = Callable[[RunState], object]


def _set(name: str, value: object) -> Spoil:
    return lambda state: setattr(state, name, value)


def _set_of_task(task: int, name: str, value: object) -> Spoil:
    return lambda state: setattr(state.tasks[task], name, value)


def _set_of_scope(name: str, value: object) -> Spoil:
    return lambda state: setattr(state.scopes[1], name, value)


def _complete(state: RunState) -> None:
    """All branches have arrived, and nobody noticed."""
    scope = state.scopes[1]
    scope.cursor = scope.arrivals = scope.width = 1
    scope.tasks = array("q", [9])
    state.open_scopes.clear()


def _open_another_before(state: RunState) -> None:
    """A scope that stands behind another although it was opened before it."""
    scope = replace(state.scopes[1], task=2, opened=0)
    state.scopes[2] = scope
    state.open_scopes[2] = None


SPOILED: dict[str, Spoil] = {
    "queued are": _set_of_task(2, "status", TaskStatus.QUEUED),
    "running are": lambda state: state.running.pop(2),
    "waiting are": _set("waiting", 3),
    "an empty queue": lambda state: state.ready.update(work=deque()),
    "running tasks use": _set("used", Needs(1, 0, 0)),
    "is missing": _set_of_task(2, "deadline", 5.0),
    "counts": _set_of_scope("arrivals", 1),
    "stands at": _set_of_scope("cursor", 9),
    "wrongly noted": lambda state: state.open_scopes.clear(),
    "which is not open": _set_of_task(2, "frames", (Frame(77, 0),)),
    "which it cannot": _set_of_task(2, "frames", (Frame(1, 50),)),
    "waits for no time": _set_of_task(3, "wake_at", None),
    "join [2] before": _set_of_task(2, "closes", 1),
    "joins [2, 3]": lambda state: [setattr(state.tasks[task], "closes", 1) for task in (2, 3)],
    "has no join": _complete,
    "closes scope None": _set_of_task(2, "step", "join"),
    "at the end inside of a scope": _set_of_task(2, "step", "end"),
    "running async tasks": _set("running_async", 1),
    "use the permits": _set("in_use", {"concurrency:x": 1}),
    "that is none": _set("granted", {"concurrency:x": 0}),
    "are of no step": _set("granted", {"concurrency:x": 1}),
    "by step they are": lambda state: state.open_by_split.clear(),
    "branches are no tasks yet": lambda state: state.unborn.update(start=7),
    "in order of opening": _open_another_before,
    "something is left of it": _set("status", RunStatus.SUCCEEDED),
}


def _bench() -> Bench:
    """Branch 0 runs, branch 1 waits for a retry, branches 2 and 3 are not tasks yet."""
    bench = Bench(foreach(retry=RetryPolicy(times=1, delay_s=60.0)), Limits(slots=2))
    bench.succeed(1, width=4)
    bench.fail(3)
    return bench


@pytest.mark.parametrize("complaint", SPOILED)
def test_a_contradiction_is_named(complaint: str) -> None:
    bench = _bench()
    SPOILED[complaint](bench.state)
    with pytest.raises(MachineBug) as raised:
        check_invariants(bench.state)
    assert complaint in str(raised.value)


def test_a_sound_state_passes() -> None:
    check_invariants(_bench().state)


def test_a_graph_survives_the_way_to_the_log_and_back() -> None:
    graph = foreach(retry=RetryPolicy(times=2, delay_s=1.5, on=("a.B",)), catches=True, timeout_s=9.0)
    assert Graph.from_data(graph.to_data()) == graph


def test_the_steps_after_a_step_are_told_in_graph_order() -> None:
    assert foreach().descendants("start") == ("work", "join", "end")
    assert split({}, {}).descendants("start") == ("big", "small", "join", "end")
    with pytest.raises(KeyError):
        foreach().join_of("end")
