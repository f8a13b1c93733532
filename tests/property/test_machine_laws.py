"""Laws that hold for every flow, every order of things and every mishap; a seed is all it takes to see one again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncflow.machine.decide import step
from asyncflow.machine.events import AttemptLaunched, AttemptSucceeded, RunStatus, TaskFailed
from asyncflow.machine.evolve import evolve, fold
from asyncflow.machine.facts import RunRequested
from asyncflow.machine.graph import Pool
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.state import UNITS, CloneKey, CloneSource, RunState
from tests.property.flows import Flow, expected, random_flow
from tests.property.world import RUN, Weather, World

SEEDS = st.integers(min_value=0, max_value=2**32)
FAIR = Weather()
ROUGH = Weather(
    failure=0.15, loss=0.1, our_fault=0.1, repeat=0.1, crash=0.05, limits=0.03, recall=0.05, delay=0.2
)
ORIGIN = 9


def _expect_everything_happened(world: World, flow: Flow) -> None:
    plan = expected(flow)
    assert sorted(world.results) == sorted(plan.tasks)
    for join, arrivals in plan.inputs.items():
        if join in world.inputs:
            assert world.inputs[join] == [world.results[arrival] for arrival in arrivals]


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_every_task_runs_once_and_every_join_gets_its_inputs_in_order(seed: int) -> None:
    flow = random_flow(seed)
    world = World(flow, Random(seed), FAIR)
    assert world.run().status is RunStatus.SUCCEEDED
    _expect_everything_happened(world, flow)
    assert len(world.launches) == len(world.results)


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_whatever_goes_wrong_the_run_ends_and_nothing_completes_twice(seed: int) -> None:
    flow = random_flow(seed)
    world = World(flow, Random(seed), ROUGH)
    status = world.run().status
    failed = [event for event in world.log if isinstance(event, TaskFailed)]
    assert (status is RunStatus.FAILED) == bool(failed)
    if not failed:
        _expect_everything_happened(world, flow)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_keeping_going_runs_everything_that_does_not_depend_on_a_failure(seed: int) -> None:
    flow = random_flow(seed)
    world = World(flow, Random(seed), Weather(failure=0.2, crash=0.03), keep_going=True)
    world.run()
    plan = expected(flow)
    assert set(world.results) <= set(plan.tasks)
    if not any(isinstance(event, TaskFailed) for event in world.log):
        _expect_everything_happened(world, flow)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_a_cancelled_run_ends_and_leaves_nothing_running(seed: int) -> None:
    world = World(random_flow(seed), Random(seed), Weather(failure=0.05, cancel=0.08, crash=0.03, delay=0.2))
    state = world.run()
    assert not state.running
    assert not world.in_flight
    if world.was_cancelled:
        assert state.status in (RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.SUCCEEDED)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_run_whose_tasks_people_end_and_hurry_ends_as_its_log_says(seed: int) -> None:
    weather = Weather(failure=0.1, our_fault=0.03, stop=0.15, crash=0.03, delay=0.2)
    world = World(random_flow(seed), Random(seed), weather, keep_going=seed % 2 == 0)
    state = world.run()
    assert not world.in_flight
    ended = [event for event in world.log if isinstance(event, TaskFailed)]
    assert (state.status is RunStatus.FAILED) == bool(ended)


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_slots_are_never_exceeded(seed: int) -> None:
    flow = random_flow(seed)
    world = World(flow, Random(seed), Weather(failure=0.1, our_fault=0.05))
    most: dict[Pool, int] = {}
    running: dict[int, Pool] = {}
    world.run()
    for event in world.log:
        limits = getattr(event, "limits", None)
        if limits is not None:
            most = {
                Pool.PROCESS: limits.slots,
                Pool.ASYNC: limits.async_slots,
                Pool.REMOTE: limits.remote_slots,
            }
        if isinstance(event, AttemptLaunched):
            pool = running[event.task] = flow.graph.steps[world.keys[event.task][0]].pool
            assert list(running.values()).count(pool) <= most[pool]
        elif type(event).__name__ in ("AttemptSucceeded", "AttemptFailed", "AttemptLost", "AttemptCancelled"):
            running.pop(event.task, None)  # type: ignore[union-attr]


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_what_is_launched_fits_the_machine_as_it_is_then(seed: int) -> None:
    flow = random_flow(seed)
    world = World(flow, Random(seed), ROUGH)
    world.run()
    state = RunState(graph=flow.graph)
    for event in world.log:
        evolve(state, event)
        if isinstance(event, AttemptLaunched):
            limits = state.limits
            for total, unit, used, need in zip(
                (limits.cpu, limits.memory_mb, limits.gpu),
                UNITS,
                state.used,
                state.needs[state.tasks[event.task].step],
                strict=True,
            ):
                assert total is None or not need or used <= round(total * unit)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_prefix_of_a_log_can_be_folded_and_the_whole_equals_what_lived(seed: int) -> None:
    flow = random_flow(seed, max_depth=2)
    world = World(flow, Random(seed), ROUGH)
    world.run()
    for length in range(len(world.log)):
        assert fold(flow.graph, world.log[:length]).seq == length
    assert fold(flow.graph, world.log) == world.state


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_the_order_in_which_tasks_end_changes_no_join(seed: int) -> None:
    flow = random_flow(seed)
    inputs = []
    for order in range(3):
        world = World(flow, Random(seed + order), FAIR)
        world.run()
        names = {manifest: key for key, manifest in world.results.items()}
        inputs.append({join: [names[key] for key in keys] for join, keys in world.inputs.items()})
    assert inputs[0] == inputs[1] == inputs[2]


@given(SEEDS, st.floats(min_value=0, max_value=1))
@settings(max_examples=150, deadline=None)
def test_a_resume_reuses_every_good_task_below_good_ones_and_runs_the_rest(seed: int, share: float) -> None:
    flow = random_flow(seed)
    origin = World(flow, Random(seed), FAIR)
    origin.run()
    clones = _some_of(origin, Random(seed + 1), share)
    world = World(flow, Random(seed + 2), FAIR, clones=clones)
    assert world.run().status is RunStatus.SUCCEEDED
    _expect_everything_happened(world, flow)
    launched = [world.key_of(launch) for launch in world.launches]
    assert not [key for key in launched if world.results[key].run == ORIGIN], "a task was cloned and run"
    for join, arrivals in expected(flow).inputs.items():
        is_fresh = any(world.results[arrival].run != ORIGIN for arrival in arrivals)
        assert not (is_fresh and world.results[join].run == ORIGIN), f"{join} was cloned over new inputs"
    if share == 1:
        assert not launched


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_resume_survives_crashes_too(seed: int) -> None:
    flow = random_flow(seed)
    origin = World(flow, Random(seed), FAIR)
    origin.run()
    clones = _some_of(origin, Random(seed + 1), 0.7)
    world = World(flow, Random(seed + 2), Weather(our_fault=0.1, crash=0.2), clones=clones)
    assert world.run().status is RunStatus.SUCCEEDED
    _expect_everything_happened(world, flow)


@pytest.mark.parametrize("seed", range(40))
def test_a_crash_after_every_turn_loses_nothing_and_repeats_nothing(seed: int) -> None:
    flow = random_flow(seed, max_depth=2)
    undisturbed = World(flow, Random(seed), FAIR)
    undisturbed.run()
    for turn in range(min(len(undisturbed.turns), 25)):
        world = World(flow, Random(seed), FAIR)
        step_count = 0
        world.tell(_request(world))
        while not world.state.is_over:
            if step_count == turn:
                world.crash()
            else:
                world.happen()
            step_count += 1
        _expect_everything_happened(world, flow)


@given(SEEDS)
@settings(max_examples=50, deadline=None)
def test_a_run_that_is_asked_for_twice_exists_once(seed: int) -> None:
    world = World(random_flow(seed), Random(seed), FAIR)
    request = _request(world)
    step(world.state, request)
    before = world.state.next_task
    turn = step(world.state, request)
    assert [type(event).__name__ for event in turn.events] == ["FactIgnored"]
    assert world.state.next_task == before


def _request(world: World) -> RunRequested:
    from asyncflow.machine.events import Limits

    return RunRequested(at=world.now, run=RUN, user="u", limits=Limits(slots=4))


def _some_of(origin: World, random: Random, share: float) -> dict[CloneKey, CloneSource]:
    """Good tasks of a finished run, some of them forgotten."""
    told = {event.task: event for event in origin.log if isinstance(event, AttemptSucceeded)}
    sources: dict[CloneKey, CloneSource] = {}
    for key, manifest in origin.results.items():
        if share == 1 or random.random() < share:
            event = told[manifest.task]
            where = ManifestKey(ORIGIN, manifest.task, manifest.attempt)
            sources[CloneKey(*key)] = CloneSource(where, event.width, event.chosen, event.caught)
    return sources
