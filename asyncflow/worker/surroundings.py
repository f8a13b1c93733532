"""What the user's code finds around it: `current`, and the step's environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from asyncflow.flow.config import configs_of
from asyncflow.flow.current import READS, current
from asyncflow.flow.decorators.builtin import Parallel
from asyncflow.flow.parameters import parameters_of
from asyncflow.flow.parse import parse_flow
from asyncflow.machine.graph import Transition
from asyncflow.settings import setting
from asyncflow.store.local import LocalStore
from asyncflow.store.reads import Given
from asyncflow.worker.asked import asked_of, look_in_namespace
from asyncflow.worker.binding import Binding
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.tracing import given_to

__all__ = ["Surroundings", "gangs_of", "parameter_names_of", "values_of"]


def values_of(
    flow_class: type, run_spec: RunSpec, spec: TaskSpec
) -> dict[str, Any]:  # Any: what `current` shows
    """Return what `current` shows in an attempt, by name; some of it as functions that make it."""
    is_gang = parse_flow(flow_class).steps[spec.step].decorator(Parallel) is not None
    values: dict[str, Any] = {
        "flow_name": run_spec.flow,
        "run_id": str(spec.run),
        "step_name": spec.step,
        "task_id": str(spec.attempt.task),
        "retry_count": spec.attempt.number,
        "origin_run_id": None if run_spec.origin_run is None else str(run_spec.origin_run),
        "namespace": run_spec.namespace,
        "username": run_spec.user,
        "tags": frozenset(run_spec.tags),
        "parameter_names": parameter_names_of(flow_class),
        "path": tuple(frame.index for frame in spec.frames),
        "iteration": spec.iteration,
        "tempdir": setting("TEMPDIR", "."),
        "graph": lambda: parse_flow(flow_class).to_info(),
        **run_spec.project,
        **asked_of(run_spec, spec, is_gang=is_gang),
    }
    if is_gang:
        values["is_parallel"] = True
    return values


class Surroundings:
    """Sets `current` and the step's environment variables, and takes them back."""

    __slots__ = ("_asked", "_before", "_flow_class", "_given", "_run_spec", "_spec", "_values", "_variables")

    def __init__(self, flow_class: type, run_spec: RunSpec, spec: TaskSpec) -> None:
        self._flow_class = flow_class
        self._variables = run_spec.environment.get(spec.step)
        self._before: dict[str, str] | None = None
        self._run_spec = run_spec
        self._spec = spec
        self._asked: dict[str, None] = {}
        self._given: list[str] = []
        self._values = {**values_of(flow_class, run_spec, spec), READS: self._asked}

    def enter(self) -> None:
        """Set them."""
        if self._variables:
            self._before = dict(os.environ)
            os.environ.update(self._variables)
        self.bind_current()

    def add(self, variables: Mapping[str, str]) -> None:
        """Set more environment variables."""
        if self._before is None:
            self._before = dict(os.environ)
        os.environ.update(variables)

    def give(self, name: str, value: object) -> None:
        """Let `current` show something more. What the step does with it makes no difference to @cache."""
        self._values[name] = value
        self._given.append(name)

    def bind_current(self) -> None:
        """Set `current`, and where the client looks; no environment variables."""
        if self._run_spec.looks_in_namespace:
            look_in_namespace(self._run_spec)
        current._bind(**self._values)  # pyright: ignore[reportPrivateUsage] - made for the worker

    def reads(self) -> list[str]:
        """Return what the step has asked of `current`; see `asyncflow.store.reads`."""
        return [f"current.{name}" for name in sorted(self._asked) if name not in self._given]

    def given(self, store: LocalStore, binding: Binding) -> Given:
        """Return what the task began with."""
        return given_to(store, binding, self._run_spec, self._spec, self._values, self._flow_class)

    def leave(self) -> None:
        """Take them back."""
        current._clear()  # pyright: ignore[reportPrivateUsage] - as above
        if self._before is not None:
            os.environ.clear()
            os.environ.update(self._before)


@lru_cache(maxsize=8)
def gangs_of(flow_class: type) -> frozenset[str]:
    """Return the steps that open a gang (`num_parallel`)."""
    steps = parse_flow(flow_class).steps
    return frozenset(name for name, info in steps.items() if info.transition is Transition.PARALLEL)


@lru_cache(maxsize=8)
def parameter_names_of(flow_class: type) -> tuple[str, ...]:
    """Return the attribute names of the flow's parameters and configs."""
    return (*parameters_of(flow_class), *configs_of(flow_class))
