"""Gangs are launched whole, taken over whole, or refused with a reason; never waited for in vain."""

from __future__ import annotations

import pytest

from asyncflow.machine.events import Limits, RunStatus, TaskFailed
from asyncflow.machine.facts import DriverStarted, LimitsRequested
from asyncflow.machine.graph import Graph, Resources, RetryPolicy, StepNode, Transition
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.state import CloneKey, CloneSource
from tests.unit.machine.bench import Bench, foreach

CORES = Resources(cpu=2)


def _gang(limits: Limits, **body: object) -> Bench:
    return Bench(foreach(Transition.PARALLEL, **body), limits)


def _busy_gang(limits: Limits) -> Bench:
    """A gang of three that is due while another branch holds a slot."""
    nodes = [
        StepNode(name="start", transition=Transition.SPLIT, next=("other", "open")),
        StepNode(name="other", transition=Transition.LINEAR, next=("after",)),
        StepNode(name="after", transition=Transition.LINEAR, next=("meet",)),
        StepNode(name="open", transition=Transition.PARALLEL, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("close",)),
        StepNode(name="close", transition=Transition.LINEAR, next=("meet",), closes="open"),
        StepNode(name="meet", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    bench = Bench(
        Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes}), limits
    )
    bench.succeed(1)
    bench.succeed(3, width=3)
    return bench


def _names(bench: Bench) -> list[str]:
    return [name for name, _, _ in bench.launched()]


def test_a_gang_is_launched_whole_or_not_at_all() -> None:
    bench = _busy_gang(Limits(slots=3))
    assert _names(bench) == ["start", "other", "open"]
    bench.succeed(2)
    assert _names(bench)[3:] == ["after"], "what is queued goes first"
    bench.succeed(4)
    assert _names(bench)[4:] == ["work", "work", "work"]


def test_a_gang_wider_than_the_slots_is_refused_and_its_first_member_says_why() -> None:
    bench = _gang(Limits(slots=2))
    bench.succeed(1, width=3)
    assert bench.state.status is RunStatus.FAILED
    assert [event.task for event in bench.events(TaskFailed)] == [2]
    assert "3 tasks at the same time, more than --max-workers 2" in bench.events(TaskFailed)[0].error.message


def test_a_gang_that_asks_for_more_than_the_machine_has_is_refused_though_one_member_would_fit() -> None:
    bench = _gang(Limits(cpu=4.0), resources=CORES)
    bench.succeed(1, width=3)
    assert bench.state.status is RunStatus.FAILED
    assert "cpu 6 of 4" in bench.events(TaskFailed)[0].error.message


def test_a_gang_that_fills_the_machine_runs() -> None:
    bench = _gang(Limits(cpu=4.0), resources=CORES)
    bench.succeed(1, width=2)
    assert _names(bench) == ["start", "work", "work"]


@pytest.mark.parametrize("limits", [Limits(slots=2), Limits(slots=2, keep_going=True)])
def test_a_gang_that_no_longer_fits_after_a_change_of_limits_ends_the_run(limits: Limits) -> None:
    bench = _busy_gang(Limits(slots=3))
    bench.tell(LimitsRequested(at=1.0, limits=limits))
    bench.succeed(2)
    bench.succeed(4)
    assert bench.state.status is RunStatus.FAILED
    assert len(bench.events(TaskFailed)) == 1


def test_a_gang_that_no_longer_fits_the_driver_that_goes_on_ends_the_run() -> None:
    bench = _busy_gang(Limits(slots=3))
    bench.tell(DriverStarted(at=1.0, host="h", pid=1, limits=Limits(slots=2)))
    bench.lose(2, is_our_fault=True)
    bench.wait_until(bench.now)
    bench.succeed(2, 1)
    bench.succeed(4)
    assert bench.state.status is RunStatus.FAILED


@pytest.mark.parametrize("width", [10**9, 2**31 - 1])
def test_a_gang_of_absurd_size_costs_nothing_but_a_message(width: int) -> None:
    bench = _gang(Limits(slots=16))
    bench.succeed(1, width=width)
    assert f"{width} tasks at the same time" in bench.events(TaskFailed)[0].error.message


@pytest.mark.parametrize("transition", [Transition.FOREACH, Transition.PARALLEL])
@pytest.mark.parametrize("width", [-1, 2**31, 10**30])
def test_a_width_that_cannot_be_is_an_error_of_the_split(transition: Transition, width: int) -> None:
    bench = Bench(foreach(transition, retry=RetryPolicy(times=3)))
    assert "TaskFailed" in bench.succeed(1, width=width)
    assert str(width) in bench.events(TaskFailed)[0].error.message


def test_a_member_that_fails_is_tried_again_alone() -> None:
    bench = _gang(Limits(slots=3), retry=RetryPolicy(times=1))
    bench.succeed(1, width=3)
    bench.fail(3)
    bench.wait_until(bench.now)
    assert bench.launched()[4:] == [("work", 3, 1)]


def _good_members(*members: int) -> dict[CloneKey, CloneSource]:
    good = {CloneKey("work", (member,)): CloneSource(ManifestKey(9, 2 + member, 0)) for member in members}
    return {CloneKey("start", ()): CloneSource(ManifestKey(9, 1, 0), width=3), **good}


def test_a_gang_with_a_bad_member_runs_again_whole() -> None:
    bench = Bench(foreach(Transition.PARALLEL), Limits(slots=3), clones=_good_members(0, 2))
    assert _names(bench) == ["work", "work", "work"]


def test_a_gang_whose_members_are_all_good_is_taken_over() -> None:
    bench = Bench(foreach(Transition.PARALLEL), Limits(slots=3), clones=_good_members(0, 1, 2))
    assert _names(bench) == ["join"]
