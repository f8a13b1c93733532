"""One attempt of one task, in this process: from the parents' manifests to its own.

In the order of things: read the manifests it starts from, make the flow object, run the user's step under its
`@timeout`, see where it hands on, store what was set on `self`, and as the last act write the manifest. Any failure of
the user's code becomes a value: what was set before is stored all the same, and `@catch` may take it.

It runs in a freshly forked process for every task, so what is imported here is what every task needs, and is loaded
once, before the fork (zstandard alone would cost each task 3 ms).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import zstandard  # noqa: F401 - used by the store; loaded here for the sake of the fork

from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.flow.current import current
from asyncflow.flow.decorators.builtin import Catch
from asyncflow.flow.failure import CaughtFailure
from asyncflow.flow.graph import StepInfo
from asyncflow.flow.parameters import parameters_of
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import artifacts_of
from asyncflow.machine.graph import Transition
from asyncflow.machine.outcome import ErrorInfo, Failed, Outcome, Succeeded, Usage
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.worker.binding import Binding, bind
from asyncflow.worker.problems import info_of, record_of
from asyncflow.worker.report import artifact_refs
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.timeout import time_limit
from asyncflow.worker.transition import Handover, SwitchError, handover_of, static_handover

__all__ = ["preload", "run_attempt"]


@dataclass(slots=True)
class _Ending:
    """How the user's part of an attempt ended."""

    handover: Handover
    error: BaseException | None = None
    info: ErrorInfo | None = None
    """The failure as recorded. None: there was none."""
    is_caught: bool = False


def preload(flow_class: type) -> None:
    """Do once, before a zygote forks, what every attempt would do: read the graph, collect names."""
    parse_flow(flow_class)
    _gangs(flow_class)
    _parameter_names(flow_class)


def run_attempt(flow_class: type, run_spec: RunSpec, task_spec: TaskSpec, store: LocalStore) -> Outcome:
    """Run one attempt and leave its manifest; say how it ended.

    Never raises for a failure of the user's code or of the store. Returns `Failed` without a manifest only where none
    could be written, or the manifests it starts from cannot be read. Needs the main thread for `@timeout`.
    """
    started = _Started()
    info = parse_flow(flow_class).steps[task_spec.step]
    try:
        binding = bind(flow_class, task_spec, run_spec.parameters, store, _gangs(flow_class))
    except StoreError as error:
        _show(info_of(error))
        return Failed(error=info_of(error), usage=started.usage())
    flow = flow_class(use_cli=False)
    flow._binding = binding
    with _surroundings(flow_class, run_spec, task_spec):
        ending = _run(flow, info, task_spec, store)
        try:
            artifacts = _settle(flow, info, task_spec, store, ending)
            return _leave_manifest(run_spec, task_spec, store, binding, ending, artifacts, started)
        except StoreError as error:
            _show(info_of(error))
            return Failed(error=info_of(error), usage=started.usage())


def _run(flow: Any, info: StepInfo, spec: TaskSpec, store: LocalStore) -> _Ending:  # Any: a FlowSpec
    """Run the step and see where it hands on; a failure becomes a value."""
    if spec.fallback is not None:
        return _Ending(static_handover(info), info=spec.fallback, is_caught=True)
    try:
        with time_limit(spec.timeout_s, info.name):
            step = getattr(flow, info.name)
            if spec.split is None:
                step()
            else:
                step(flow._binding.inputs)
            return _Ending(handover_of(flow, info, store))
    except BaseException as error:  # noqa: BLE001 - the user's step may raise anything, sys.exit() included
        return _failed(error, info, spec)


def _failed(error: BaseException, info: StepInfo, spec: TaskSpec) -> _Ending:
    told = info_of(error, is_retryable=False if isinstance(error, SwitchError) else None)
    if isinstance(error, SystemExit):
        told = told._replace(message=f"The step called sys.exit({error.code!r:.200})")
    ending = _Ending(static_handover(info) if spec.catches else Handover(), error, told, spec.catches)
    catch = info.decorator(Catch)
    if not spec.catches or catch is None or catch.print_exception:
        _show(told)
    return ending


def _settle(
    flow: Any,  # Any: a FlowSpec
    info: StepInfo,
    spec: TaskSpec,
    store: LocalStore,
    ending: _Ending,
) -> dict[str, ArtifactRecord]:
    """Store what the attempt set; an artifact that cannot be stored turns a success into a failure."""
    catch = info.decorator(Catch)
    if ending.info is None:
        if catch is not None and catch.var:
            flow.__dict__[catch.var] = None
        try:
            return _stored(flow, store, ending.handover.spent)
        except AsyncflowError as error:
            failed = _failed(error, info, spec)
            ending.handover, ending.error = failed.handover, failed.error
            ending.info, ending.is_caught = failed.info, failed.is_caught
    if ending.is_caught and ending.info is not None and catch is not None and catch.var:
        flow.__dict__[catch.var] = CaughtFailure(
            ending.error, type=ending.info.type, stacktrace=ending.info.traceback or ending.info.message
        )
    return _stored(flow, store, ending.handover.spent, is_lenient=True)


def _stored(
    flow: Any,  # Any: a FlowSpec
    store: LocalStore,
    spent: str | None,
    *,
    is_lenient: bool = False,
) -> dict[str, ArtifactRecord]:
    """Return the records of everything visible after the step: inherited, changed, new.

    Lenient, after a failure, means that what cannot be stored is left out. Otherwise raises UnpicklableArtifact or
    StoreError.
    """
    binding: Binding = flow._binding
    records = dict(binding.inherited)
    for name, value in artifacts_of(flow).items():
        if name == spent:
            records.pop(name, None)
            continue
        if binding.is_untouched(name, value):
            continue
        try:
            records[name] = store.dump(value, name=name, known=binding.inherited.get(name))
        except AsyncflowError:
            if not is_lenient:
                raise
    return store.fit_inline(records)


def _leave_manifest(
    run_spec: RunSpec,
    spec: TaskSpec,
    store: LocalStore,
    binding: Binding,
    ending: _Ending,
    artifacts: dict[str, ArtifactRecord],
    started: _Started,
) -> Outcome:
    """Write the manifest and return the outcome it tells. Raises StoreError."""
    usage, handover = started.usage(), ending.handover
    told = None if ending.info is None else record_of(ending.info)
    is_ok = told is None or ending.is_caught
    store.write_manifest(
        Manifest(
            flow=run_spec.flow,
            run=spec.run,
            step=spec.step,
            task=spec.attempt.task,
            attempt=spec.attempt.number,
            is_ok=is_ok,
            caught=told if ending.is_caught else None,
            error=None if is_ok else told,
            artifacts=artifacts,
            frames=binding.frames,
            next=handover.next,
            width=handover.width,
            items=handover.items,
            variable=handover.variable,
            chosen=handover.chosen,
            iteration=spec.iteration,
            started_at=usage.started_at,
            ended_at=usage.ended_at,
            cpu_s=usage.cpu_s,
            max_rss_bytes=usage.max_rss_bytes,
            host=os.uname().nodename,
            pid=os.getpid(),
        )
    )
    refs = artifact_refs(artifacts)
    if ending.info is not None and not ending.is_caught:
        return Failed(error=ending.info, artifacts=refs, usage=usage)
    return Succeeded(
        width=handover.width, chosen=handover.chosen, caught=ending.info, artifacts=refs, usage=usage
    )


@contextmanager
def _surroundings(flow_class: type, run_spec: RunSpec, spec: TaskSpec) -> Iterator[None]:
    """Set the step's environment variables and `current` for the block."""
    variables = run_spec.environment.get(spec.step)
    before = dict(os.environ) if variables else None
    if variables:
        os.environ.update(variables)
    current._bind(
        flow_name=run_spec.flow,
        run_id=str(spec.run),
        step_name=spec.step,
        task_id=str(spec.attempt.task),
        retry_count=spec.attempt.number,
        origin_run_id=None if run_spec.origin_run is None else str(run_spec.origin_run),
        namespace=run_spec.namespace,
        username=run_spec.user,
        tags=frozenset(run_spec.tags),
        parameter_names=_parameter_names(flow_class),
        path=tuple(frame.index for frame in spec.frames),
        iteration=spec.iteration,
        graph=lambda: parse_flow(flow_class).to_info(),
    )
    try:
        yield
    finally:
        current._clear()
        if before is not None:
            os.environ.clear()
            os.environ.update(before)


class _Started:
    """When the attempt began, and what its process had used by then."""

    __slots__ = ("_at", "_cpu_s")

    def __init__(self) -> None:
        self._at = time.time()
        self._cpu_s = _cpu_s()

    def usage(self) -> Usage:
        """Return what was used since."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Usage(
            started_at=self._at,
            ended_at=time.time(),
            cpu_s=round(_cpu_s() - self._cpu_s, 6),
            max_rss_bytes=peak if sys.platform == "darwin" else peak * 1024,
        )


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of its children that ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@lru_cache(maxsize=8)
def _gangs(flow_class: type) -> frozenset[str]:
    """Return the steps that open a gang."""
    steps = parse_flow(flow_class).steps
    return frozenset(name for name, info in steps.items() if info.transition is Transition.PARALLEL)


@lru_cache(maxsize=8)
def _parameter_names(flow_class: type) -> tuple[str, ...]:
    return tuple(parameters_of(flow_class))


def _show(info: ErrorInfo) -> None:
    """Write a failure to the task's own stderr, where its log is."""
    try:
        sys.stdout.flush()
        sys.stderr.write(info.traceback)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # the user's code closed or replaced its streams; the manifest has the text
