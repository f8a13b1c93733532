"""What one writes to run tasks elsewhere: a platform of jobs. It carries out, tells what it sees, decides nothing.

A platform never learns how a step ended from anything but its job: success and failure of user code are told by the
manifest in the store, which it does not read. So it may miss what happened in between, tell it twice, or late. What it
may not do: run a job for an attempt twice, or leave one behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from asyncflow.machine.ids import Attempt
from asyncflow.records import field, record

__all__ = [
    "ARRAY_VARIABLE",
    "GANG_SIZE_VARIABLE",
    "INDEX_VARIABLE",
    "NO_METADATA",
    "End",
    "EndReason",
    "Gang",
    "Job",
    "JobRef",
    "JobSeen",
    "Phase",
    "Platform",
    "PlatformCapabilities",
    "Refused",
    "Size",
    "array_environment",
    "environment_of",
]

INDEX_VARIABLE = "ASYNCFLOW_SPEC_INDEX"
"""Tells a worker which of the tasks in its spec object is its own, or the first of its array."""
ARRAY_VARIABLE = "ASYNCFLOW_ARRAY_VARIABLE"
"""Names the variable in which the platform tells an array's job its index; that is added to the first one."""
GANG_SIZE_VARIABLE = "ASYNCFLOW_GANG_SIZE"
"""Set where the members of a gang are one job that ends with its first: how many they are. The first one waits."""
NO_METADATA: Mapping[str, str] = {}


class Size(NamedTuple):
    """What a job takes, @resources merged in. None: the platform's default."""

    cpu: float | None = None
    """Cores."""
    memory_mb: float | None = None
    gpu: float | None = None
    disk_mb: float | None = None


class Gang(NamedTuple):
    """Jobs that run at the same time and know each other (`num_parallel`)."""

    id: int
    """The split task's id."""
    size: int
    index: int  # pyright: ignore[reportIncompatibleMethodOverride] - nobody searches a gang as a tuple
    """0 leads."""


@record
class Job:
    """One attempt, as a platform is asked to run it."""

    name: str
    """Unique per store and attempt, always the same for it: a DNS label of at most 63 characters."""
    attempt: Attempt
    run: int
    flow: str
    step: str
    user: str
    owner: str
    """Names the store (8 hex digits): run ids of other stores may be the same."""
    command: tuple[str, ...]
    """What the container runs. The same for all jobs of one `submit`."""
    environment: Mapping[str, str]
    """The same for all jobs of one `submit`; use `environment_of` or `array_environment`."""
    index: int
    """Place in the spec object. Jobs of one `submit` that stand behind each other have indexes that do."""
    options: Mapping[str, Any]  # Any: the values of the step's decorator
    """The step's decorator, validated, by name of its fields. Equal for all attempts of a step."""
    size: Size
    """May grow from one attempt to the next (`@retry(memory="x2")`)."""
    timeout_s: float | None = None
    """@timeout. The worker heeds it, too; a platform's own is for workers that cannot."""
    gang: Gang | None = None


class Phase(StrEnum):
    """Where a job is."""

    PENDING = "pending"
    """Asked for, not running: queued, being pulled, without a node."""
    RUNNING = "running"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a job ended, as far as the platform tells."""

    SUCCEEDED = "succeeded"
    """Its process ended with 0."""
    FAILED = "failed"
    """Its process ended with another exit code, or by a signal of its own."""
    OUT_OF_MEMORY = "out of memory"
    EVICTED = "evicted"
    """The platform took its place away: eviction, preemption, drained node."""
    SPOT = "spot"
    """A spot machine was reclaimed."""
    TIMED_OUT = "timed out"
    IMAGE = "image"
    """The image is not there, may not be pulled, or has no such command."""
    UNSCHEDULABLE = "unschedulable"
    """It could never run: no node, no queue, no quota, refused by the platform."""
    STOPPED = "stopped"
    """Somebody ended it: we, or a person with the platform's own tools."""
    LOST = "lost"
    """It is gone and nobody says why: a node lost, the object deleted."""

    @property
    def is_our_fault(self) -> bool:
        """The platform's doing, not the step's: it uses up no retry of the step's own."""
        return self in (EndReason.EVICTED, EndReason.SPOT, EndReason.LOST)


class End(NamedTuple):
    """How a job ended."""

    reason: EndReason
    message: str = ""
    """The platform's words, for people; without secrets."""
    exit_code: int | None = None
    """As waitpid tells it: negative for a signal. None: unknown."""
    result: str = ""
    """What its worker handed over, if the platform carries that (`handover`)."""


@record
class JobSeen:
    """What a platform tells of a job."""

    attempt: Attempt
    phase: Phase
    where: str = ""
    """Pod, job id or node, for people."""
    note: str = ""
    """Why it is pending, for people: `Unschedulable: 0/3 nodes ...`, `ImagePullBackOff`. Empty: as usual."""
    end: End | None = None
    """Of an ended job."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of the platform's own things, recorded with the task: `kubernetes-pod-name`, `aws-batch-job-id`, ..."""


class Refused(NamedTuple):
    """A job that the platform will not run."""

    attempt: Attempt
    reason: EndReason
    message: str
    """Why, in the platform's words, without secrets."""


class JobRef(NamedTuple):
    """A job that exists on the platform, found by its labels."""

    id: str
    """As the platform names it."""
    run: int
    attempt: Attempt
    created_at: float
    """Seconds since the epoch."""
    is_over: bool


@record
class PlatformCapabilities:
    """What a platform can do, as data."""

    name: str
    """`kubernetes`, `batch`, ..."""
    most_at_once: int = 1000
    """How many jobs one `submit` is given at most."""
    has_array: bool = False
    """Jobs of one submit whose indexes follow each other may be one request; then launches are gathered longer."""
    shares_filesystem: bool = False
    """Workers see the scheduler's files: a store on a shared file system will do."""


class Platform(Protocol):
    """Where jobs run. One instance serves one run; every method is called on its event loop.

    What may pass (lost connections, throttling, 5xx) is tried again within, with growing random pauses; PlatformError,
    told in words, is raised for what does not.
    """

    @property
    def capabilities(self) -> PlatformCapabilities:
        """What this platform can do."""
        ...

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        """Ask for jobs of one step; return those that were refused.

        Repeating it for a job that exists changes nothing, also if the answer to an earlier call was lost. All members
        of a gang come in one call, unless one is tried again alone.
        """
        ...

    def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        """Yield what happens to all jobs of the run, in batches, until `aclose`. Consumed once.

        Every job that was submitted or found ends here, some time, with `Phase.ENDED`.
        """
        ...

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        """After a driver's restart: tell of those attempts' jobs that exist; `changes` goes on with them."""
        ...

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        """Ask (SIGTERM, then the platform's grace) or force jobs to end; unknown ones are no error."""
        ...

    def detach(self) -> None:
        """Let what runs go on when the platform is closed: another driver goes on with the run, or may."""
        ...

    async def aclose(self) -> None:
        """End what still runs, unless detached; release everything. Bounded in time; safe to call twice."""
        ...


def environment_of(job: Job) -> dict[str, str]:
    """Return the environment of a job of its own."""
    return {**job.environment, INDEX_VARIABLE: str(job.index)}


def array_environment(jobs: Sequence[Job], variable: str) -> dict[str, str]:
    """Return the environment of an array: `jobs` follow each other, the platform tells each its place in `variable`.

    Args:
        jobs: In order of their indexes, without a gap.
        variable: Such as `AWS_BATCH_JOB_ARRAY_INDEX`; counts from 0.
    """
    first = jobs[0]
    return {**first.environment, INDEX_VARIABLE: str(first.index), ARRAY_VARIABLE: variable}
