"""A run as the dashboard shows it: a fold of its events. Memory follows the tasks that live, not those that ended.

A step is one row however many tasks it has: counts, times, the last durations. Who wants the tasks themselves pages
through the views.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from asyncflow.events.browser import Overview
from asyncflow.events.codec import Recorded
from asyncflow.machine import events as ev
from asyncflow.machine.graph import Graph, StepNode, Transition
from asyncflow.machine.outcome import ErrorInfo

__all__ = ["COUNTS", "Failure", "Living", "RunModel", "StepModel"]

COUNTS = ("created", "running", "waiting", "succeeded", "caught", "failed", "cancelled", "cloned")
"""Statuses of a task, in the words of the views."""

_GOOD = ("succeeded", "caught", "cloned")
_ENDED = (*_GOOD, "failed", "cancelled")
_TREND = 24
"""Durations a step remembers."""
_FAILURES = 50
"""Failed tasks the model remembers; the views have all."""


@dataclass(slots=True)
class Living:
    """A task that has not ended."""

    task: int
    step: str
    status: str = "created"
    attempt: int = -1
    since: float | None = None
    """When its attempt began."""
    pid: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed for good."""

    task: int
    step: str
    error: str
    at: float


@dataclass(slots=True)
class StepModel:
    """One step: all its tasks folded into one row."""

    name: str
    node: StepNode
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    opened: int = 0
    """Branches that its tasks opened."""
    chosen: str = ""
    """For a switch: the target taken last."""
    launched_at: float | None = None
    ended_at: float | None = None
    seconds: float = 0.0
    """Time its ended tasks took, added up."""
    longest_s: float = 0.0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=_TREND))
    retries: int = 0

    @property
    def tasks(self) -> int:
        """How many tasks exist."""
        return sum(self.counts.values())

    @property
    def good(self) -> int:
        """How many tasks have a result."""
        return sum(self.counts[name] for name in _GOOD)

    @property
    def ended(self) -> int:
        """How many tasks have ended."""
        return sum(self.counts[name] for name in _ENDED)

    @property
    def status(self) -> str:
        """One word for all: the most urgent thing that is true of one of its tasks."""
        counts = self.counts
        for name in ("failed", "running", "waiting", "created", "cancelled", "caught"):
            if counts[name]:
                return name
        if counts["succeeded"]:
            return "succeeded"
        return "cloned" if counts["cloned"] else "idle"

    def took(self, now: float) -> float | None:
        """Return the seconds from its first launch to its last end, or to now while a task lives."""
        if self.launched_at is None:
            return None
        is_living = self.counts["running"] or self.counts["waiting"]
        end = now if is_living or self.ended_at is None else self.ended_at
        return max(0.0, end - self.launched_at)


@dataclass(slots=True)
class RunModel:
    """One run. Begin with `created`, or with an overview; then fold the events that come after."""

    run: int
    flow: str = ""
    user: str = ""
    status: str = "running"
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    origin_run: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON-like
    tags: tuple[str, ...] = ()
    slots: int = 0
    stopping: str = ""
    """Why nothing new is launched: `failure`, `cancel`; empty while all is well."""
    stopped_by: str = ""
    next_seq: int = 0
    graph: Graph | None = None
    steps: dict[str, StepModel] = field(default_factory=dict[str, StepModel])
    """In graph order."""
    living: dict[int, Living] = field(default_factory=dict[int, Living])
    failures: list[Failure] = field(default_factory=list[Failure])
    last_event_at: float = 0.0

    def fold(self, numbered: Iterable[tuple[int, Recorded]]) -> int:
        """Take the run's next events; return how many. What was taken already, or is not known, changes nothing."""
        count = 0
        for number, event in numbered:
            if number < self.next_seq:
                continue
            self.next_seq = number + 1
            count += 1
            apply = self._APPLY.get(type(event))
            if apply is not None:
                apply(self, event)
                self.last_event_at = event.at  # pyright: ignore[reportAttributeAccessIssue] - known events have it
        return count

    def begin_at(self, overview: Overview) -> None:
        """Take over what the views know of the run, after its first event was folded."""
        row = overview.row
        self.status, self.stopping = row.status, row.stop_reason or ""
        self.started_at, self.ended_at = row.started_at, row.ended_at
        self.slots = int(json.loads(row.limits).get("slots") or self.slots)
        self.next_seq = row.next_seq
        for totals in overview.steps:
            step = self._step(totals.step)
            for name in COUNTS:
                step.counts[name] = getattr(totals, name)
            step.opened = totals.width
            step.launched_at, step.ended_at = totals.launched_at, totals.ended_at
            step.seconds, step.longest_s = totals.seconds, totals.longest_s
        for name, seconds in overview.durations:
            self._step(name).durations.append(seconds)
        self.living = {
            task.task: Living(
                task.task, task.step, task.status, task.attempt, task.since, task.pid, task.place or ""
            )
            for task in overview.living
        }

    def count(self, *statuses: str) -> int:
        """How many tasks are in one of these statuses."""
        return sum(step.counts[name] for step in self.steps.values() for name in statuses)

    @property
    def is_over(self) -> bool:
        """Nothing follows, unless the run is resumed."""
        return self.status != "running"

    @property
    def tasks(self) -> int:
        """How many tasks exist."""
        return sum(step.tasks for step in self.steps.values())

    def took(self, now: float) -> float:
        """Return the run's seconds so far, or in all."""
        end = self.ended_at
        if end is None:
            end = self.last_event_at or self.created_at if self.is_over else now
        return max(0.0, end - self.created_at)

    def expected(self) -> dict[str, int]:
        """Return how many tasks each step has or is known to get, by step."""
        found = {name: step.tasks for name, step in self.steps.items()}
        for name, step in self.steps.items():
            for target in step.node.next:
                if target not in found or self.steps[target].node.closes is not None:
                    continue
                if step.node.transition in (Transition.FOREACH, Transition.PARALLEL):
                    found[target] = max(found[target], step.opened)
                elif step.node.transition is Transition.LINEAR:
                    found[target] = max(found[target], found[name])
        return found

    def critical_path(self, now: float) -> list[str]:
        """Return the steps whose times, one after the other, are the longest way through the graph so far.

        The way that a run has to get quicker on before it can end earlier. A step's time is that from its first
        launch to its last end; loops are not followed.
        """
        best: dict[str, tuple[float, list[str]]] = {}
        order = {name: number for number, name in enumerate(self.steps)}
        for name in reversed(self.steps):
            took = self.steps[name].took(now)
            later = [
                best[target] for target in self.steps[name].node.next if order.get(target, -1) > order[name]
            ]
            seconds, path = max(later, key=lambda way: way[0], default=(0.0, []))
            best[name] = (seconds, path) if took is None else (seconds + took, [name, *path])
        first = next(iter(self.steps), None)
        return [] if first is None else best[first][1]

    def shape_of(self, name: str) -> str:
        """Say in a word or two how a step hands on, or what it is a branch of."""
        step = self.steps[name]
        node = step.node
        words = ["join"] if node.closes is not None else []
        match node.transition:
            case Transition.SPLIT:
                words.append(f"branch ×{len(node.next)}")
            case Transition.FOREACH:
                words.append(f"foreach ×{step.opened:,}" if step.opened else "foreach")
            case Transition.PARALLEL:
                words.append(f"gang ×{step.opened:,}" if step.opened else "gang")
            case Transition.SWITCH:
                words.append(f"switch → {step.chosen}" if step.chosen else "switch")
            case Transition.LINEAR | Transition.END:
                pass
        return " ".join(words)

    def _step(self, name: str) -> StepModel:
        step = self.steps.get(name)
        if step is None:  # written by a release that knows more of graphs than this one
            step = self.steps[name] = StepModel(name, StepNode(name=name, transition=Transition.LINEAR))
        return step

    def _move(self, task: Living, status: str) -> None:
        counts = self._step(task.step).counts
        counts[task.status] -= 1
        counts[status] += 1
        task.status = status
        if status in _ENDED:
            self.living.pop(task.task, None)

    def _created(self, event: ev.RunCreated) -> None:
        self.flow, self.user, self.created_at = event.flow, event.user, event.at
        self.origin_run, self.meta, self.tags = event.origin_run, event.meta, event.tags
        self.slots = event.limits.slots
        self.graph = Graph.from_data(event.graph)
        self.steps = {name: StepModel(name, node) for name, node in self.graph.steps.items()}

    def _limits(self, event: ev.LimitsChanged | ev.DriverChanged) -> None:
        self.slots = event.limits.slots

    def _driver(self, event: ev.DriverChanged) -> None:
        self._limits(event)
        self.status = "running"

    def _task_created(self, event: ev.TaskCreated) -> None:
        self.living[event.task] = Living(event.task, event.step)
        self._step(event.step).counts["created"] += 1

    def _task_cloned(self, event: ev.TaskCloned) -> None:
        step = self._step(event.step)
        step.counts["cloned"] += 1
        step.chosen = event.chosen or step.chosen

    def _launched(self, event: ev.AttemptLaunched) -> None:
        task = self.living.get(event.task)
        if task is None:
            return
        step = self._step(task.step)
        step.launched_at = event.at if step.launched_at is None else step.launched_at
        step.retries += event.number > 0
        task.attempt, task.since, task.pid = event.number, event.at, None
        self._move(task, "running")

    def _started(self, event: ev.AttemptStarted) -> None:
        task = self.living.get(event.task)
        if self.started_at is None:
            self.started_at = event.at
        if task is not None:
            task.since, task.pid, task.place = event.at, event.pid, event.where

    def _pending(self, event: ev.AttemptPending) -> None:
        task = self.living.get(event.task)
        if task is not None:
            task.place = f"pending: {event.why}"

    def _succeeded(self, event: ev.AttemptSucceeded) -> None:
        task = self.living.get(event.task)
        if task is None:
            return
        step = self._step(task.step)
        step.chosen = event.chosen or step.chosen
        self._end(task, "succeeded" if event.caught is None else "caught", event.usage.ended_at or event.at)

    def _failed(self, event: ev.TaskFailed) -> None:
        task = self.living.get(event.task)
        if task is None:
            return
        if len(self.failures) < _FAILURES:
            self.failures.append(Failure(task.task, task.step, _in_a_line(event.error), event.at))
        self._end(task, "failed", event.at)

    def _cancelled(self, event: ev.AttemptCancelled) -> None:
        task = self.living.get(event.task)
        if task is not None:
            self._step(task.step).ended_at = event.at
            self._move(task, "cancelled")

    def _end(self, task: Living, status: str, at: float) -> None:
        step = self._step(task.step)
        if task.since is not None:
            seconds = max(0.0, at - task.since)
            step.seconds += seconds
            step.longest_s = max(step.longest_s, seconds)
            step.durations.append(seconds)
        step.ended_at = max(at, step.ended_at or at)
        self._move(task, status)

    def _retry(self, event: ev.RetryScheduled) -> None:
        task = self.living.get(event.task)
        if task is not None:
            self._move(task, "waiting")

    def _due(self, event: ev.RetryDue) -> None:
        task = self.living.get(event.task)
        if task is not None:
            self._move(task, "created")

    def _opened(self, event: ev.ScopeOpened) -> None:
        self._step(event.step).opened += event.width

    def _stopping(self, event: ev.RunStopping) -> None:
        self.stopping, self.stopped_by = str(event.reason), event.by

    def _finished(self, event: ev.RunFinished) -> None:
        self.status, self.ended_at = str(event.status), event.at
        for task in list(self.living.values()):
            self._move(task, "cancelled")

    _APPLY: ClassVar[
        dict[type, Callable[[RunModel, Any], None]]
    ] = {  # Any: each method takes its own event type
        ev.RunCreated: _created,
        ev.DriverChanged: _driver,
        ev.LimitsChanged: _limits,
        ev.TaskCreated: _task_created,
        ev.TaskCloned: _task_cloned,
        ev.AttemptLaunched: _launched,
        ev.AttemptStarted: _started,
        ev.AttemptPending: _pending,
        ev.AttemptSucceeded: _succeeded,
        ev.AttemptCancelled: _cancelled,
        ev.TaskFailed: _failed,
        ev.RetryScheduled: _retry,
        ev.RetryDue: _due,
        ev.ScopeOpened: _opened,
        ev.RunStopping: _stopping,
        ev.RunFinished: _finished,
    }
    """What changes nothing that is shown is not here."""


def _in_a_line(error: ErrorInfo) -> str:
    first = error.message.splitlines()[0] if error.message else ""
    kind = error.type.removeprefix("builtins.")
    return f"{kind}: {first}" if first else kind
