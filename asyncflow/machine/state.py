"""A run's state: what is queued, running or waiting, and the scopes that are open. Only `evolve` writes it.

A finished task leaves nothing here but its arrival in a scope (ten bytes), so memory follows what runs, not how
wide a foreach is. Containers are ordered and iterated in an order that does not depend on hashing.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from asyncflow.machine.events import Limits, RunStatus, StopReason
from asyncflow.machine.graph import Graph, Permit, Pool, StepNode, Transition
from asyncflow.machine.ids import Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.records import field, record

__all__ = [
    "UNITS",
    "CloneKey",
    "CloneSource",
    "Needs",
    "RunState",
    "ScopeState",
    "TaskState",
    "TaskStatus",
    "Timer",
    "TimerKind",
    "needs_of",
    "permits_of",
]


class CloneKey(NamedTuple):
    """Names a task by where it stands in the flow, the same in every run of it."""

    step: str
    path: tuple[int, ...]
    """Index per open scope, outermost first."""
    iteration: int = 0


class CloneSource(NamedTuple):
    """A good task of the origin run, as far as the machine needs to know it."""

    origin: ManifestKey
    width: int | None = None
    chosen: str | None = None
    caught: ErrorInfo | None = None


class Needs(NamedTuple):
    """Declared resources in whole units, so that adding and taking away is exact."""

    millicores: int = 0
    kilobytes: int = 0
    milligpus: int = 0


UNITS = Needs(1000, 1024, 1000)
"""How many of these units make a core, a megabyte, a GPU."""


class TaskStatus(StrEnum):
    """Where a living task is."""

    QUEUED = "queued"
    """Waits for a slot."""
    RUNNING = "running"
    """An attempt is launched and has not ended."""
    WAITING = "waiting"
    """Waits for the time of its next try."""


@record(frozen=False, kw_only=False)
class TaskState:
    """One task that has not ended."""

    id: int
    step: str
    parent: ManifestKey
    frames: tuple[Frame, ...]
    scope: int | None
    index: int
    closes: int | None
    iteration: int
    status: TaskStatus = TaskStatus.QUEUED
    number: int = -1
    """Number of the current or last attempt; -1 before the first."""
    failures: int = 0
    """Failed attempts that count against @retry."""
    losses: int = 0
    """Attempts that vanished through no fault of the step."""
    fallbacks: int = 0
    is_fallback: bool = False
    last_error: ErrorInfo | None = None
    is_started: bool = False
    stop_asked: bool = False
    stop_forced: bool = False
    stopped_by: str = ""
    """Who asked for the end of this task alone."""
    is_timed_out: bool = False
    wake_at: float | None = None
    deadline: float | None = None
    force_at: float | None = None
    ooms: int = 0
    """Attempts that ran out of memory."""


@record(frozen=False, kw_only=False)
class ScopeState:
    """One open split: which branches exist, which have arrived at the join."""

    task: int
    step: str
    width: int
    manifest: ManifestKey
    frames: tuple[Frame, ...]
    is_cloned: bool
    opened: int = 0
    """Number of the event that opened it: grows from scope to scope."""
    cursor: int = 0
    """Next index to make a task of."""
    taken: bytearray | None = None
    """1 for each index that was cloned; None while none was."""
    arrivals: int = 0
    has_fresh_arrival: bool = False
    """A branch that was executed, not cloned, has arrived; so the join is executed too."""
    tasks: array[int] = field(default_factory=lambda: array("q"))
    """Task that arrived, by index. Empty before the first arrival, so that a scope that is refused costs nothing."""
    attempts: array[int] = field(default_factory=lambda: array("I"))
    origins: dict[int, ManifestKey] = field(default_factory=dict[int, ManifestKey])
    """By index, for branches whose last task was cloned."""

    @property
    def is_complete(self) -> bool:
        """Every branch has arrived."""
        return self.arrivals == self.width

    def inputs(self, run: int) -> list[ManifestKey]:
        """Manifests of the arrivals in index order."""
        keys = [
            ManifestKey(run, task, number) for task, number in zip(self.tasks, self.attempts, strict=True)
        ]
        for index, origin in self.origins.items():
            keys[index] = origin
        return keys


class TimerKind(StrEnum):
    """What falls due."""

    RETRY = "retry"
    TIMEOUT = "timeout"
    FORCE = "force"
    STOP = "stop"


class Timer(NamedTuple):
    """A time at which something falls due; stale ones are recognised, not removed at once."""

    at: float
    kind: TimerKind
    task: int


@record(frozen=False, kw_only=False)
class RunState:
    """Everything the machine knows of one run. Build with the graph, then fold events into it."""

    graph: Graph
    clones: Mapping[CloneKey, CloneSource] = field(default_factory=dict[CloneKey, CloneSource])
    """Good tasks of the origin run that may be taken over. Given, not recorded: the origin's log has them."""
    run: int = 0
    status: RunStatus | None = None
    """None before the run is created."""
    limits: Limits = Limits()
    seq: int = 0
    """How many events were folded; number of the next one."""
    next_task: int = 1
    tasks: dict[int, TaskState] = field(default_factory=dict[int, TaskState])
    scopes: dict[int, ScopeState] = field(default_factory=dict[int, ScopeState])
    ready: dict[str, deque[int]] = field(default_factory=dict[str, deque[int]])
    """Queued tasks by step, oldest first."""
    open_scopes: dict[int, None] = field(default_factory=dict[int, None])
    """Scopes that still have branches to make tasks of, in order of opening."""
    open_by_split: dict[str, dict[int, None]] = field(default_factory=dict[str, dict[int, None]])
    """The same by the step that opened them, so that those of a step which may not go on are passed by at once."""
    unborn: dict[str, int] = field(default_factory=dict[str, int])
    """How many branches of these scopes are no tasks yet, by the step that opened them."""
    running: dict[int, None] = field(default_factory=dict[int, None])
    """Tasks with an attempt in flight, in order of launch."""
    running_async: int = 0
    """How many of them take an async slot."""
    running_remote: int = 0
    """How many of them take a remote slot."""
    used: Needs = Needs()
    granted: dict[str, int] = field(default_factory=dict[str, int])
    """Permits the run holds, by `Permit.id`: for attempts at a time those in use, too; for starts those unused."""
    in_use: dict[str, int] = field(default_factory=dict[str, int])
    """Permits for attempts at a time that running attempts use."""
    timers: list[Timer] = field(default_factory=list[Timer])
    """A heap. May hold stale entries, but not at its top; never lacks a live one."""
    waiting: int = 0
    """How many tasks wait for a retry."""
    stopping: StopReason | None = None
    stop_at: float | None = None
    """When running attempts are asked to stop, once the run is stopping."""
    succeeded: int = 0
    cloned: int = 0
    failed: int = 0
    has_ended: bool = False
    """The end step succeeded."""
    needs: dict[str, Needs] = field(init=False, repr=False)
    """What a task of each step takes from the machine; follows from the graph."""
    permits: dict[str, tuple[Permit, ...]] = field(init=False, repr=False)
    """Permits by step, of steps that need any, in the order in which they are to be got; follows from the graph."""
    permit_limits: dict[str, int] = field(init=False, repr=False)
    """Limit by `Permit.id`: the smallest that a step gives; follows from the graph."""
    feeders: dict[str, tuple[str, ...]] = field(init=False, repr=False)
    """For steps that need permits: the steps that open scopes whose branches begin there; follows from the graph."""

    def __post_init__(self) -> None:
        steps = self.graph.steps
        self.needs = {name: needs_of(node) for name, node in steps.items()}
        self.permits = {name: permits_of(node) for name, node in steps.items() if node.permits}
        self.permit_limits = {}
        for permit in (permit for several in self.permits.values() for permit in several):
            self.permit_limits[permit.id] = min(permit.limit, self.permit_limits.get(permit.id, permit.limit))
        self.feeders = {
            name: tuple(
                split
                for split, node in steps.items()
                if node.transition is Transition.FOREACH and name in node.next
            )
            for name in self.permits
        }

    def free_slots(self) -> dict[Pool, int]:
        """Return how many slots are free, for each kind; below zero when the limits were lowered."""
        limits = self.limits
        local = len(self.running) - self.running_async - self.running_remote
        return {
            Pool.PROCESS: limits.slots - local,
            Pool.ASYNC: limits.async_slots - self.running_async,
            Pool.REMOTE: limits.remote_slots - self.running_remote,
        }

    def free_permits(self, permit: Permit) -> int:
        """How many permits the run holds that no attempt uses; below zero when some are to be given back."""
        return self.granted.get(permit.id, 0) - self.in_use.get(permit.id, 0)

    def may_start(self, step: str) -> bool:
        """Tell whether every permit that an attempt of the step needs is at hand."""
        return all(self.free_permits(permit) > 0 for permit in self.permits.get(step, ()))

    @property
    def is_over(self) -> bool:
        """The run has finished; nothing follows."""
        return self.status is not None and self.status is not RunStatus.RUNNING

    def node_of(self, task: TaskState) -> StepNode:
        """The step a task is of."""
        return self.graph.steps[task.step]


def needs_of(node: StepNode) -> Needs:
    """Convert a step's declared resources to whole units; what is not declared needs nothing."""
    wanted = node.resources
    return Needs(
        millicores=round((wanted.cpu or 0) * UNITS.millicores),
        kilobytes=round((wanted.memory_mb or 0) * UNITS.kilobytes),
        milligpus=round((wanted.gpu or 0) * UNITS.milligpus),
    )


def permits_of(node: StepNode) -> tuple[Permit, ...]:
    """Return a step's permits, one per limit, in the order in which everybody gets them.

    One order for all runs, so that none holds what another waits for while it waits for what that one holds; starts
    last, as a permit to start is used up by time.
    """
    by_id: dict[str, Permit] = {}
    for permit in node.permits:
        known = by_id.get(permit.id)
        if known is None or permit.limit < known.limit:
            by_id[permit.id] = permit
    return tuple(sorted(by_id.values(), key=lambda permit: (permit.per_s is not None, permit.id)))
