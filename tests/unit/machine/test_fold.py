"""The fold takes whatever a log holds, also what today's rules would not conclude, and keeps its books small."""

from __future__ import annotations

from typing import Any

from asyncflow.machine.events import (
    AttemptCancelled,
    AttemptLaunched,
    Event,
    Limits,
    RetryScheduled,
    RunCreated,
    TaskCreated,
    TaskFailed,
)
from asyncflow.machine.evolve import fold
from asyncflow.machine.graph import Graph, StepNode, Transition
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.state import RunState
from tests.unit.machine.bench import BAD, Bench, foreach, linear


def _folded(graph: Graph, *events: Event) -> RunState:
    created = RunCreated(at=1.0, run=1, flow="F", user="u", graph=graph.to_data(), limits=Limits())
    return fold(graph, [created, *events])


def _task(task: int, step: str = "work", **more: Any) -> TaskCreated:
    return TaskCreated(at=1.0, cause=0, task=task, step=step, parent=ManifestKey(1, 0, 0), **more)


def test_a_task_outside_of_all_scopes_stands_nowhere() -> None:
    assert _folded(linear(), _task(1)).tasks[1].frames == ()


def test_a_task_that_is_not_the_oldest_may_be_launched_first() -> None:
    launched = AttemptLaunched(at=1.0, cause=0, task=2, number=0)
    assert list(_folded(linear(), _task(1), _task(2), launched).ready["work"]) == [1]


def test_a_task_may_fail_while_it_waits_for_its_next_try() -> None:
    launched = AttemptLaunched(at=1.0, cause=0, task=1, number=0)
    waits = RetryScheduled(at=1.0, cause=0, task=1, wake_at=9.0)
    failed = TaskFailed(at=1.0, cause=0, task=1, number=0, error=BAD)
    state = _folded(linear(), _task(1), launched, waits, failed)
    assert (state.waiting, state.tasks, state.timers) == (0, {}, [])


def test_an_attempt_that_does_not_run_may_end() -> None:
    cancelled = AttemptCancelled(at=1.0, cause=0, task=1, number=0)
    assert _folded(linear(), _task(1), cancelled).tasks == {}


def test_what_no_release_knows_yet_is_skipped_and_counted() -> None:
    class OfTheFuture:
        pass

    assert fold(linear(), [OfTheFuture()]).seq == 1


def test_timers_that_nobody_waits_for_do_not_pile_up() -> None:
    bench = Bench(foreach(timeout_s=60.0), Limits(slots=2))
    bench.succeed(1, width=400)
    bench.start(2)
    for task in range(3, 400):
        bench.now += 0.001
        bench.start(task)
        bench.succeed(task)
    assert len(bench.state.timers) < 100


def test_a_switch_that_chose_what_is_no_target_fails() -> None:
    nodes = [
        StepNode(name="start", transition=Transition.SWITCH, next=("work", "end")),
        StepNode(name="work", transition=Transition.LINEAR, next=("end",)),
        StepNode(name="end", transition=Transition.END),
    ]
    bench = Bench(Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes}))
    bench.succeed(1, chosen="elsewhere")
    assert "none of its targets work, end" in bench.events(TaskFailed)[0].error.message
