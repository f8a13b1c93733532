"""What a resume does: go on under the run's own id, or take over its work in a new run. Decided by what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from asyncflow.errors import RunIsElsewhere, StoreError
from asyncflow.events.reader import INTERRUPTED, Reader
from asyncflow.events.rows import RunRow, TaskRow
from asyncflow.machine.events import RunCreated
from asyncflow.machine.graph import Graph
from asyncflow.machine.ids import PARAMETERS_TASK
from asyncflow.machine.state import CloneKey, CloneSource
from asyncflow.records import record
from asyncflow.runtime.cloning import clone_sources, has_same_shape, rerun_closure

if TYPE_CHECKING:
    from asyncflow.flow.given_configs import GivenConfigs

__all__ = ["Resumption", "created_event", "origin_configs", "origin_parameters", "resumption_of"]


@record
class Resumption:
    """How a run is resumed."""

    in_place: bool
    """Under the run's own id; else as a new run."""
    rerun_steps: tuple[str, ...]
    clones: Mapping[CloneKey, CloneSource]
    tasks: Sequence[TaskRow]
    """The run's own."""
    note: str = ""
    """Why it is not done in the obvious way; empty when it is."""


def created_event(reader: Reader, run: int) -> RunCreated:
    """Return how a run began. Raises StoreError if its log does not say."""
    for _, event in reader.events(run):
        if isinstance(event, RunCreated):
            return event
        break
    raise StoreError(
        f"The log of run {run} does not say how it began", hint="See what is there: asyncflow doctor"
    )


def resumption_of(
    reader: Reader, row: RunRow, created: RunCreated, graph: Graph, *, step: str | None = None
) -> Resumption:
    """Decide how a run is resumed with the flow as it is now.

    Args:
        reader: The store's.
        row: The run.
        created: How it began.
        graph: The flow's graph as it is now.
        step: A step of it that is to run again, with all that comes after it. None: what has not succeeded.

    Raises:
        RunIsElsewhere: A living process drives the run.
        StoreError: The store cannot be read.
    """
    if row.status == "running":
        raise RunIsElsewhere(
            f"Run {row.run} is running",
            hint=f"Watch it: asyncflow logs {row.run} --follow. Stop it: asyncflow cancel {row.run}",
        )
    tasks = reader.tasks(row.run)
    in_place, note = row.status == INTERRUPTED, ""
    if in_place and step is not None:
        in_place, note = False, f"steps of run {row.run} are to run again"
    elif in_place and not has_same_shape(Graph.from_data(created.graph), graph):
        in_place, note = False, "the flow's graph has changed"
    if not in_place:
        rerun = () if step is None else rerun_closure(graph, step)
        clones = clone_sources(tasks, graph, rerun)
    else:
        rerun = created.rerun_steps
        origin = None if row.origin_run is None else reader.tasks(row.origin_run)
        clones = {} if origin is None else clone_sources(origin, graph, rerun)
    return Resumption(in_place=in_place, rerun_steps=tuple(rerun), clones=clones, tasks=tasks, note=note)


def origin_configs(home: str, run: int, meta: Mapping[str, Any]) -> GivenConfigs:  # Any: JSON-like
    """Return the configs a run had, for the flow's file that is imported again. Blocks. Raises StoreError."""
    from asyncflow.flow.given_configs import Given, GivenConfigs
    from asyncflow.store.local import LocalStore

    names = meta.get("configs")
    if not isinstance(names, dict):
        return GivenConfigs()
    store = LocalStore(home)
    held = store.read_manifest(run, PARAMETERS_TASK, 0).artifacts
    return GivenConfigs(
        {
            str(option).lower(): Given(value=store.load(held[name], name=name), is_final=True)
            for name, option in cast("dict[str, str]", names).items()
            if name in held
        }
    )


def origin_parameters(home: str, run: int, flow_class: type) -> dict[str, object]:
    """Return the parameters a run had, by attribute; one that the flow did not have then gets its default.

    Blocks. Raises StoreError, or ParameterError if a new one has no default.
    """
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.include_file import IncludeFile
    from asyncflow.flow.options import resolve_parameters
    from asyncflow.flow.parameters import parameters_of
    from asyncflow.store.local import LocalStore

    store = LocalStore(home)
    held = store.read_manifest(run, PARAMETERS_TASK, 0).artifacts
    parameters = parameters_of(flow_class)
    names = (*parameters, *configs_of(flow_class))
    known = {name: store.load(held[name], name=name) for name in names if name in held}
    if len(known) == len(names):
        return known
    given = {
        name: value
        for name, value in known.items()
        if value is not None and name in parameters and not isinstance(parameters[name], IncludeFile)
    }
    return {**resolve_parameters(flow_class, given), **known}
