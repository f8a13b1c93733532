"""Facts: what the machine is told. Each carries `at`, seconds since the epoch; none ever raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.machine.events import Limits
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome
from asyncflow.records import field, record

__all__ = [
    "AttemptAdopted",
    "CancelRequested",
    "DriverStarted",
    "Fact",
    "LimiterGranted",
    "LimiterRecalled",
    "LimitsRequested",
    "RetryRequested",
    "RunRequested",
    "TaskStopRequested",
    "TimerFired",
    "WorkerLost",
    "WorkerPending",
    "WorkerReported",
    "WorkerStarted",
]


@record
class RunRequested:
    """A user asks for a new run. The first fact of a run, and only the first."""

    at: float
    run: int
    user: str
    tags: tuple[str, ...] = ()
    limits: Limits
    origin_run: int | None = None
    """The run whose good tasks this one takes over, else None."""
    rerun_steps: tuple[str, ...] = ()
    """Steps that are executed anew although the origin has good tasks of them."""
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON-like, recorded, not read here
    """Recorded with the run for readers: flow file, argv, versions, code digest."""


@record
class DriverStarted:
    """A new driver took over a run whose driver died; attempts in flight are told of next."""

    at: float
    host: str
    pid: int
    limits: Limits


@record
class WorkerStarted:
    """The backend saw user code's process begin."""

    at: float
    attempt: Attempt
    where: str
    """`host` or pod or job name."""
    pid: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the platform calls things, recorded for readers."""


@record
class WorkerPending:
    """The backend has asked for the attempt's worker, and says why there is none yet."""

    at: float
    attempt: Attempt
    why: str
    """For people: `Unschedulable: 0/3 nodes are available`."""


@record
class AttemptAdopted:
    """After a driver's restart: the backend knows this attempt, it lives on."""

    at: float
    attempt: Attempt


@record
class WorkerReported:
    """The worker's own word on how the attempt ended; its manifest is in the store."""

    at: float
    attempt: Attempt
    outcome: Outcome


@record
class WorkerLost:
    """The attempt is gone without a report: killed, crashed, never launched, or its driver died."""

    at: float
    attempt: Attempt
    reason: str
    """For people: `killed by signal 9 (SIGKILL)`, `exit code 3`, `could not be launched: ...`."""
    exit_code: int | None = None
    """As waitpid tells it: negative for a signal. None: unknown."""
    is_our_fault: bool = False
    """True when the driver or zygote died, or the platform evicted it: does not use up a retry."""
    kind: str = "asyncflow.WorkerLost"
    """What the error is called if this is a failure: for `@retry(on=...)`, and for people."""
    is_retryable: bool = True
    """False where another try cannot help: an image that is not there, a size no machine has."""


@record
class TimerFired:
    """The time that `next_wake` asked for has come."""

    at: float


@record
class CancelRequested:
    """Somebody asks to stop the run; `force` skips the grace time."""

    at: float
    by: str
    force: bool = False


@record
class TaskStopRequested:
    """Somebody asks to end one task, or all tasks of a step; `force` skips the grace time. The run goes on."""

    at: float
    by: str
    step: str
    task: int | None = None
    """None: all there are and will be of the step's open scopes."""
    force: bool = False


@record
class RetryRequested:
    """Somebody asks that tasks which wait for their next try do not wait any longer."""

    at: float
    by: str
    step: str
    task: int | None = None
    """None: all of the step."""


@record
class LimitsRequested:
    """Somebody changes the capacity of a living run."""

    at: float
    limits: Limits


@record
class LimiterGranted:
    """The run was given permits out of those that all runs on this machine share."""

    at: float
    permit: str
    """`Permit.id`."""
    count: int


@record
class LimiterRecalled:
    """The run is to do with fewer permits: it has no use for them, or others wait. Attempts that run go on."""

    at: float
    permit: str
    count: int


Fact = (
    RunRequested
    | DriverStarted
    | WorkerStarted
    | WorkerPending
    | AttemptAdopted
    | WorkerReported
    | WorkerLost
    | TimerFired
    | CancelRequested
    | TaskStopRequested
    | RetryRequested
    | LimitsRequested
    | LimiterGranted
    | LimiterRecalled
)
