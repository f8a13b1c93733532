"""Who gets a free slot, and who waits."""

from __future__ import annotations

from dataclasses import replace

from asyncflow.machine.decide import step
from asyncflow.machine.events import Limits, RunStatus, TaskFailed
from asyncflow.machine.facts import CancelRequested, LimitsRequested, TimerFired
from asyncflow.machine.graph import Graph, Resources, RetryPolicy, StepNode, Transition
from asyncflow.machine.rules.timers import next_wake
from asyncflow.machine.state import RunState
from tests.unit.machine.bench import Bench, foreach, linear, split


def _names(bench: Bench) -> list[str]:
    return [name for name, _, _ in bench.launched()]


def test_no_more_attempts_run_than_there_are_slots() -> None:
    bench = Bench(foreach(), Limits(slots=2))
    bench.succeed(1, width=5)
    assert _names(bench) == ["start", "work", "work"]
    bench.succeed(2)
    assert _names(bench) == ["start", "work", "work", "work"]


def test_declared_cores_are_a_limit_beside_the_slots() -> None:
    bench = Bench(foreach(resources=Resources(cpu=1.5)), Limits(slots=16, cpu=4.0))
    bench.succeed(1, width=5)
    assert _names(bench) == ["start", "work", "work"]


def test_what_is_not_declared_is_not_counted() -> None:
    bench = Bench(foreach(), Limits(slots=16, cpu=1.0, memory_mb=1.0))
    bench.succeed(1, width=5)
    assert len(_names(bench)) == 6


def test_fractions_of_a_resource_add_up_exactly() -> None:
    bench = Bench(foreach(resources=Resources(gpu=0.1)), Limits(slots=50, gpu=1.0))
    bench.succeed(1, width=30)
    assert len(_names(bench)) == 1 + 10


def test_a_task_larger_than_the_machine_fails_and_says_what_it_lacks() -> None:
    bench = Bench(foreach(resources=Resources(memory_mb=8000)), Limits(memory_mb=4000.0))
    bench.succeed(1, width=2)
    assert "memory (MB) 8000 of 4000" in bench.events(TaskFailed)[0].error.message
    assert bench.state.status is RunStatus.FAILED


def test_a_queued_task_larger_than_the_machine_fails_too() -> None:
    bench = Bench(linear(resources=Resources(cpu=8)), Limits(cpu=4.0))
    bench.succeed(1)
    assert bench.state.status is RunStatus.FAILED


def _two_chains() -> Graph:
    """start -> (a1 -> big, b1 -> small) -> join: `big` wants the whole machine, `small` a quarter of it."""
    quarter, whole = Resources(cpu=1.0), Resources(cpu=4.0)
    nodes = [
        StepNode(name="start", transition=Transition.SPLIT, next=("a1", "b1", "c1")),
        StepNode(name="a1", transition=Transition.LINEAR, next=("big",)),
        StepNode(name="b1", transition=Transition.LINEAR, next=("small",), resources=quarter),
        StepNode(name="c1", transition=Transition.LINEAR, next=("free",), resources=quarter),
        StepNode(name="big", transition=Transition.LINEAR, next=("join",), resources=whole),
        StepNode(name="small", transition=Transition.LINEAR, next=("join",), resources=quarter),
        StepNode(name="free", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


def test_a_big_task_that_waits_is_not_overtaken_by_small_ones_but_by_those_that_need_nothing_of_it() -> None:
    bench = Bench(_two_chains(), Limits(cpu=4.0))
    bench.succeed(1)
    bench.succeed(2)  # big is queued: b1 and c1 hold two cores
    bench.succeed(3)  # small would fit, and is younger
    assert _names(bench) == ["start", "a1", "b1", "c1"]
    bench.succeed(4)  # all cores are free: big has them, free needs none
    assert _names(bench)[4:] == ["big", "free"]


def test_a_branch_that_does_not_fit_waits_for_the_one_that_holds_the_room() -> None:
    bench = Bench(split({"resources": Resources(cpu=3)}, {"resources": Resources(cpu=2)}), Limits(cpu=4.0))
    bench.succeed(1)
    assert _names(bench) == ["start", "big"]
    bench.succeed(2)
    assert _names(bench) == ["start", "big", "small"]


def test_more_slots_are_used_at_once_and_fewer_leave_what_runs_alone() -> None:
    bench = Bench(foreach(), Limits(slots=1))
    bench.succeed(1, width=6)
    bench.tell(LimitsRequested(at=1.0, limits=Limits(slots=4)))
    assert len(bench.state.running) == 4
    bench.tell(LimitsRequested(at=1.0, limits=Limits(slots=1)))
    assert len(bench.state.running) == 4
    bench.succeed(2)
    assert len(bench.state.running) == 3


def test_a_branch_under_way_goes_before_new_branches() -> None:
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("first",)),
        StepNode(name="first", transition=Transition.LINEAR, next=("second",)),
        StepNode(name="second", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    graph = Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})
    bench = Bench(graph, Limits(slots=1))
    bench.succeed(1, width=2)
    bench.succeed(2)
    assert _names(bench) == ["start", "first", "second"]


def test_a_static_branch_that_fits_passes_by_one_that_does_not() -> None:
    bench = Bench(_three_branches(), Limits(cpu=4.0))
    bench.succeed(1)
    assert _names(bench) == ["start", "a", "c"]
    bench.succeed(2)
    assert _names(bench) == ["start", "a", "c", "b"]


def _three_branches() -> Graph:
    """start -> (a, b, c) -> join: a and b want the whole machine, c nothing of it."""
    whole = Resources(cpu=4.0)
    nodes = [
        StepNode(name="start", transition=Transition.SPLIT, next=("a", "b", "c")),
        StepNode(name="a", transition=Transition.LINEAR, next=("join",), resources=whole),
        StepNode(name="b", transition=Transition.LINEAR, next=("join",), resources=whole),
        StepNode(name="c", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


def test_less_of_a_resource_than_is_used_holds_up_only_those_who_need_it() -> None:
    other = {"resources": Resources(gpu=1.0)}
    bench = Bench(split({"resources": Resources(cpu=4.0)}, other), Limits(slots=1, cpu=4.0, gpu=1.0))
    bench.succeed(1)
    assert _names(bench) == ["start", "big"]
    bench.tell(LimitsRequested(at=1.0, limits=Limits(slots=4, cpu=1.0, gpu=1.0)))
    assert _names(bench) == ["start", "big", "small"]


def test_a_retried_task_keeps_its_age() -> None:
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("first",)),
        StepNode(name="first", transition=Transition.LINEAR, next=("second",)),
        StepNode(name="second", transition=Transition.LINEAR, next=("join",), retry=RetryPolicy(times=1)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    graph = Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})
    bench = Bench(graph, Limits(slots=4))
    bench.succeed(1, width=4)
    bench.succeed(2)  # task 6 is the first `second`
    bench.tell(LimitsRequested(at=1.0, limits=Limits(slots=1)))
    for task in (3, 4, 5):  # 7, 8 and 9 are queued
        bench.succeed(task)
    bench.fail(6)
    bench.wait_until(bench.now)
    assert list(bench.state.running) == [7]
    bench.succeed(7)
    assert bench.launched()[-1] == ("second", 6, 1)


def test_facts_before_the_run_exists_are_ignored() -> None:
    state = RunState(graph=linear())
    turn = step(state, CancelRequested(at=1.0, by="me"))
    assert [type(event).__name__ for event in turn.events] == ["FactIgnored"]
    assert state.status is None


def test_the_timer_is_the_earliest_of_what_still_matters() -> None:
    bench = Bench(foreach(timeout_s=50.0))
    bench.succeed(1, width=2)
    assert next_wake(bench.state) is None
    bench.start(2)
    first = next_wake(bench.state)
    bench.now += 7
    bench.start(3)
    assert first == next_wake(bench.state)
    bench.succeed(2)
    later = next_wake(bench.state)
    assert first is not None
    assert later == first + 7
    bench.succeed(3)
    assert next_wake(bench.state) is None


def test_timers_of_tasks_that_ended_do_not_pile_up() -> None:
    bench = Bench(foreach(timeout_s=3600.0), Limits(slots=2))
    bench.succeed(1, width=500)
    for task in range(2, 502):
        bench.start(task)
        bench.succeed(task)
    assert len(bench.state.timers) < 100


def test_a_cancelled_run_asks_then_forces_and_a_second_cancel_forces_at_once() -> None:
    bench = Bench(linear())
    assert bench.tell(CancelRequested(at=100.0, by="me")) == ["RunStopping", "StopAsked"]
    assert bench.tell(TimerFired(at=109.0)) == []
    assert bench.tell(TimerFired(at=110.0)) == ["StopAsked"]
    other = Bench(linear())
    other.tell(CancelRequested(at=100.0, by="me"))
    assert other.tell(CancelRequested(at=101.0, by="me", force=True)) == ["StopAsked"]
    assert other.tell(CancelRequested(at=102.0, by="me", force=True)) == ["FactIgnored"]
    assert other.lose(1) == ["AttemptCancelled", "RunFinished"]
    assert other.state.status is RunStatus.CANCELLED


def test_a_success_in_the_grace_time_is_kept() -> None:
    bench = Bench(linear())
    bench.tell(CancelRequested(at=100.0, by="me"))
    assert bench.succeed(1) == ["AttemptSucceeded", "RunFinished"]
    assert bench.state.status is RunStatus.CANCELLED


def test_a_run_whose_end_step_succeeded_has_succeeded_though_it_was_cancelled() -> None:
    bench = Bench(linear())
    bench.succeed(1)
    bench.succeed(2)
    bench.tell(CancelRequested(at=100.0, by="me"))
    bench.succeed(3)
    assert bench.state.status is RunStatus.SUCCEEDED


def _mixed() -> Graph:
    """start -> (calls: foreach of async tasks, work: foreach of processes) -> join."""
    nodes = [
        StepNode(name="start", transition=Transition.SPLIT, next=("calls", "works")),
        StepNode(name="calls", transition=Transition.FOREACH, next=("call",)),
        StepNode(name="works", transition=Transition.FOREACH, next=("work",)),
        StepNode(name="call", transition=Transition.LINEAR, next=("called",), is_async=True),
        StepNode(name="work", transition=Transition.LINEAR, next=("worked",)),
        StepNode(name="called", transition=Transition.LINEAR, next=("join",), closes="calls"),
        StepNode(name="worked", transition=Transition.LINEAR, next=("join",), closes="works"),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


def test_async_tasks_take_async_slots_and_leave_the_processes_theirs() -> None:
    bench = Bench(_mixed(), Limits(slots=2, async_slots=5))
    bench.succeed(1)
    bench.succeed(2, width=100)
    bench.succeed(3, width=100)
    assert _names(bench).count("call") == 5
    assert _names(bench).count("work") == 2
    assert bench.state.running_async == 5


def test_an_async_task_that_ends_makes_room_for_an_async_one_only() -> None:
    bench = Bench(_mixed(), Limits(slots=2, async_slots=5))
    bench.succeed(1)
    bench.succeed(2, width=100)
    bench.succeed(3, width=100)
    first_call = next(task for step, task, _ in bench.launched() if step == "call")
    bench.succeed(first_call)
    assert _names(bench).count("call") == 6
    assert _names(bench).count("work") == 2


def test_an_async_task_counts_its_declared_resources_like_any_other() -> None:
    graph = _mixed()
    steps = {**graph.steps, "call": replace(graph.steps["call"], resources=Resources(cpu=1.0))}
    bench = Bench(replace(graph, steps=steps), Limits(slots=2, async_slots=50, cpu=3.0))
    bench.succeed(1)
    bench.succeed(2, width=100)
    assert _names(bench).count("call") == 3
