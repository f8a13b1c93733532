"""The shape of a flow as the machine needs it: steps, how each hands on, and what to do when one fails."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from asyncflow.records import field, record

__all__ = ["Graph", "Permit", "Pool", "Resources", "RetryPolicy", "StepNode", "Transition"]


class Transition(StrEnum):
    """How a step hands on to the next."""

    LINEAR = "linear"
    """One next step."""
    SPLIT = "split"
    """Several next steps, all of them run; opens a scope as wide as there are branches."""
    FOREACH = "foreach"
    """One next step, once per item; the worker reports the width."""
    PARALLEL = "parallel"
    """One next step as a gang of `num_parallel` tasks that run at the same time."""
    SWITCH = "switch"
    """One of several next steps; the worker reports which. May name itself (recursion)."""
    END = "end"
    """No next step."""


class Pool(StrEnum):
    """What kind of slot an attempt takes."""

    PROCESS = "process"
    """A process of its own on this machine."""
    ASYNC = "async"
    """A coroutine on the event loop of a worker."""
    REMOTE = "remote"
    """A job on another platform."""


@record
class RetryPolicy:
    """When and how often a failed attempt is tried again."""

    times: int = 0
    """Tries after the first."""
    delay_s: float = 0.0
    """Wait before the first retry, seconds."""
    backoff: float = 1.0
    """Factor by which the wait grows from one retry to the next."""
    max_delay_s: float | None = None
    """Longest wait before it is spread by `jitter`, seconds. None means no bound."""
    jitter: float = 0.0
    """Share of the wait, 0..1, that is spread (deterministically, by task and attempt) to keep retries apart."""
    on: tuple[str, ...] = ()
    """Dotted names of exception classes worth a retry (subclasses count). Empty means every failure."""
    memory_factor: float = 1.0
    """By how much the memory that a remote attempt asks for grows with each attempt that ran out of it."""


@record
class Resources:
    """What one task of a step takes from the machine. None means it was not declared and is not counted."""

    cpu: float | None = None
    """Cores."""
    memory_mb: float | None = None
    gpu: float | None = None


class Permit(NamedTuple):
    """What one attempt of a step must be given before it may start; shared by all runs on this machine."""

    key: str
    """Whatever shares the limit says the same key."""
    limit: int
    """How many attempts at a time, or how many starts per window."""
    per_s: float | None = None
    """Length of the window, seconds. None: attempts at a time are counted, not starts."""

    @property
    def id(self) -> str:
        """Names the limit: a key may have one for attempts at a time, and one per length of window."""
        return f"concurrency:{self.key}" if self.per_s is None else f"rate:{self.per_s:g}:{self.key}"


@record
class StepNode:
    """One step."""

    name: str
    transition: Transition
    next: tuple[str, ...] = ()
    """Target steps, in the order written in `self.next`. Distinct for a switch."""
    closes: str | None = None
    """The split step whose scope this join closes. None: not a join."""
    retry: RetryPolicy = RetryPolicy()
    catches: bool = False
    """Has @catch: when retries are used up, the worker turns the failure into a value."""
    timeout_s: float | None = None
    """@timeout, seconds. None: no limit."""
    resources: Resources = Resources()
    permits: tuple[Permit, ...] = ()
    """What each attempt needs beside a slot: @concurrency, @rate_limit."""
    is_async: bool = False
    """A coroutine that shares a worker's event loop: it takes an async slot, not a process."""
    is_remote: bool = False
    """Runs on another platform: it takes a remote slot, whatever kind it is of, and nothing of this machine."""

    @property
    def pool(self) -> Pool:
        """What kind of slot its attempts take."""
        if self.is_remote:
            return Pool.REMOTE
        return Pool.ASYNC if self.is_async else Pool.PROCESS


@record
class Graph:
    """A flow's steps, checked: every target exists, every split has one join, only switches loop."""

    flow: str
    start: str
    end: str
    steps: Mapping[str, StepNode] = field(default_factory=dict[str, StepNode])
    """By name, in topological order as far as there is one (start first)."""

    def join_of(self, split: str) -> str:
        """Return the name of the join that closes the scopes `split` opens. Raises KeyError if there is none."""
        for node in self.steps.values():
            if node.closes == split:
                return node.name
        raise KeyError(split)

    def descendants(self, step: str) -> tuple[str, ...]:
        """Return every step that can run after `step`, in graph order, `step` excluded unless it loops."""
        seen: dict[str, None] = {}
        todo = list(self.steps[step].next)
        while todo:
            name = todo.pop()
            if name not in seen:
                seen[name] = None
                todo.extend(self.steps[name].next)
        return tuple(name for name in self.steps if name in seen)

    def to_data(self) -> dict[str, Any]:  # Any: JSON-like, for the codec
        """Return the graph as plain lists, dicts and scalars, for the event log."""
        return {
            "flow": self.flow,
            "start": self.start,
            "end": self.end,
            "steps": [_node_to_data(node) for node in self.steps.values()],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Graph:  # Any: JSON-like, from the codec
        """Rebuild a graph from `to_data`; keys it does not know are skipped."""
        nodes = [_node_from_data(item) for item in data["steps"]]
        return cls(
            flow=data["flow"], start=data["start"], end=data["end"], steps={node.name: node for node in nodes}
        )


def _node_to_data(node: StepNode) -> dict[str, Any]:
    retry, needs = node.retry, node.resources
    return {
        "name": node.name,
        "transition": str(node.transition),
        "next": list(node.next),
        "closes": node.closes,
        "catches": node.catches,
        "timeout_s": node.timeout_s,
        "retry": {
            "times": retry.times,
            "delay_s": retry.delay_s,
            "backoff": retry.backoff,
            "max_delay_s": retry.max_delay_s,
            "jitter": retry.jitter,
            "on": list(retry.on),
            "memory_factor": retry.memory_factor,
        },
        "resources": {"cpu": needs.cpu, "memory_mb": needs.memory_mb, "gpu": needs.gpu},
        "permits": [list(permit) for permit in node.permits],
        "is_async": node.is_async,
        "is_remote": node.is_remote,
    }


def _node_from_data(data: Mapping[str, Any]) -> StepNode:
    retry, needs = data["retry"], data["resources"]
    return StepNode(
        name=data["name"],
        transition=Transition(data["transition"]),
        next=tuple(data["next"]),
        closes=data["closes"],
        catches=data["catches"],
        timeout_s=data["timeout_s"],
        retry=RetryPolicy(
            times=retry["times"],
            delay_s=retry["delay_s"],
            backoff=retry["backoff"],
            max_delay_s=retry["max_delay_s"],
            jitter=retry["jitter"],
            on=tuple(retry["on"]),
            memory_factor=retry.get("memory_factor", 1.0),
        ),
        resources=Resources(cpu=needs["cpu"], memory_mb=needs["memory_mb"], gpu=needs["gpu"]),
        permits=tuple(Permit(*item[:3]) for item in data.get("permits", ())),
        is_async=data.get("is_async", False),
        is_remote=data.get("is_remote", False),
    )
