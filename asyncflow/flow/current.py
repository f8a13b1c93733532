"""`current`: which run, step and task the code is in. Set by the worker; outside a task most of it is None."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

__all__ = ["READS", "Current", "Parallel", "current", "make_current_per_task"]

_OUTSIDE: dict[str, Any] = {
    "flow_name": None,
    "run_id": None,
    "step_name": None,
    "task_id": None,
    "retry_count": 0,
    "origin_run_id": None,
    "namespace": None,
    "is_parallel": False,
    "username": None,
    "tags": frozenset(),
    "tempdir": ".",
    "parameter_names": (),
    "path": (),
    "iteration": 0,
}
"""What is told outside a task; its keys are what the worker binds, besides `graph`."""

_ELSEWHERE = {
    "card": "the step has no @card",
    "parallel": "the step is no gang, or no flow is running",
    "task": "no flow is running",
    "run": "no flow is running",
    "trigger": "the run was not started by an event or another run",
    "project_name": "the flow has no @project",
    "branch_name": "the flow has no @project",
    "project_flow_name": "the flow has no @project",
    "is_user_branch": "the flow has no @project",
    "is_production": "the flow has no @project",
}

_MADE_WHEN_ASKED = ("task", "run", "parallel", "trigger")
"""Of these the worker binds a function that makes them: most tasks never ask."""


READS = "asyncflow reads"
"""What the worker binds under this name, a dictionary, gets the names of what was asked for. No attribute's name."""


class Parallel(NamedTuple):
    """`current.parallel`: where in its gang a task is."""

    main_ip: str
    num_nodes: int
    node_index: int
    control_task_id: str
    """The task with index 0."""


class Current:
    """What a task may know of where it runs. One object per process, `current`."""

    if TYPE_CHECKING:  # what editors complete; outside a task most are None
        flow_name: str
        run_id: str
        step_name: str
        task_id: str
        retry_count: int
        origin_run_id: str | None
        namespace: str | None
        username: str
        tags: frozenset[str]
        tempdir: str
        parameter_names: tuple[str, ...]
        path: tuple[int, ...]
        iteration: int
        card: Any
        parallel: Parallel
        task: Any
        run: Any
        trigger: Any
        project_name: str
        branch_name: str
        project_flow_name: str
        is_user_branch: bool
        is_production: bool

    def __init__(self) -> None:
        self._values: Mapping[str, Any] = {}

    def _bind(self, **values: Any) -> None:
        """Say where the process is. Called by the worker before the step; names are those of the properties.

        Besides them: `path`, the indices of the foreach and branch levels, outermost first, and `iteration`, how
        often a recursive step has come round; both make the `idempotency_key`.
        """
        self._values = values

    def _clear(self) -> None:
        """Forget everything: the process is in no task."""
        self._values = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        values = self._values
        reads = values.get(READS)
        if reads is not None:
            reads[name] = None
        if name in values:
            value = values[name]
            return value() if name in _MADE_WHEN_ASKED else value
        if name in _OUTSIDE:
            return _OUTSIDE[name]
        why = _ELSEWHERE.get(name, "there is no such attribute")
        raise AttributeError(f"current has no attribute '{name}': {why}", name=name)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._values if name != READS)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *_OUTSIDE, *self})

    def get(self, key: str, default: Any = None) -> Any:
        """Return an attribute's value, or the default where there is none."""
        try:
            return getattr(self, key, default)
        except RuntimeError:
            return default

    @property
    def is_running_flow(self) -> bool:
        """The code runs in a task of a flow."""
        return bool(self._values)

    @property
    def pathspec(self) -> str | None:
        """`Flow/run/step/task`; None outside a task."""
        if not self._values:
            return None
        return f"{self.flow_name}/{self.run_id}/{self.step_name}/{self.task_id}"

    @property
    def idempotency_key(self) -> str | None:
        """`run/step/path`: the same for every attempt of this task and for no other. None outside a task.

        Hand it to services that do a thing once per key (payments, job submissions), so that a retry is harmless.
        """
        if not self._values:
            return None
        path = ".".join(str(index) for index in self.path) or "-"
        turn = f"+{self.iteration}" if self.iteration else ""
        return f"{self.run_id}/{self.step_name}/{path}{turn}"

    @property
    def graph(self) -> Mapping[str, Any]:
        """The flow's graph as plain dictionaries and lists.

        Raises:
            RuntimeError: No flow is running.
        """
        reads, graph = self._values.get(READS), self._values.get("graph")
        if reads is not None:
            reads["graph"] = None
        if graph is None:
            raise RuntimeError("current.graph is there only while a flow runs")
        return graph if isinstance(graph, Mapping) else graph()


class _CurrentOfTask(Current):
    """`current` where tasks share a thread: each sees what was bound in its own context."""

    @property
    def _values(self) -> Mapping[str, Any]:
        return _VALUES_OF_TASK.get()

    @_values.setter
    def _values(self, values: Mapping[str, Any]) -> None:
        _VALUES_OF_TASK.set(values)


_NOTHING: Mapping[str, Any] = {}
_VALUES_OF_TASK: ContextVar[Mapping[str, Any]] = ContextVar("asyncflow_current", default=_NOTHING)


def make_current_per_task() -> None:
    """Let `current` depend on the context, in a process whose tasks share an event loop. For good."""
    current.__class__ = _CurrentOfTask


current = Current()
