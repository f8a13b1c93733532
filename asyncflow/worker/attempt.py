"""One attempt of one task, in this process: from the parents' manifests to its own.

In the order of things: read the manifests it starts from, make the flow object, run the user's step under its
`@timeout`, see where it hands on, store what was set on `self`, and as the last act write the manifest. Any failure of
the user's code becomes a value: what was set before is stored all the same, and `@catch` may take it.

It runs in a freshly forked process for every task, so what is imported here is what every task needs, and is loaded
once, before the fork (zstandard alone would cost each task 3 ms).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import Any

import zstandard  # noqa: F401 # pyright: ignore[reportUnusedImport] - used by the store; loaded before the fork

from asyncflow.errors import AsyncflowError, StoreError
from asyncflow.flow.decorators.builtin import Catch
from asyncflow.flow.failure import CaughtFailure
from asyncflow.flow.graph import StepInfo
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import artifacts_of
from asyncflow.machine.outcome import ErrorInfo, Failed, Outcome, Succeeded
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.worker.binding import Binding, bind
from asyncflow.worker.problems import info_of, record_of
from asyncflow.worker.report import artifact_refs
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.surroundings import gangs_of, parameter_names_of, surroundings
from asyncflow.worker.timeout import time_limit
from asyncflow.worker.transition import Handover, SwitchError, handover_of, static_handover
from asyncflow.worker.usage import Meter

__all__ = ["preload", "run_attempt"]


def preload(flow_class: type) -> None:
    """Do once, before a zygote forks, what every attempt would do: read the graph, collect names."""
    parse_flow(flow_class)
    gangs_of(flow_class)
    parameter_names_of(flow_class)


def run_attempt(flow_class: type, run_spec: RunSpec, task_spec: TaskSpec, store: LocalStore) -> Outcome:
    """Run one attempt and leave its manifest; say how it ended.

    Never raises for a failure of the user's code or of the store. Returns `Failed` without a manifest only where none
    could be written, or the manifests it starts from cannot be read. Needs the main thread for `@timeout`.
    """
    meter = Meter()
    try:
        binding = bind(flow_class, task_spec, run_spec.parameters, store, gangs_of(flow_class))
        flow: Any = flow_class(use_cli=False)  # Any: a FlowSpec; its attributes are the user's
        flow._binding = binding
        attempt = _Attempt(
            flow=flow,
            binding=binding,
            info=parse_flow(flow_class).steps[task_spec.step],
            run_spec=run_spec,
            spec=task_spec,
            store=store,
            meter=meter,
        )
        with surroundings(flow_class, run_spec, task_spec):
            attempt.run()
            return attempt.leave_manifest(attempt.settle())
    except StoreError as error:
        told = info_of(error)
        _show(told)
        return Failed(error=told, usage=meter.read())


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """The attempt at hand: what it works with, and how the user's part of it ended."""

    flow: Any  # Any: a FlowSpec; its attributes are the user's
    binding: Binding
    info: StepInfo
    run_spec: RunSpec
    spec: TaskSpec
    store: LocalStore
    meter: Meter
    handover: Handover = field(default_factory=Handover)
    error: BaseException | None = None
    failure: ErrorInfo | None = None
    """The failure as recorded. None: there was none."""

    @property
    def is_caught(self) -> bool:
        """There was a failure, and @catch takes it."""
        return self.failure is not None and (self.spec.catches or self.spec.fallback is not None)

    def run(self) -> None:
        """Run the step and see where it hands on; a failure becomes a value."""
        if self.spec.fallback is not None:
            self.failure = self.spec.fallback
            self.handover = static_handover(self.info)
            return
        try:
            with time_limit(self.spec.timeout_s, self.info.name):
                step = getattr(self.flow, self.info.name)
                if self.binding.inputs is None:
                    step()
                else:
                    step(self.binding.inputs)
                self.handover = handover_of(self.flow, self.info, self.store)
        except BaseException as error:  # noqa: BLE001 - the user's step may raise anything, sys.exit() included
            self._fail(error)

    def settle(self) -> dict[str, ArtifactRecord]:
        """Store what the attempt set; an artifact that cannot be stored turns a success into a failure."""
        catch = self.info.decorator(Catch)
        variable = None if catch is None else catch.var
        if self.failure is None:
            if variable:
                self.flow.__dict__[variable] = None
            try:
                return self._stored()
            except AsyncflowError as error:
                self._fail(error)
        if variable and self.is_caught:
            self.flow.__dict__[variable] = self._caught_failure()
        return self._stored(is_lenient=True)

    def leave_manifest(self, artifacts: dict[str, ArtifactRecord]) -> Outcome:
        """Write the manifest and return the outcome it tells. Raises StoreError."""
        spec, handover, failure, usage = self.spec, self.handover, self.failure, self.meter.read()
        is_ok = failure is None or self.is_caught
        record = None if failure is None else record_of(failure)
        manifest = Manifest(
            flow=self.run_spec.flow,
            run=spec.run,
            step=spec.step,
            task=spec.attempt.task,
            attempt=spec.attempt.number,
            is_ok=is_ok,
            caught=record if is_ok else None,
            error=None if is_ok else record,
            artifacts=artifacts,
            frames=self.binding.frames,
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
        self.store.write_manifest(manifest)
        refs = artifact_refs(artifacts)
        if failure is not None and not is_ok:
            return Failed(error=failure, artifacts=refs, usage=usage)
        return Succeeded(
            width=handover.width, chosen=handover.chosen, caught=failure, artifacts=refs, usage=usage
        )

    def _fail(self, error: BaseException) -> None:
        told = info_of(error, is_retryable=False if isinstance(error, SwitchError) else None)
        if isinstance(error, SystemExit):
            told = told._replace(message=f"The step called sys.exit({error.code!r:.200})")
        self.error, self.failure = error, told
        self.handover = static_handover(self.info) if self.is_caught else Handover()
        catch = self.info.decorator(Catch)
        if not self.is_caught or catch is None or catch.print_exception:
            _show(told)

    def _caught_failure(self) -> CaughtFailure:
        failure = self.failure
        assert failure is not None
        return CaughtFailure(
            self.error,
            type=failure.type,
            stacktrace=failure.traceback or f"{failure.type}: {failure.message}",
        )

    def _stored(self, *, is_lenient: bool = False) -> dict[str, ArtifactRecord]:
        """Return the records of everything visible after the step: inherited, changed, new.

        Lenient, after a failure, means that what cannot be stored is left out.
        Otherwise raises UnpicklableArtifact or StoreError.
        """
        inherited = self.binding.inherited
        records = dict(inherited)
        for name, value in artifacts_of(self.flow).items():
            if name == self.handover.spent:
                records.pop(name, None)
                continue
            if self.binding.is_untouched(name, value):
                continue
            try:
                records[name] = self.store.dump(value, name=name, known=inherited.get(name))
            except AsyncflowError:
                if not is_lenient:
                    raise
        return self.store.fit_inline(records)


def _show(info: ErrorInfo) -> None:
    """Write a failure to the task's own stderr, where its log is."""
    try:
        sys.stdout.flush()
        sys.stderr.write(info.traceback)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # the user's code closed or replaced its streams; the manifest has the text
