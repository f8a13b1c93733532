"""What the views hold, one class a table: the same rows are written by `views`, and read by `Reader`."""

from __future__ import annotations

from enum import StrEnum

from asyncflow.machine.ids import ManifestKey
from asyncflow.records import record

__all__ = ["LIVING", "ArtifactRow", "AttemptRow", "MetadataRow", "RunRow", "TagRow", "TaskRow", "TaskStatus"]


class TaskStatus(StrEnum):
    """Where a task is, for readers."""

    CREATED = "created"
    """Waits for a slot."""
    RUNNING = "running"
    """An attempt is launched and has not ended."""
    WAITING = "waiting"
    """Waits for the time of its next try."""
    SUCCEEDED = "succeeded"
    CAUGHT = "caught"
    """Succeeded, in that @catch took the failure of its last attempt."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Stopped, or never begun because the run ended before."""
    CLONED = "cloned"
    """Taken over: from the run this one resumes, or from one that was made of the same (@cache)."""


LIVING = (TaskStatus.CREATED, TaskStatus.RUNNING, TaskStatus.WAITING)
"""The statuses that are not final."""


@record(frozen=False, kw_only=False)
class RunRow:
    """One run."""

    run: int
    flow: str
    user: str
    created_at: float
    """Seconds since the epoch, as every `_at`."""
    origin_run: int | None
    """The run this one resumes."""
    meta: str
    """JSON, as recorded with the run."""
    status: str = "running"
    """`running`, `succeeded`, `failed`, `cancelled`; a `Reader` adds `interrupted`."""
    started_at: float | None = None
    """When the first attempt began."""
    ended_at: float | None = None
    next_seq: int = 0
    """How many events the run has."""
    limits: str = "{}"
    """JSON of the machine's `Limits`."""
    stop_reason: str | None = None
    """`failure` or `cancel`, once nothing new is launched."""
    failed_task: int | None = None
    """The first task that failed for good: the root cause."""
    failed_step: str | None = None
    branches_left: int = 0
    """Branches of open splits that are not tasks yet."""
    created: int = 0
    """Tasks by status; the eight add up to all tasks there are."""
    running: int = 0
    waiting: int = 0
    succeeded: int = 0
    caught: int = 0
    failed: int = 0
    cancelled: int = 0
    cloned: int = 0

    @property
    def tasks(self) -> int:
        """How many tasks exist."""
        living = self.created + self.running + self.waiting
        return living + self.succeeded + self.caught + self.failed + self.cancelled + self.cloned


@record(frozen=False, kw_only=False)
class TaskRow:
    """One task, with its current or last attempt."""

    run: int
    task: int
    step: str
    path: str
    """Index per open scope, outermost first: `3,0`; empty outside of splits."""
    iteration: int
    parent_run: int
    """The manifest it starts from; another run's when that task was cloned."""
    parent_task: int
    parent_attempt: int
    scope: int | None
    """The split it is a branch of, when that is its parent."""
    position: int
    """Position in that scope."""
    closes: int | None
    """For a join: the scope it closes."""
    created_at: float
    origin_run: int | None = None
    """For a cloned task: the manifest that is its result."""
    origin_task: int | None = None
    origin_attempt: int | None = None
    status: str = "created"
    attempt: int = -1
    """Number of the current or last attempt; -1 before the first. For a cloned task 0."""
    launched_at: float | None = None
    started_at: float | None = None
    """When user code of the attempt began."""
    ended_at: float | None = None
    pid: int | None = None
    place: str | None = None
    """Host, pod or job name."""
    width: int | None = None
    """For a split: how many branches."""
    chosen: str | None = None
    """For a switch: the target taken."""
    error_type: str | None = None
    """Of the failure that ended the last attempt, or that @catch took."""
    error_message: str | None = None
    error_traceback: str | None = None
    cpu_s: float | None = None
    max_rss_bytes: int | None = None

    @property
    def key(self) -> ManifestKey:
        """Where the current or last attempt leaves its manifest; for a cloned task, the origin's."""
        return self.origin or ManifestKey(self.run, self.task, max(self.attempt, 0))

    @property
    def origin(self) -> ManifestKey | None:
        """For a cloned task the manifest that is its result, else None."""
        if self.origin_run is None or self.origin_task is None or self.origin_attempt is None:
            return None
        return ManifestKey(self.origin_run, self.origin_task, self.origin_attempt)

    @property
    def parent(self) -> ManifestKey:
        """The manifest the task starts from: the task before it, or for a join the split."""
        return ManifestKey(self.parent_run, self.parent_task, self.parent_attempt)


@record(frozen=False, kw_only=False)
class AttemptRow:
    """One attempt. The views hold those that did not succeed; the others are told by their `TaskRow`."""

    run: int
    task: int
    number: int
    status: str
    """`running`, `succeeded`, `caught`, `failed`, `lost`, `cancelled`."""
    launched_at: float | None
    started_at: float | None
    ended_at: float | None
    pid: int | None
    place: str | None
    error_type: str | None
    error_message: str | None
    """For a lost attempt: what became of it."""
    error_traceback: str | None
    cpu_s: float | None
    max_rss_bytes: int | None


@record(frozen=False, kw_only=False)
class ArtifactRow:
    """One artifact that an attempt made anew."""

    run: int
    task: int
    attempt: int
    name: str
    digest: str
    size_bytes: int
    type: str


@record(frozen=False, kw_only=False)
class TagRow:
    """One tag of a run."""

    run: int
    tag: str
    is_system: bool


@record(frozen=False, kw_only=False)
class MetadataRow:
    """One thing known of a run (`task` 0) or a task, as text."""

    run: int
    task: int
    name: str
    value: str
    at: float
