"""From what a program asks of an engine to the request that a driver takes. All of it blocks: called in a thread."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from asyncflow.errors import UserError
from asyncflow.flow.decorators.project import ProjectBranch, branch_of
from asyncflow.flow.graph import FlowGraph
from asyncflow.machine.events import Limits
from asyncflow.records import field, record
from asyncflow.runtime.session import RunRequest

__all__ = ["Asked", "EngineError", "Plan", "plan_new", "plan_resume"]

_EMBEDDED = ("asyncflow.Engine",)


class EngineError(UserError):
    """An engine was asked for something that cannot be."""

    headline = "Invalid use of the engine"


@record
class Asked:
    """How a run is to be run."""

    tags: tuple[str, ...] = ()
    user: str | None = None
    limits: Limits = Limits()
    isolation: str = "fork"
    async_workers: int = 1
    home: str = ""
    """The store's directory."""


@record
class Plan:
    """A run that is ready to be driven."""

    request: RunRequest
    run: int | None = None
    """The run to go on with. None: a new one."""
    living: Mapping[int, str] = field(default_factory=dict[int, str])
    """Step by task, of tasks that exist already."""


def plan_new(flow: type | str | os.PathLike[str], params: Mapping[str, Any], asked: Asked) -> Plan:
    """Plan a new run.

    Args:
        flow: The flow's class, or its file: `flow.py`, `flow.py:Class`.
        params: Values of its parameters, by name.
        asked: How.

    Raises:
        UserError: The flow, a parameter or a resource is wrong; says what and where.
    """
    from asyncflow.flow.options import resolve_parameters
    from asyncflow.users import user_name

    flow_class, file = _chosen(flow)
    graph = _checked(flow_class)
    user = asked.user or user_name()
    values = resolve_parameters(flow_class, params, user=user)
    project = branch_of(flow_class, user=user)
    request = _request(flow_class, file, graph, asked, user=user, parameters=values, project=project)
    return Plan(request=request)


def plan_resume(
    home: str, run: int, flow: type | str | os.PathLike[str] | None, step: str | None, asked: Asked
) -> Plan:
    """Plan to go on with a run: under its own id if it was interrupted, else a new one that takes over its work.

    Args:
        home: The store's directory.
        run: Its id.
        flow: The flow as it is now. None: the file it was run from.
        step: A step that is to run again with all that comes after it. None: what has not succeeded.
        asked: How; limits other than slots are the run's own.

    Raises:
        UserError: There is no such run, step or flow.
        RunIsElsewhere: The run's driver lives.
        StoreError: The store cannot be read.
    """
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import LIVING
    from asyncflow.runtime.description import recorded_origin, recorded_project
    from asyncflow.runtime.resuming import created_event, origin_parameters, resumption_of
    from asyncflow.store.layout import DATABASE
    from asyncflow.users import user_name

    with Reader(os.path.join(home, DATABASE)) as reader:
        row = reader.run(run)
        if row is None:
            raise EngineError(f"There is no run {run} in {home}", hint="See those there are: asyncflow runs")
        created = created_event(reader, run)
        flow_class, file = _chosen(flow if flow is not None else _recorded_flow(created.meta))
        graph = _checked(flow_class)
        if step is not None and step not in graph.steps:
            raise EngineError(
                f"Flow {graph.name} has no step '{step}'", hint=f"Its steps are {', '.join(graph.steps)}."
            )
        resumption = resumption_of(reader, row, created, graph.to_machine(), step=step)
    in_place = resumption.in_place
    request = _request(
        flow_class,
        file,
        graph,
        asked,
        user=row.user if in_place else asked.user or user_name(),
        parameters={} if in_place else origin_parameters(home, run, flow_class),
        origin_run=row.origin_run if in_place else run,
        rerun_steps=resumption.rerun_steps,
        clones=resumption.clones,
        project=recorded_project(json.loads(row.meta)),
        kept=recorded_origin(json.loads(row.meta), in_place=in_place),
    )
    living = {task.task: task.step for task in resumption.tasks if task.status in LIVING}
    return Plan(request=request, run=run if in_place else None, living=living)


def _recorded_flow(meta: Mapping[str, Any]) -> str:
    file, name = meta.get("flow_file"), meta.get("class")
    if not isinstance(file, str):
        raise EngineError("It is not recorded where the flow of this run is", hint="Give it: flow=...")
    return f"{file}:{name}" if isinstance(name, str) else file


def _chosen(flow: type | str | os.PathLike[str]) -> tuple[type, str]:
    """Return the flow's class and its file."""
    if not isinstance(flow, type):
        from asyncflow.flow.load import load_flow

        path = os.fspath(flow)
        head, colon, tail = path.rpartition(":")
        if colon and tail.isidentifier() and not os.path.exists(path):
            return load_flow(head, tail), os.path.abspath(head)
        return load_flow(path), os.path.abspath(path)
    from asyncflow.flow.spec import FlowSpec

    if not issubclass(flow, FlowSpec) or flow is FlowSpec:
        raise EngineError(f"{flow.__name__} is no flow", hint="Derive it from asyncflow.FlowSpec.")
    module = sys.modules.get(flow.__module__)
    file = getattr(module, "__file__", None)
    if not file or not os.path.isfile(file):
        raise EngineError(
            f"Flow {flow.__name__} is not defined in a file, so no other process can import it",
            hint="Put it in a file. From a notebook's cell: asyncflow.NBRunner.",
        )
    return flow, os.path.abspath(file)


def _checked(flow_class: type) -> FlowGraph:
    from asyncflow.flow.ability import check_ability
    from asyncflow.flow.lint import check
    from asyncflow.flow.parse import parse_flow

    graph = parse_flow(flow_class)
    check(graph)
    check_ability(graph)
    return graph


def _request(
    flow_class: type,
    file: str,
    graph: FlowGraph,
    asked: Asked,
    *,
    user: str,
    parameters: Mapping[str, object],
    project: ProjectBranch | None,
    kept: Mapping[str, Any] | None = None,  # Any: JSON-like
    **more: Any,  # Any: what a resumed run has besides
) -> RunRequest:
    from asyncflow.flow.parameters import constants_of
    from asyncflow.runtime.description import describe_run

    return RunRequest(
        flow=flow_class,
        flow_file=file,
        graph=graph.to_machine(),
        parameters=parameters,
        constants=constants_of(flow_class),
        graph_info=graph.to_info(),
        limits=_with_this_machine(asked.limits),
        user=user,
        tags=_checked_tags(asked.tags),
        meta={
            **describe_run(
                flow_class,
                file,
                argv=_EMBEDDED,
                isolation=asked.isolation,
                async_workers=asked.async_workers,
                project=project,
            ),
            **(kept or {}),
        },
        environment=graph.environment(),
        isolation=asked.isolation,
        async_workers=asked.async_workers,
        **_places(graph, asked.home),
        **more,
    )


def _places(graph: FlowGraph, home: str) -> dict[str, Any]:  # Any: arguments of RunRequest by name
    if all(info.place is None for info in graph.steps.values()):
        return {}
    from asyncflow.runtime.places import gangs_of, places_of  # only for flows that have such steps

    return {"places": places_of(graph, home, {}), "gangs": gangs_of(graph)}


def _with_this_machine(limits: Limits) -> Limits:
    from asyncflow.backends.local.capacity import cpu_count, gpu_count, memory_mb

    return limits._replace(cpu=cpu_count(), memory_mb=memory_mb(), gpu=gpu_count())


def _checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise EngineError(f"tags={tags!r} is one text", hint=f"Give a list: tags=[{tags!r}]")
    for tag in tags:
        if not tag.strip() or len(tag) > _LONGEST_TAG:
            raise EngineError(f"{tag!r:.50} is no tag", hint=f"A tag has 1 to {_LONGEST_TAG} characters.")
    return tuple(dict.fromkeys(tags))


_LONGEST_TAG = 500
