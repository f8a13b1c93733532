"""What `42`, `latest`, `Flow/42`, `Flow/latest` and `42/step/7` name. One resolver for every command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncflow.cli.errors import NotFoundError
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import RunRow, TaskRow
    from asyncflow.machine.events import RunCreated
    from asyncflow.machine.graph import Graph

__all__ = ["Spec", "Target", "created_of", "find_run", "find_target", "graph_of", "parse_spec"]

LATEST = "latest"
_FORMS = "42, latest, Flow/42, Flow/latest, and with a step and a task: 42/train/7"


@record
class Spec:
    """A pathspec as typed."""

    text: str
    flow: str | None = None
    run: int | None = None
    """None: the latest."""
    step: str | None = None
    task: int | None = None


@record
class Target:
    """What a pathspec names."""

    run: RunRow
    step: str | None = None
    task: TaskRow | None = None

    @property
    def path(self) -> str:
        """The pathspec in full, as one types it."""
        parts = [str(self.run.run), self.step, None if self.task is None else str(self.task.task)]
        return "/".join(part for part in parts if part is not None)


def parse_spec(text: str, flow: str | None = None) -> Spec:
    """Read a pathspec.

    Args:
        text: What was typed.
        flow: The flow that is meant where none is named; None: any.

    Raises:
        NotFoundError: It is none.
    """
    parts = text.strip().strip("/").split("/")
    if len(parts) > 1 and not _is_run(parts[0]):
        flow, *parts = parts
    elif not _is_run(parts[0]) and parts[0].isidentifier():
        flow, parts = parts[0], [LATEST]
        raise NotFoundError(
            f"'{text}' is no run",
            hint=f"The latest run of a flow is {flow}/{LATEST}. List runs: asyncflow runs",
        )
    if not _is_run(parts[0]) or len(parts) > 3 or not all(parts):
        raise NotFoundError(
            f"'{text}' is no run", hint=f"A run is written {_FORMS}. List runs: asyncflow runs"
        )
    run = None if parts[0] == LATEST else int(parts[0])
    step = parts[1] if len(parts) > 1 else None
    task = parts[2] if len(parts) > 2 else None
    if step is not None and task is None and _is_number(step):
        step, task = None, step
    if task is not None and not _is_number(task):
        raise NotFoundError(
            f"'{task}' in '{text}' is no task: tasks are numbers", hint=f"Write it like {_FORMS}."
        )
    return Spec(text=text, flow=flow, run=run, step=step, task=None if task is None else int(task))


def find_run(reader: Reader, text: str, flow: str | None = None) -> RunRow:
    """Return the run that a pathspec names, which may say more than the run.

    Raises:
        NotFoundError: There is no such run.
    """
    return _run_of(reader, parse_spec(text, flow))


def find_target(reader: Reader, text: str, flow: str | None = None) -> Target:
    """Return the run, step or task that a pathspec names.

    Raises:
        NotFoundError: There is none; the message names what is near.
    """
    spec = parse_spec(text, flow)
    run = _run_of(reader, spec)
    if spec.task is not None:
        return Target(run=run, step=spec.step, task=_task_of(reader, run.run, spec))
    if spec.step is not None:
        _check_step(reader, run.run, spec.step)
    return Target(run=run, step=spec.step)


def created_of(reader: Reader, run: int) -> RunCreated:
    """Return the event a run's log begins with. Raises NotFoundError if there is none."""
    from asyncflow.machine.events import RunCreated

    events = reader.events(run)
    try:
        _, first = next(events, (0, None))
    finally:
        events.close()
    if not isinstance(first, RunCreated):
        raise NotFoundError(
            f"The log of run {run} has no beginning", hint="See what is there: asyncflow doctor"
        )
    return first


def graph_of(reader: Reader, run: int) -> Graph:
    """Return the graph a run was started with. Raises NotFoundError if its log does not begin."""
    from asyncflow.machine.graph import Graph

    return Graph.from_data(created_of(reader, run).graph)


def _run_of(reader: Reader, spec: Spec) -> RunRow:
    found = reader.latest(spec.flow) if spec.run is None else reader.run(spec.run)
    if found is None:
        raise _no_run(reader, spec)
    if spec.flow is not None and found.flow != spec.flow:
        raise NotFoundError(
            f"Run {found.run} is not of flow {spec.flow}, but of {found.flow}",
            hint=f"Write {found.run}, or {found.flow}/{found.run}. List runs: asyncflow runs --flow {spec.flow}",
        )
    return found


def _no_run(reader: Reader, spec: Spec) -> NotFoundError:
    newest = reader.runs(limit=200)
    if not newest:
        return NotFoundError("There is no run yet", hint="Start one: asyncflow run FLOW.py")
    flows = list(dict.fromkeys(run.flow for run in newest))
    if spec.flow is not None and spec.flow not in flows:
        close = difflib.get_close_matches(spec.flow, flows, n=1)
        suggestion = f"Did you mean {close[0]}? " if close else f"There are runs of {', '.join(flows[:5])}. "
        return NotFoundError(
            f"There is no run of flow {spec.flow}", hint=f"{suggestion}List runs: asyncflow runs"
        )
    ids = ", ".join(str(run.run) for run in newest[:5])
    return NotFoundError(
        f"There is no run {spec.run}", hint=f"The newest are {ids}. List runs: asyncflow runs"
    )


def _check_step(reader: Reader, run: int, step: str) -> None:
    steps = list(graph_of(reader, run).steps)
    if step not in steps:
        raise _no_step(run, step, steps)


def _no_step(run: int, step: str, steps: Sequence[str]) -> NotFoundError:
    close = difflib.get_close_matches(step, steps, n=1)
    suggestion = f"Did you mean {run}/{close[0]}? " if close else ""
    return NotFoundError(
        f"Run {run} has no step '{step}'", hint=f"{suggestion}Its steps are {', '.join(steps)}."
    )


def _task_of(reader: Reader, run: int, spec: Spec) -> TaskRow:
    if spec.step is not None:
        _check_step(reader, run, spec.step)
    task = reader.task(run, spec.task or 0)
    if task is not None and spec.step in (None, task.step):
        return task
    if task is not None:
        raise NotFoundError(
            f"Task {task.task} of run {run} is not of step {spec.step}, but of {task.step}",
            hint=f"Write {run}/{task.step}/{task.task}.",
        )
    known = [row.task for row in reader.tasks(run, step=spec.step)]
    of = f"Step {spec.step} of run {run}" if spec.step else f"Run {run}"
    if not known:
        raise NotFoundError(f"{of} has no tasks", hint=f"See what it did: asyncflow logs {run}")
    shown = ", ".join(str(task_id) for task_id in known[:8]) + (
        f", ... {known[-1]}" if len(known) > 8 else ""
    )
    raise NotFoundError(f"{of} has no task {spec.task}", hint=f"It has {shown}.")


def _is_run(part: str) -> bool:
    return part == LATEST or _is_number(part)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) < 18
