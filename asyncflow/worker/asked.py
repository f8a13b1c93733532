"""What `current` makes when it is asked for: client objects, the gang, what started the run. Most tasks never ask."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from asyncflow.flow.current import Parallel
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["asked_of", "look_in_namespace", "task_of"]

_HERE = "127.0.0.1"
"""Where a gang's tasks are that run on this machine."""
_LEADER_VARIABLES = ("MF_MASTER_ADDR", "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS")
"""In which platforms say where the task with index 0 is."""


def asked_of(run_spec: RunSpec, spec: TaskSpec, *, is_gang: bool) -> dict[str, Callable[[], Any]]:
    """Return by attribute of `current` what makes it.

    Args:
        run_spec: The run.
        spec: The attempt.
        is_gang: The task is one of a gang.
    """
    made: dict[str, Callable[[], Any]] = {
        "task": partial(task_of, run_spec, spec),
        "run": partial(_run, run_spec),
    }
    if is_gang:
        made["parallel"] = partial(_parallel, run_spec, spec)
    if run_spec.triggers:
        made["trigger"] = partial(_trigger, run_spec)
    return made


def look_in_namespace(run_spec: RunSpec) -> None:
    """Let the client look where the run was told to."""
    from asyncflow.client.place import namespace

    namespace(run_spec.namespace or None)


def task_of(
    run_spec: RunSpec, spec: TaskSpec, artifacts: Mapping[str, ArtifactRecord] | None = None
) -> Any:  # Any: the client's Task, imported when asked for
    """Return the attempt's task.

    Args:
        run_spec: The run.
        spec: The attempt.
        artifacts: What it has, where that is not recorded yet. None: what is.
    """
    from asyncflow.client.place import place_at
    from asyncflow.client.tasks import Task

    pathspec = f"{run_spec.flow}/{spec.run}/{spec.step}/{spec.attempt.task}"
    task = Task(pathspec, _namespace_check=False, _place=place_at(run_spec.store_root))
    if artifacts is not None:
        task.assume(artifacts)
    return task


def _run(run_spec: RunSpec) -> Any:  # Any: the client's Run
    from asyncflow.client.place import place_at
    from asyncflow.client.runs import Run

    return Run(
        f"{run_spec.flow}/{run_spec.run}", _namespace_check=False, _place=place_at(run_spec.store_root)
    )


def _trigger(run_spec: RunSpec) -> Any:  # Any: the client's Trigger
    from asyncflow.client.place import place_at
    from asyncflow.client.trigger import Trigger

    return Trigger.of_records(run_spec.triggers, place_at(run_spec.store_root))


def _parallel(run_spec: RunSpec, spec: TaskSpec) -> Parallel:
    index = spec.index or 0
    control = spec.attempt.task if index == 0 else _first_of_gang(run_spec, spec)
    leader = next((os.environ[name] for name in _LEADER_VARIABLES if os.environ.get(name)), _HERE)
    return Parallel(main_ip=leader, num_nodes=spec.width or 1, node_index=index, control_task_id=str(control))


def _first_of_gang(run_spec: RunSpec, spec: TaskSpec) -> int:
    """Return the task with index 0: it came to be before its siblings, so it is recorded."""
    from asyncflow.client.place import place_at

    reader = place_at(run_spec.store_root).reader
    own = reader.task(spec.run, spec.attempt.task)
    siblings = reader.tasks(spec.run, step=spec.step)
    scope = None if own is None else own.scope
    return next(one.task for one in siblings if one.scope == scope and one.position == 0)
