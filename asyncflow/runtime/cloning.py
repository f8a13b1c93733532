"""What a new run may take over from an earlier one, and the plan shown before it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from asyncflow.events.rows import TaskRow, TaskStatus
from asyncflow.machine.decide import step
from asyncflow.machine.events import Limits, TaskCloned
from asyncflow.machine.facts import RunRequested
from asyncflow.machine.graph import Graph
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.machine.state import CloneKey, CloneSource, RunState
from asyncflow.records import record

__all__ = ["PlannedStep", "clone_sources", "has_same_shape", "plan_resume", "rerun_closure"]

GOOD = (TaskStatus.SUCCEEDED, TaskStatus.CAUGHT, TaskStatus.CLONED)


@record
class PlannedStep:
    """What a resume would do with one step."""

    step: str
    reused: int
    """Tasks taken over."""
    rerun: int
    """Tasks of the origin run that are executed anew."""
    why: str
    """Why tasks of this step run; empty when none does."""


def clone_sources(
    tasks: Iterable[TaskRow], graph: Graph, rerun_steps: Sequence[str]
) -> dict[CloneKey, CloneSource]:
    """Collect the good tasks of a run, by where they stand, leaving out steps that are to run again."""
    skipped = dict.fromkeys(rerun_steps)
    return {
        CloneKey(task.step, _path(task.path), task.iteration): _source(task)
        for task in tasks
        if task.status in GOOD and task.step in graph.steps and task.step not in skipped
    }


def rerun_closure(graph: Graph, start: str) -> tuple[str, ...]:
    """Return `start` and every step after it, in graph order."""
    after = graph.descendants(start)
    return tuple(name for name in graph.steps if name == start or name in after)


def has_same_shape(old: Graph, new: Graph) -> bool:
    """Tell whether two graphs have the same steps, connected alike; policies may differ."""
    return _shape(old) == _shape(new)


def plan_resume(
    graph: Graph,
    tasks: Sequence[TaskRow],
    sources: Mapping[CloneKey, CloneSource],
    rerun_steps: Sequence[str],
) -> list[PlannedStep]:
    """Say step by step what a resume would reuse and what it would run, by asking the machine itself."""
    state = RunState(graph=graph, clones=sources)
    turn = step(state, RunRequested(at=0.0, run=0, user="", limits=Limits()))
    reused = dict.fromkeys(graph.steps, 0)
    for event in turn.events:
        if isinstance(event, TaskCloned):
            reused[event.step] += 1
    return [_planned(name, reused[name], tasks, rerun_steps) for name in graph.steps]


def _planned(name: str, reused: int, tasks: Sequence[TaskRow], rerun_steps: Sequence[str]) -> PlannedStep:
    known = [task for task in tasks if task.step == name]
    rerun = len(known) - reused
    return PlannedStep(step=name, reused=reused, rerun=rerun, why=_why(name, reused, known, rerun_steps))


def _why(name: str, reused: int, known: Sequence[TaskRow], rerun_steps: Sequence[str]) -> str:
    if rerun_steps and name == rerun_steps[0]:
        return "asked for"
    if name in rerun_steps:
        return f"comes after {rerun_steps[0]}"
    if not known:
        return "has not run yet"
    bad = [task for task in known if task.status not in GOOD]
    if bad:
        counts = dict.fromkeys(task.status for task in bad)
        return ", ".join(f"{sum(task.status == status for task in bad)} {status}" for status in counts)
    return "" if reused == len(known) else "its inputs run again"


def _source(task: TaskRow) -> CloneSource:
    caught = None
    if task.status == TaskStatus.CAUGHT:
        caught = ErrorInfo(task.error_type or "", task.error_message or "", task.error_traceback or "")
    return CloneSource(task.key, task.width, task.chosen, caught)


def _path(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",")) if text else ()


def _shape(graph: Graph) -> list[tuple[str, str, tuple[str, ...], str | None]]:
    return [(node.name, str(node.transition), node.next, node.closes) for node in graph.steps.values()]
