"""What the engine knows of a job, and how it is told."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.services.batch.shapes import Json, Plan, Retry, Shape

if TYPE_CHECKING:
    from tests.services.batch.attempts import Attempt

SUBMITTED, PENDING, RUNNABLE = "SUBMITTED", "PENDING", "RUNNABLE"
STARTING, RUNNING = "STARTING", "RUNNING"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
STATES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
BEFORE_START = (SUBMITTED, PENDING, RUNNABLE)
OVER = (SUCCEEDED, FAILED)


def now_ms() -> int:
    """Return the time as AWS gives it."""
    return int(time.time() * 1000)


class Job:
    """A job, an array's parent, one of its children, a gang or one of its nodes."""

    __slots__ = (
        "attempt", "attempts", "backend", "children", "created_ms", "definition", "depends_on", "id", "index",
        "is_cancelled", "is_terminated", "name", "needs", "node", "nodes", "parameters", "parent", "plan",
        "propagate_tags", "queue", "retry", "share", "started_ms", "status", "status_reason", "stopped_ms",
        "summary", "tags", "timeout_s",
    )  # fmt: skip

    def __init__(self, *, name: str, queue: Any, definition: Any, backend: Any, plan: Plan) -> None:
        # Any: moto's JobQueue, JobDefinition and BatchBackend
        self.id = str(uuid.uuid4())
        self.name = name
        self.queue = queue
        self.definition = definition
        self.backend = backend
        self.plan = plan
        self.retry = Retry()
        self.timeout_s: int | None = None
        self.tags: dict[str, str] = {}
        self.propagate_tags = False
        self.parameters: dict[str, str] = {}
        self.share: str | None = None
        self.depends_on: list[Json] = []
        self.needs: set[str] = set()
        """Ids of jobs that have to succeed first."""
        self.parent: Job | None = None
        self.index: int | None = None
        self.children: list[Job] | None = None
        self.summary: Counter[str] = Counter()
        """How many children are in which state."""
        self.node: int | None = None
        self.nodes: list[Job] | None = None
        self.status = SUBMITTED
        self.status_reason: str | None = None
        self.created_ms = now_ms()
        self.started_ms: int | None = None
        self.stopped_ms: int | None = None
        self.attempts: list[Json] = []
        self.attempt: Attempt | None = None
        self.is_cancelled = False
        self.is_terminated = False

    @property
    def arn(self) -> str:
        base = self.queue.arn.rpartition(":job-queue/")[0]
        return f"{base}:job/{self.id}"

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def shape(self) -> Shape:
        """The container of a job that has one."""
        return self.plan.shapes[self.node or 0]

    def child(self, index: int) -> Job:
        """Return a new child of an array."""
        child = self._twin(f"{self.id}:{index}")
        child.parent, child.index = self, index
        return child

    def node_job(self, node: int) -> Job:
        """Return a new node of a gang."""
        job = self._twin(f"{self.id}#{node}")
        job.parent, job.node = self, node
        return job

    def _twin(self, name: str) -> Job:
        twin = Job(
            name=self.name,
            queue=self.queue,
            definition=self.definition,
            backend=self.backend,
            plan=self.plan,
        )
        twin.id = name
        twin.retry, twin.timeout_s, twin.parameters = self.retry, self.timeout_s, self.parameters
        twin.share, twin.tags, twin.propagate_tags = self.share, self.tags, self.propagate_tags
        return twin

    def last(self) -> Json:
        """Return what the last attempt's container has come to."""
        return dict(self.attempts[-1]["container"]) if self.attempts else {}


def summary_of(job: Job) -> Json:
    """Return an entry of `list_jobs`."""
    told: Json = {
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.name,
        "jobDefinition": job.definition.arn,
        "createdAt": job.created_ms,
        "status": job.status,
    }
    _add(told, statusReason=job.status_reason, startedAt=job.started_ms, stoppedAt=job.stopped_ms)
    last = job.last()
    _add(told, container={key: last[key] for key in ("exitCode", "reason") if key in last} or None)
    if job.children is not None:
        told["arrayProperties"] = {"size": len(job.children)}
    elif job.index is not None:
        told["arrayProperties"] = {"index": job.index}
    if job.plan.is_gang:
        told["nodeProperties"] = {"numNodes": len(job.plan.shapes)}
        if job.node is not None:
            told["nodeProperties"] |= {"nodeIndex": job.node, "isMainNode": job.node == job.plan.main_node}
    return told


def detail_of(job: Job) -> Json:
    """Return an entry of `describe_jobs`."""
    told: Json = {
        "jobArn": job.arn,
        "jobId": job.id,
        "jobName": job.name,
        "jobQueue": job.queue.arn,
        "jobDefinition": job.definition.arn,
        "status": job.status,
        "attempts": list(job.attempts),
        "createdAt": job.created_ms,
        "dependsOn": job.depends_on,
        "parameters": job.parameters,
        "retryStrategy": job.retry.told,
        "tags": job.tags,
        "propagateTags": job.propagate_tags,
        "platformCapabilities": job.definition.platform_capabilities or [],
        "eksAttempts": [],
        "isCancelled": job.is_cancelled,
        "isTerminated": job.is_terminated,
    }
    _add(told, statusReason=job.status_reason, startedAt=job.started_ms, stoppedAt=job.stopped_ms)
    _add(told, timeout={"attemptDurationSeconds": job.timeout_s} if job.timeout_s else None)
    _add(told, shareIdentifier=job.share)
    if job.plan.is_gang and job.node is None:
        told["nodeProperties"] = job.definition.node_properties
    else:
        told["container"] = {**job.shape.container, "networkInterfaces": [], **job.last()}
    if job.node is not None:
        told["nodeDetails"] = {"nodeIndex": job.node, "isMainNode": job.node == job.plan.main_node}
    if job.children is not None:
        counts = {state: job.summary[state] for state in STATES}
        told["arrayProperties"] = {"size": len(job.children), "statusSummary": counts}
    elif job.index is not None:
        told["arrayProperties"] = {"index": job.index, "statusSummary": {}}
    return told


def _add(told: Json, **more: Any) -> None:
    told.update({name: value for name, value in more.items() if value is not None})
