"""What a resume takes over, and what it says it will."""

from __future__ import annotations

import pytest

from asyncflow.events.rows import TaskRow, TaskStatus
from asyncflow.machine.graph import Graph, Resources, StepNode, Transition
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.state import CloneKey
from asyncflow.runtime.cloning import clone_sources, has_same_shape, plan_resume, rerun_closure

ORIGIN = 7


def _graph(**end: object) -> Graph:
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END, **end),  # type: ignore[arg-type]
    ]
    return Graph(flow="F", start="start", end="end", steps={node.name: node for node in nodes})


def _task(
    task: int, step: str, path: str = "", status: str = TaskStatus.SUCCEEDED, **more: object
) -> TaskRow:
    return TaskRow(
        ORIGIN, task, step, path, 0, ORIGIN, 0, 0, None, 0, None, 0.0, status=status, attempt=1, **more
    )  # type: ignore[arg-type]


def _origin() -> list[TaskRow]:
    """Three branches: two went well, one failed; so the join never ran."""
    return [
        _task(1, "start", width=3),
        _task(2, "work", "0"),
        _task(3, "work", "1", TaskStatus.FAILED),
        _task(4, "work", "2", TaskStatus.CAUGHT, error_type="ValueError"),
    ]


def test_only_good_tasks_are_sources_and_a_caught_failure_is_good() -> None:
    sources = clone_sources(_origin(), _graph(), ())
    assert list(sources) == [CloneKey("start", ()), CloneKey("work", (0,)), CloneKey("work", (2,))]
    assert sources[CloneKey("start", ())].width == 3
    caught = sources[CloneKey("work", (2,))].caught
    assert caught is not None
    assert caught.type == "ValueError"


def test_a_source_points_at_the_attempt_that_went_well() -> None:
    sources = clone_sources([_task(2, "work", "0")], _graph(), ())
    assert sources[CloneKey("work", (0,))].origin == ManifestKey(ORIGIN, 2, 1)


def test_a_clone_of_a_clone_points_at_the_first_run() -> None:
    row = _task(2, "work", "0", TaskStatus.CLONED, origin_run=3, origin_task=9, origin_attempt=0)
    assert clone_sources([row], _graph(), ())[CloneKey("work", (0,))].origin == ManifestKey(3, 9, 0)


def test_a_step_that_the_new_code_lacks_is_left_out() -> None:
    assert clone_sources([_task(1, "renamed")], _graph(), ()) == {}


def test_steps_to_run_again_are_left_out() -> None:
    sources = clone_sources(_origin(), _graph(), rerun_closure(_graph(), "work"))
    assert list(sources) == [CloneKey("start", ())]


def test_rerunning_a_step_reruns_all_after_it() -> None:
    assert rerun_closure(_graph(), "work") == ("work", "join", "end")


def test_the_plan_says_what_is_reused_and_why_the_rest_runs() -> None:
    graph, tasks = _graph(), _origin()
    plan = plan_resume(graph, tasks, clone_sources(tasks, graph, ()), ())
    told = {item.step: (item.reused, item.rerun, item.why) for item in plan}
    assert told == {
        "start": (1, 0, ""),
        "work": (2, 1, "1 failed"),
        "join": (0, 0, "has not run yet"),
        "end": (0, 0, "has not run yet"),
    }


def test_the_plan_of_a_step_to_rerun_names_it_as_the_reason() -> None:
    graph = _graph()
    tasks = [
        _task(1, "start", width=1),
        _task(2, "work", "0"),
        _task(3, "join"),
        _task(4, "end"),
    ]
    steps = rerun_closure(graph, "join")
    plan = plan_resume(graph, tasks, clone_sources(tasks, graph, steps), steps)
    told = {item.step: (item.reused, item.why) for item in plan}
    assert told == {
        "start": (1, ""),
        "work": (1, ""),
        "join": (0, "asked for"),
        "end": (0, "comes after join"),
    }


@pytest.mark.parametrize("is_changed", [False, True])
def test_policies_may_change_without_changing_the_shape(is_changed: bool) -> None:
    new = _graph(resources=Resources(cpu=2.0))
    if is_changed:
        steps = dict(new.steps)
        steps["work"] = StepNode(name="work", transition=Transition.SWITCH, next=("join", "work"))
        new = Graph(flow="F", start="start", end="end", steps=steps)
    assert has_same_shape(_graph(), new) is not is_changed
