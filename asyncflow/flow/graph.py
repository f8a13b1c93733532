"""A flow's graph as read from its source: everything lint, the machine, `show`, and cards want to know of a step."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.flow.decorators.builtin import Catch, Environment, Resources, Retry, Timeout
from asyncflow.flow.decorators.limits import Concurrency, RateLimit
from asyncflow.flow.decorators.places import place_of
from asyncflow.machine import graph as machine
from asyncflow.machine.graph import Transition
from asyncflow.records import field, record

__all__ = ["Arrival", "FlowGraph", "NextProblem", "NodeType", "ProblemKind", "StepInfo", "node_type"]


class NodeType(StrEnum):
    """What kind of node a step is, in the words of the graph's JSON."""

    START = "start"
    LINEAR = "linear"
    SPLIT = "split-static"
    FOREACH = "split-foreach"
    PARALLEL = "split-parallel"
    SWITCH = "split-switch"
    JOIN = "join"
    END = "end"


_SPLIT_TYPES = {
    Transition.SPLIT: NodeType.SPLIT,
    Transition.FOREACH: NodeType.FOREACH,
    Transition.PARALLEL: NodeType.PARALLEL,
    Transition.SWITCH: NodeType.SWITCH,
}


class ProblemKind(StrEnum):
    """Why a step's last statement is no usable transition."""

    MISSING = "missing"
    """It is not a call of `self.next`."""
    SHAPE = "shape"
    """It is one, in a form nobody can read from the source."""
    SWITCH = "switch"
    """It is a switch without condition, without cases, or with too few."""


@record(kw_only=False)
class NextProblem:
    """What is wrong with a step's last statement."""

    kind: ProblemKind
    message: str


@record(kw_only=False)
class Arrival:
    """One edge of the graph, with the splits that are open on it."""

    source: str
    """The step it comes from."""
    splits: tuple[str, ...]
    """Names of the splits whose join is yet to come, outermost first."""


# eq=False, here and below: nobody compares graphs, and making the methods costs 1 ms of every start.
@record(eq=False)
class StepInfo:
    """One step as written."""

    name: str
    doc: str
    """Docstring, without indentation; empty if there is none."""
    file: str
    line: int
    """Line of `def`."""
    source: str
    """That line."""
    num_args: int
    """Arguments of the method, `self` included. Two make a join."""
    transition: Transition | None = None
    """None: the last statement cannot be used, see `problem`."""
    targets: tuple[str, ...] = ()
    """In the order written, each once."""
    next_line: int = 0
    """Line of `self.next`, or of the last statement."""
    next_source: str = ""
    """That line."""
    problem: NextProblem | None = None
    condition: str | None = None
    """Attribute that picks the case of a switch."""
    cases: Mapping[Any, str] = field(default_factory=dict[Any, str])  # Any: literal constants
    """Target by case of a switch."""
    foreach: str | None = None
    """Attribute a foreach iterates over."""
    num_parallel: int | None = None
    """Size of a gang where it is written as a number; None where it is computed."""
    closes: str | None = None
    """For a join: the split it closes."""
    decorators: tuple[StepDecorator, ...] = ()
    is_start: bool = False
    """Annotated with `@step(start=True)`."""
    is_end: bool = False
    """Annotated with `@step(end=True)`."""
    is_deferred: bool = False
    """The method has a `yield`, so that calling it runs nothing."""
    is_async: bool = False
    """The method is `async def`, and shares a worker's event loop with others."""
    node_info: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: the user's
    type: NodeType = NodeType.LINEAR

    @property
    def is_join(self) -> bool:
        """The step takes `inputs`."""
        return self.num_args == 2

    @property
    def opens(self) -> bool:
        """The step opens a scope that a join has to close."""
        return self.transition in (Transition.SPLIT, Transition.FOREACH, Transition.PARALLEL)

    @property
    def where(self) -> str:
        """`file:line` of the step's `def`."""
        return f"{self.file}:{self.line}"

    @property
    def next_where(self) -> str:
        """`file:line` of its `self.next`."""
        return f"{self.file}:{self.next_line or self.line}"

    @property
    def place(self) -> StepDecorator | None:
        """The decorator that says where the step runs; None: on this machine. Raises DuplicateDecoratorError."""
        return place_of(self.decorators, step=self.name, where=self.where)

    def decorator(self, kind: type[Any]) -> Any:  # Any: an instance of kind, or None
        """Return the step's decorator of this class, or None."""
        return next((item for item in self.decorators if isinstance(item, kind)), None)


@record(eq=False)
class FlowGraph:
    """A flow's steps and how they hang together. May be wrong: `lint.check` tells."""

    name: str
    doc: str
    file: str
    line: int
    """Line of `class`."""
    steps: dict[str, StepInfo]
    """In topological order as far as there is one, start first, unreachable steps last."""
    starts: tuple[str, ...]
    """Steps that claim to be the start: exactly one in a good graph."""
    ends: tuple[str, ...]
    arrivals: Mapping[str, tuple[Arrival, ...]]
    """Edges into each step that can be reached, in the order found."""
    flow_class: type

    @property
    def start(self) -> str:
        """Name of the first step; empty if the graph has none."""
        return self.starts[0] if self.starts else ""

    @property
    def end(self) -> str:
        """Name of the last step; empty if the graph has none."""
        return self.ends[0] if self.ends else ""

    @property
    def where(self) -> str:
        """`file:line` of the class."""
        return f"{self.file}:{self.line}"

    def environment(self) -> dict[str, dict[str, str]]:
        """Return the environment variables of @environment, by step, for the worker."""
        return {
            info.name: dict(found.vars)
            for info in self.steps.values()
            if (found := info.decorator(Environment)) is not None
        }

    def to_machine(self) -> machine.Graph:
        """Return what the machine needs of the graph. The graph must have passed `lint.check`."""
        return machine.Graph(
            flow=self.name,
            start=self.start,
            end=self.end,
            steps={name: _node(self.name, info) for name, info in self.steps.items()},
        )

    def to_info(self) -> dict[str, Any]:  # Any: JSON-like
        """Return the graph as plain data, as stored with a run and shown by `graph --json`."""
        from asyncflow.flow.info import graph_info  # readers only

        return graph_info(self)


def _node(flow: str, info: StepInfo) -> machine.StepNode:
    retry, timeout = info.decorator(Retry), info.decorator(Timeout)
    resources = info.decorator(Resources)
    is_remote = info.place is not None
    return machine.StepNode(
        name=info.name,
        transition=info.transition or Transition.END,
        next=info.targets,
        closes=info.closes,
        retry=machine.RetryPolicy() if retry is None else retry.policy(is_remote=is_remote),
        catches=info.decorator(Catch) is not None,
        timeout_s=None if timeout is None else timeout.timeout_s,
        resources=machine.Resources() if resources is None or is_remote else resources.counted(),
        permits=tuple(
            item.permit(flow, info.name)
            for item in info.decorators
            if isinstance(item, Concurrency | RateLimit)
        ),
        is_async=info.is_async,
        is_remote=is_remote,
    )


def node_type(info: StepInfo, *, is_start: bool) -> NodeType:
    """Return what kind of node a step is."""
    if info.transition is Transition.END:
        return NodeType.END
    if info.transition is not None and info.transition in _SPLIT_TYPES:
        return _SPLIT_TYPES[info.transition]
    if info.is_join:
        return NodeType.JOIN
    return NodeType.START if is_start else NodeType.LINEAR
