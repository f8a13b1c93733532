"""Runs one step of a flow in the process of the test, with the artifacts it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread

from asyncflow.errors import UserError
from asyncflow.flow.graph import FlowGraph, StepInfo
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import Failed
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import FrameRecord, Manifest
from asyncflow.testing.results import StepResult, result_of
from asyncflow.testing.scratch import RUN, run_spec, scratch_store
from asyncflow.worker.attempt import prepare
from asyncflow.worker.binding import Origins
from asyncflow.worker.spec import TaskSpec

__all__ = ["run_step", "run_step_sync"]

_TASK = 1_000_000
"""Number of the task under test; those it starts from are below."""
_Artifacts = Mapping[str, object]
_Inputs = _Artifacts | Sequence[_Artifacts] | Mapping[str, _Artifacts]
_NOTHING: Any = object()


async def run_step(
    step: Callable[..., object],
    *,
    inputs: _Inputs | None = None,
    params: _Artifacts | None = None,
    item: object = _NOTHING,
    index: int | None = None,
    flow: type[FlowSpec] | None = None,
    retry_count: int = 0,
    tags: Sequence[str] = (),
) -> StepResult:
    """Run one step as a task would; return what it left and where it goes on to.

    The step runs in a thread, so a coroutine or a blocking function will do. What it raises is raised here: @retry,
    @catch and @timeout are left out. Artifacts pass through the serializers, so one that cannot be stored fails here.

    Args:
        step: `MyFlow.train`.
        inputs: The artifacts it begins with, by name. For a join, one such mapping per branch: a list, or by the name
            of the step a branch comes from.
        params: Values of the flow's parameters; the others have their defaults.
        item: `self.input`, for a step of a foreach.
        index: `self.index`, for a step of a foreach; 0 if only `item` is given.
        flow: The flow's class, where `step` does not tell: it is inherited, or defined in a function.
        retry_count: `current.retry_count`.
        tags: `current.tags`.

    Raises:
        UserError: The flow is not valid, there is no such step, or `inputs` do not fit it.
    """

    def work() -> StepResult:
        return _run(
            step,
            inputs,
            params=params or {},
            item=item,
            index=index,
            flow=flow,
            retry_count=retry_count,
            tags=tuple(tags),
        )

    return await anyio.to_thread.run_sync(work)


def run_step_sync(
    step: Callable[..., object],
    *,
    inputs: _Inputs | None = None,
    params: _Artifacts | None = None,
    item: object = _NOTHING,
    index: int | None = None,
    flow: type[FlowSpec] | None = None,
    retry_count: int = 0,
    tags: Sequence[str] = (),
) -> StepResult:
    """Run one step in this thread; see `run_step`. Not inside a running event loop if the step is a coroutine."""
    return _run(
        step,
        inputs,
        params=params or {},
        item=item,
        index=index,
        flow=flow,
        retry_count=retry_count,
        tags=tuple(tags),
    )


def _run(
    step: Callable[..., object],
    inputs: _Inputs | None,
    *,
    params: _Artifacts,
    item: object,
    index: int | None,
    flow: type[FlowSpec] | None,
    retry_count: int,
    tags: tuple[str, ...],
) -> StepResult:
    flow_class = flow or _flow_of(step)
    graph = parse_flow(flow_class)
    info = graph.steps.get(step.__name__)
    if info is None:
        raise UserError(
            f"{flow_class.__name__} has no step '{step.__name__}'", hint=f"It has {', '.join(graph.steps)}."
        )
    with scratch_store() as store:
        run = run_spec(flow_class, store, params, tags)
        world = _World(store, graph, run.parameters)
        if info.is_join:
            spec = world.join(info, inputs, retry_count)
        else:
            spec = world.plain(info, inputs, item, index=index, retry_count=retry_count)
        attempt = prepare(flow_class, run, spec, Origins(store))
        outcome = attempt.run()
        if attempt.error is not None:
            raise attempt.error
        if isinstance(outcome, Failed):
            raise UserError(f"{outcome.error.type}: {outcome.error.message}")
        return result_of(store, ManifestKey(RUN, *spec.attempt))


class _World:
    """What a task starts from, written as the tasks before it would have left it."""

    def __init__(self, store: LocalStore, graph: FlowGraph, parameters: ManifestKey) -> None:
        self._store = store
        self._graph = graph
        self._begun = store.read_manifest(*parameters).artifacts
        self._written = 0

    def plain(
        self, info: StepInfo, inputs: _Inputs | None, item: object, *, index: int | None, retry_count: int
    ) -> TaskSpec:
        """Return the spec of a step that is no join."""
        if inputs is not None and not isinstance(inputs, Mapping):
            raise UserError(f"Step {info.name} is no join: `inputs` is one mapping of artifacts by name")
        split = next(
            (one for one in self._graph.steps.values() if info.name in one.targets and one.opens), None
        )
        is_branch = item is not _NOTHING or index is not None
        position = (index or 0) if is_branch else None
        fields: dict[str, Any] = {}
        if is_branch:
            values = [None] * (position or 0) + [None if item is _NOTHING else item]
            items = self._store.write_items(values)
            fields = {"width": items.width, "items": items, "variable": "items"}
        before = split.name if split is not None else next(iter(self._before(info)), "_parameters")
        key = self._leave(before, inputs or {}, **fields)
        return TaskSpec(
            run=RUN,
            attempt=Attempt(_TASK, retry_count),
            step=info.name,
            inputs=(key,),
            index=position,
            width=fields.get("width"),
        )

    def join(self, info: StepInfo, inputs: _Inputs | None, retry_count: int) -> TaskSpec:
        """Return the spec of a join."""
        branches = list(self._branches(info, inputs))
        variable = None if len(self._before(info)) > 1 else "items"
        split = self._leave("split", {}, width=len(branches), variable=variable)
        keys = [
            self._leave(step, artifacts, frames=(FrameRecord("split", variable, index, len(branches)),))
            for index, (step, artifacts) in enumerate(branches)
        ]
        attempt = Attempt(_TASK, retry_count)
        return TaskSpec(run=RUN, attempt=attempt, step=info.name, inputs=keys, split=split)

    def _branches(self, info: StepInfo, inputs: _Inputs | None) -> list[tuple[str, _Artifacts]]:
        before = self._before(info)
        if isinstance(inputs, Mapping):
            unknown = [name for name in inputs if name not in before]
            if unknown:
                raise UserError(
                    f"No branch of join {info.name} comes from a step '{unknown[0]}'",
                    hint=f"They come from {', '.join(before)}. A list of mappings will do, too.",
                )
            return [(str(name), _as_artifacts(inputs[name])) for name in before if name in inputs]
        if inputs is None:
            raise UserError(f"Step {info.name} is a join: give `inputs`, a mapping of artifacts per branch")
        names = before if len(before) == len(inputs) else [before[0]] * len(inputs)
        return [(name, _as_artifacts(one)) for name, one in zip(names, inputs, strict=True)]

    def _before(self, info: StepInfo) -> list[str]:
        return [one.name for one in self._graph.steps.values() if info.name in one.targets]

    def _leave(
        self, step: str, artifacts: _Artifacts, **fields: Any
    ) -> ManifestKey:  # Any: fields of a manifest
        self._written += 1
        records = {name: self._store.dump(value, name=name) for name, value in artifacts.items()}
        self._store.write_manifest(
            Manifest(
                flow=self._graph.name,
                run=RUN,
                step=step,
                task=self._written,
                attempt=0,
                is_ok=True,
                artifacts={**self._begun, **records},
                **fields,
            )
        )
        return ManifestKey(RUN, self._written, 0)


def _as_artifacts(branch: object) -> _Artifacts:
    if isinstance(branch, StepResult):
        return branch.artifacts
    if isinstance(branch, Mapping):
        return branch  # pyright: ignore[reportUnknownVariableType] - the user's
    raise UserError(f"A branch's artifacts are a mapping by name, and no {type(branch).__name__}")


def _flow_of(step: Callable[..., object]) -> type[FlowSpec]:
    """Return the class a step is written in. Raises UserError if that cannot be told."""
    found: object = sys.modules.get(getattr(step, "__module__", ""))
    for name in getattr(step, "__qualname__", "").split(".")[:-1]:
        found = getattr(found, name, None)
    if isinstance(found, type) and issubclass(found, FlowSpec):
        return found
    raise UserError(
        f"Of which flow {step!r:.100} is a step cannot be told",
        hint="Say it: run_step(MyFlow.train, flow=MyFlow)",
    )
