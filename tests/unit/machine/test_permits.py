"""Permits of limits that runs share: who may start, what the run wants, what it can spare."""

from __future__ import annotations

import pytest

from asyncflow.machine.events import FactIgnored, Limits, PermitsReturned, RunStatus, TaskFailed
from asyncflow.machine.evolve import fold
from asyncflow.machine.facts import CancelRequested, DriverStarted, LimiterGranted, LimiterRecalled
from asyncflow.machine.graph import Graph, Permit, Resources, RetryPolicy, Transition
from asyncflow.machine.rules.permits import permits_held, permits_spare, permits_wanted
from asyncflow.machine.state import RunState, permits_of
from tests.unit.machine.bench import Bench, foreach, linear, split

AT_A_TIME = Permit("api", 5)
STARTS = Permit("api", 100, 1.0)
OTHER = Permit("base", 3)


def _grant(bench: Bench, permit: Permit, count: int = 1) -> list[str]:
    return bench.tell(LimiterGranted(at=bench.now, permit=permit.id, count=count))


def _recall(bench: Bench, permit: Permit, count: int = 1) -> list[str]:
    return bench.tell(LimiterRecalled(at=bench.now, permit=permit.id, count=count))


def _works(bench: Bench) -> int:
    return sum(1 for name, _, _ in bench.launched() if name == "work")


def test_a_task_waits_for_a_permit_and_the_run_wants_as_many_as_could_start_now() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=3))
    bench.succeed(1, width=10)
    assert _works(bench) == 0
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 3}
    _grant(bench, AT_A_TIME, 2)
    assert _works(bench) == 2
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 1}


def test_never_more_than_the_limit_is_wanted() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=50))
    bench.succeed(1, width=30)
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 5}
    _grant(bench, AT_A_TIME, 5)
    assert permits_wanted(bench.state) == {}


def test_a_permit_at_a_time_is_used_again_and_spare_when_nobody_waits() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=9))
    bench.succeed(1, width=2)
    _grant(bench, AT_A_TIME)
    bench.succeed(2)
    assert _works(bench) == 2
    assert permits_spare(bench.state) == {}
    bench.succeed(3)
    assert permits_spare(bench.state) == {AT_A_TIME.id: 1}
    _recall(bench, AT_A_TIME)
    assert permits_held(bench.state) == {AT_A_TIME.id: 0}


def test_a_permit_to_start_is_used_up_by_the_start() -> None:
    bench = Bench(foreach(permits=(STARTS,)), Limits(slots=9))
    bench.succeed(1, width=3)
    _grant(bench, STARTS, 2)
    bench.succeed(2)
    assert _works(bench) == 2
    assert permits_held(bench.state) == {STARTS.id: 0}
    assert permits_wanted(bench.state) == {STARTS.id: 1}


def test_a_retry_needs_a_permit_to_start_like_any_attempt() -> None:
    bench = Bench(linear(permits=(STARTS,), retry=RetryPolicy(times=1)))
    bench.succeed(1)
    _grant(bench, STARTS)
    bench.fail(2)
    bench.wait_until(bench.now)
    assert bench.launched() == [("start", 1, 0), ("work", 2, 0)]
    _grant(bench, STARTS)
    assert bench.launched()[-1] == ("work", 2, 1)


def test_a_step_with_two_limits_gets_the_second_only_once_it_has_the_first() -> None:
    bench = Bench(foreach(permits=(STARTS, AT_A_TIME)), Limits(slots=9))
    bench.succeed(1, width=4)
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 4}
    _grant(bench, AT_A_TIME, 2)
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 2, STARTS.id: 2}
    _grant(bench, STARTS)
    assert _works(bench) == 1


def test_what_is_held_of_a_later_limit_is_spare_while_an_earlier_one_is_lacking() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME, OTHER)))
    bench.succeed(1, width=4)
    _grant(bench, OTHER)
    assert permits_spare(bench.state) == {OTHER.id: 1}


def test_a_task_that_waits_for_a_permit_holds_no_slot_and_no_resource() -> None:
    graph = split({"permits": (AT_A_TIME,), "resources": Resources(cpu=4)}, {"resources": Resources(cpu=4)})
    bench = Bench(graph, Limits(slots=1, cpu=4.0))
    bench.succeed(1)
    assert [name for name, _, _ in bench.launched()] == ["start", "small"]


def test_one_permit_is_wanted_although_no_slot_is_free_so_that_others_cannot_take_them_all_for_ever() -> None:
    graph = split({"permits": (AT_A_TIME,)}, {})
    bench = Bench(graph, Limits(slots=1))
    bench.succeed(1)
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 1}
    _grant(bench, AT_A_TIME)
    assert permits_spare(bench.state) == {}
    bench.succeed(3)
    assert bench.launched()[-1][0] == "big"


def test_no_more_permits_are_wanted_than_there_are_cores_for() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,), resources=Resources(cpu=2)), Limits(slots=9, cpu=4.0))
    bench.succeed(1, width=9)
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 2}


def test_recalled_permits_that_are_in_use_come_back_as_attempts_end() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=9))
    bench.succeed(1, width=9)
    _grant(bench, AT_A_TIME, 4)
    _recall(bench, AT_A_TIME, 3)
    assert permits_held(bench.state) == {AT_A_TIME.id: 4}
    assert permits_wanted(bench.state) == {}
    for task in (2, 3, 4):
        bench.succeed(task)
    assert _works(bench) == 4
    assert permits_held(bench.state) == {AT_A_TIME.id: 1}
    bench.succeed(5)
    assert _works(bench) == 5


def test_a_recall_takes_no_more_than_there_is() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=1))
    bench.succeed(1, width=3)
    _grant(bench, AT_A_TIME, 2)
    _recall(bench, AT_A_TIME, 9)
    assert bench.events(PermitsReturned)[-1].count == 2
    assert _recall(bench, AT_A_TIME) == ["FactIgnored"]


@pytest.mark.parametrize(("permit", "count", "why"), [("rate:1:x", 1, "no step"), (AT_A_TIME.id, 0, "none")])
def test_permits_that_cannot_be_are_ignored(permit: str, count: int, why: str) -> None:
    bench = Bench(linear(permits=(AT_A_TIME,)))
    assert bench.tell(LimiterGranted(at=1.0, permit=permit, count=count)) == ["FactIgnored"]
    assert bench.tell(LimiterRecalled(at=1.0, permit=permit, count=count)) == ["FactIgnored"]
    assert why in bench.events(FactIgnored)[-1].why


def test_a_new_driver_holds_no_permits() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=9))
    bench.succeed(1, width=5)
    _grant(bench, AT_A_TIME, 2)
    bench.tell(DriverStarted(at=bench.now, host="h", pid=2, limits=bench.state.limits))
    assert bench.state.granted == {}
    bench.lose(2, is_our_fault=True)
    bench.lose(3, is_our_fault=True)
    bench.wait_until(bench.now)
    assert _works(bench) == 2
    assert permits_wanted(bench.state) == {AT_A_TIME.id: 5}


def test_a_run_that_stops_wants_nothing_and_can_spare_what_is_not_in_use() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,)), Limits(slots=9))
    bench.succeed(1, width=2)
    _grant(bench, AT_A_TIME, 3)
    bench.tell(CancelRequested(at=bench.now, by="test"))
    assert permits_wanted(bench.state) == {}
    assert permits_spare(bench.state) == {AT_A_TIME.id: 1}


def test_a_gang_with_a_limit_is_refused_and_says_why() -> None:
    bench = Bench(foreach(Transition.PARALLEL, permits=(AT_A_TIME,)))
    bench.succeed(1, width=2)
    assert "cannot wait for @concurrency" in bench.events(TaskFailed)[0].error.message
    assert bench.state.status is RunStatus.FAILED


def test_a_retried_task_goes_before_new_branches_when_a_permit_comes() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME,), retry=RetryPolicy(times=1)), Limits(slots=9))
    bench.succeed(1, width=5)
    _grant(bench, AT_A_TIME)
    bench.fail(2)
    bench.wait_until(bench.now)
    bench.succeed(3)
    assert bench.launched()[-1] == ("work", 2, 1)


def test_the_smallest_limit_of_a_key_counts_and_windows_are_limits_of_their_own() -> None:
    per_minute = Permit("api", 1000, 60.0)
    graph = split({"permits": (AT_A_TIME, STARTS)}, {"permits": (Permit("api", 2), per_minute)})
    state = RunState(graph=graph)
    assert state.permit_limits == {AT_A_TIME.id: 2, STARTS.id: 100, per_minute.id: 1000}


def test_permits_are_got_in_one_order_everywhere_and_starts_last() -> None:
    node = linear(permits=(STARTS, OTHER, Permit("api", 7), AT_A_TIME, Permit("api", 6))).steps["work"]
    assert permits_of(node) == (AT_A_TIME, OTHER, STARTS)


def test_permits_survive_the_log_and_older_logs_have_none() -> None:
    graph = linear(permits=(AT_A_TIME, STARTS))
    data = graph.to_data()
    assert Graph.from_data(data) == graph
    for node in data["steps"]:
        del node["permits"]
    assert Graph.from_data(data) == linear()


def test_what_is_folded_equals_what_lived() -> None:
    bench = Bench(foreach(permits=(AT_A_TIME, STARTS)), Limits(slots=9))
    bench.succeed(1, width=5)
    _grant(bench, AT_A_TIME, 4)
    _grant(bench, STARTS, 3)
    _recall(bench, AT_A_TIME, 2)
    bench.succeed(2)
    assert fold(bench.state.graph, bench.log) == bench.state
