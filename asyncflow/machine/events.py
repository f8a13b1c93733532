"""Events: what the machine concluded, recorded in the log, past tense. `evolve` folds them; nothing else does.

Every event has `at` (seconds since the epoch) and `cause` (sequence number of the first event of the fact that
led to it). Fields may be added with a default; a field is never renamed, retyped or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Usage
from asyncflow.records import field, record

__all__ = [
    "AttemptCancelled",
    "AttemptFailed",
    "AttemptLaunched",
    "AttemptLost",
    "AttemptPending",
    "AttemptStarted",
    "AttemptSucceeded",
    "AttemptTimedOut",
    "DriverChanged",
    "Event",
    "FactIgnored",
    "Limits",
    "LimitsChanged",
    "PermitsGranted",
    "PermitsReturned",
    "RetryDue",
    "RetryScheduled",
    "RunCreated",
    "RunFinished",
    "RunStatus",
    "RunStopping",
    "ScopeOpened",
    "StopAsked",
    "StopReason",
    "TaskCloned",
    "TaskCreated",
    "TaskFailed",
]


class RunStatus(StrEnum):
    """Where a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StopReason(StrEnum):
    """Why a run launches nothing any more."""

    FAILURE = "failure"
    CANCEL = "cancel"


class Limits(NamedTuple):
    """Capacity of the place where tasks run, and what to do when one fails."""

    slots: int = 16
    """`--max-workers`: attempts with a process of their own at the same time."""
    cpu: float | None = None
    """Cores that declared resources may add up to. None: not counted."""
    memory_mb: float | None = None
    gpu: float | None = None
    keep_going: bool = False
    """After a failure go on with everything that does not depend on it."""
    failure_grace_s: float = 5.0
    """After a failure: how long running siblings may go on before they are asked to stop, seconds."""
    stop_grace_s: float = 10.0
    """Between asking an attempt to stop (SIGTERM) and forcing it (SIGKILL), seconds."""
    max_splits: int | None = None
    """`--max-num-splits`. None: no cap."""
    async_slots: int = 1000
    """`--max-async`: attempts of async steps at the same time."""
    remote_slots: int = 1000
    """Attempts on other platforms at the same time."""
    most_losses: int = 100
    """`--spot-retries`: how often a task may lose its attempt through no fault of its own before that is a failure."""


@record
class RunCreated:
    """A run exists. Always the first event."""

    at: float
    cause: int = 0
    run: int
    flow: str
    user: str
    tags: tuple[str, ...] = ()
    graph: Mapping[str, Any]  # Any: `Graph.to_data()`
    limits: Limits
    origin_run: int | None = None
    rerun_steps: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON-like, for readers only


@record
class DriverChanged:
    """Another driver goes on with the run after the first one died."""

    at: float
    cause: int
    host: str
    pid: int
    limits: Limits


@record
class TaskCreated:
    """A task exists and waits for a slot."""

    at: float
    cause: int
    task: int
    step: str
    parent: ManifestKey
    """Manifest the task starts from: the task before it, or for a join the split whose scope it closes."""
    scope: int | None = None
    """Scope the task is a branch of, when its parent is the split that opened it; else None."""
    index: int = 0
    """Position in that scope."""
    closes: int | None = None
    """For a join: the scope it closes."""
    iteration: int = 0
    """How often a recursive switch step has come round."""
    frames: tuple[tuple[int, int], ...] | None = None
    """Scope stack (scope, index), outermost first. None: the scope's own plus (scope, index)."""


@record
class TaskCloned:
    """A good task of the origin run was taken over by reference: it exists and has succeeded."""

    at: float
    cause: int
    task: int
    step: str
    parent: ManifestKey
    scope: int | None = None
    index: int = 0
    closes: int | None = None
    iteration: int = 0
    frames: tuple[tuple[int, int], ...] | None = None
    origin: ManifestKey
    """The manifest that is this task's result."""
    width: int | None = None
    chosen: str | None = None
    caught: ErrorInfo | None = None
    arrived: int | None = None
    """Scope in which this task's success counts as an arrival, when the next step is the join."""


@record
class AttemptLaunched:
    """The intent to run an attempt, durable before the backend is asked. Its image is the command `Launch`."""

    at: float
    cause: int
    task: int
    number: int


@record
class AttemptStarted:
    """The attempt's process is running."""

    at: float
    cause: int
    task: int
    number: int
    where: str
    pid: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the platform calls things: `kubernetes-pod-name`, `aws-batch-job-id`, ..."""


@record
class AttemptPending:
    """The attempt waits for its platform, which says why. Changes nothing; for readers."""

    at: float
    cause: int
    task: int
    number: int
    why: str


@record
class AttemptSucceeded:
    """The attempt, and so its task, succeeded."""

    at: float
    cause: int
    task: int
    number: int
    width: int | None = None
    chosen: str | None = None
    caught: ErrorInfo | None = None
    arrived: int | None = None
    """Scope in which this success counts as an arrival, when the next step is the join."""
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()
    reused: ManifestKey | None = None
    """The earlier result that was taken over in place of running the step (@cache)."""


@record
class AttemptFailed:
    """The attempt ended with an error. What follows is said by the next event of the task."""

    at: float
    cause: int
    task: int
    number: int
    error: ErrorInfo
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()


@record
class AttemptLost:
    """The attempt vanished through no fault of the step (its driver died, it was evicted); no retry is used up."""

    at: float
    cause: int
    task: int
    number: int
    reason: str


@record
class AttemptTimedOut:
    """The attempt ran past @timeout and did not end by itself: it is killed. Its image is `Stop(force=True)`."""

    at: float
    cause: int
    task: int
    number: int


@record
class AttemptCancelled:
    """The attempt ended because the run was stopped."""

    at: float
    cause: int
    task: int
    number: int


@record
class StopAsked:
    """An attempt is asked (SIGTERM) or forced (SIGKILL) to stop. Its image is the command `Stop`."""

    at: float
    cause: int
    task: int
    number: int
    force: bool = False
    by: str = ""
    """Who asked for the end of this task alone; empty: the whole run is stopped."""


@record
class RetryScheduled:
    """The task is tried again at `wake_at` (at once when that is not later than now)."""

    at: float
    cause: int
    task: int
    wake_at: float
    is_fallback: bool = False
    """True: run no user code, only record the failure that @catch takes."""
    uses_retry: bool = True
    """False after an `AttemptLost`."""
    error: ErrorInfo | None = None
    """What @catch takes, of a task that was ended before it had an attempt; else None: the last attempt's."""


@record
class RetryDue:
    """The wait before a retry is over; the task waits for a slot again."""

    at: float
    cause: int
    task: int


@record
class TaskFailed:
    """The task failed for good."""

    at: float
    cause: int
    task: int
    number: int
    error: ErrorInfo


@record
class ScopeOpened:
    """A split finished: `width` branches of it are to run, created one by one as slots come free."""

    at: float
    cause: int
    task: int
    """The split task, whose id is the scope's."""
    step: str
    width: int
    manifest: ManifestKey
    """The split task's manifest: every child starts from it."""
    frames: tuple[tuple[int, int], ...] = ()
    """The split task's own scope stack."""
    is_cloned: bool = False
    """The split task was taken over from the origin run, so that its branches may be too."""


@record
class RunStopping:
    """Nothing new is launched from here on."""

    at: float
    cause: int
    reason: StopReason
    stop_at: float
    """When attempts still running are asked to stop."""
    by: str = ""


@record
class LimitsChanged:
    """The run's capacity is another from here on."""

    at: float
    cause: int
    limits: Limits


@record
class PermitsGranted:
    """The run holds more permits of a limit that all runs on this machine share. Void with the next driver."""

    at: float
    cause: int
    permit: str
    """`Permit.id`."""
    count: int


@record
class PermitsReturned:
    """The run holds fewer permits from here on. What running attempts use is given back when they end."""

    at: float
    cause: int
    permit: str
    count: int


@record
class RunFinished:
    """The run ended. Nothing but `FactIgnored` follows."""

    at: float
    cause: int
    status: RunStatus


@record
class FactIgnored:
    """A fact that changes nothing: late, repeated or impossible."""

    at: float
    cause: int
    fact: str
    """Name of the fact's class."""
    why: str
    task: int | None = None
    number: int | None = None


Event = (
    RunCreated
    | DriverChanged
    | TaskCreated
    | TaskCloned
    | AttemptLaunched
    | AttemptStarted
    | AttemptSucceeded
    | AttemptFailed
    | AttemptLost
    | AttemptTimedOut
    | AttemptCancelled
    | StopAsked
    | RetryScheduled
    | RetryDue
    | TaskFailed
    | ScopeOpened
    | RunStopping
    | LimitsChanged
    | RunFinished
    | FactIgnored
    | PermitsGranted
    | PermitsReturned
    | AttemptPending
)
