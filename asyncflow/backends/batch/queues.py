"""What is known of a job queue and the machines behind it, and why it may take no jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from asyncflow.backends.batch.caller import Caller
from asyncflow.backends.batch.failures import BatchAccessDenied, BatchQueueError
from asyncflow.records import record
from asyncflow.text import one_line

__all__ = ["Machines", "Queue", "list_queues", "look_at_queue", "read_queue"]

_LONGEST_REASON = 300


@record
class Machines:
    """A compute environment."""

    name: str
    kind: str
    """`EC2`, `SPOT`, `FARGATE`, `FARGATE_SPOT`; empty: unknown (those that are not managed by Batch)."""
    max_vcpus: int | None
    types: tuple[str, ...] = ()
    """Types and families of machines that it may start; empty: unknown, or Fargate's, which has none."""
    trouble: str = ""
    """Why it runs nothing; empty: it may."""


@record
class Queue:
    """A job queue."""

    name: str
    trouble: str
    """Why it takes no jobs; empty: it does."""
    machines: tuple[Machines, ...]
    orchestrator: str = "ECS"

    @property
    def is_fargate(self) -> bool:
        """Whether its machines are Fargate's; a queue has either these or EC2's."""
        return any(one.kind.startswith("FARGATE") for one in self.machines)

    @property
    def is_spot(self) -> bool:
        """Whether machines may be reclaimed."""
        return any("SPOT" in one.kind for one in self.machines)

    @property
    def why_waiting(self) -> str:
        """Why none of its jobs would start; empty: nothing is known."""
        if self.trouble:
            return self.trouble
        troubles = [f"{one.name}: {one.trouble}" for one in self.machines]
        return "; ".join(troubles) if all(one.trouble for one in self.machines) else ""

    def size_trouble(self, cpu: float) -> str:
        """Say why a job of that many cores would never start; empty: nothing is known."""
        most = [one.max_vcpus for one in self.machines]
        known = [one for one in most if one is not None]
        if len(known) == len(most) and known and cpu > max(known):
            return (
                f"queue {self.name} has machines of {max(known)} cores in all, and the step asks for {cpu:g}"
            )
        return ""


async def look_at_queue(caller: Caller, name: str) -> Queue:
    """Ask AWS for a queue and its machines: two calls.

    Raises:
        BatchQueueError: There is no such queue in this region.
        PlatformError: AWS refuses, or does not answer.
    """
    what = f"Job queue {name} cannot be looked at"
    answer = await caller.ask("describe_job_queues", what, jobQueues=[name])
    found: list[dict[str, Any]] = answer.get("jobQueues") or []
    if not found:
        raise BatchQueueError(
            f"There is no job queue '{name}' in {caller.region}",
            hint="Check its name and the region (AWS_REGION); those that there are: aws batch describe-job-queues",
        )
    order: list[dict[str, Any]] = found[0].get("computeEnvironmentOrder") or []
    names = [str(one["computeEnvironment"]) for one in order]
    machines: list[dict[str, Any]] = []
    if names:
        answer = await caller.ask("describe_compute_environments", what, computeEnvironments=names)
        machines = answer.get("computeEnvironments") or []
    return read_queue(found[0], machines)


async def list_queues(caller: Caller, known: Sequence[str]) -> list[str]:
    """Return the names of all queues, known ones first; if they may not be listed, those. Raises PlatformError."""
    names = list(known)
    try:
        async for page in caller.pages("describe_job_queues", "Job queues cannot be listed", "jobQueues"):
            names += [str(queue["jobQueueName"]) for queue in page]
    except BatchAccessDenied:
        if not known:
            raise
    return list(dict.fromkeys(name.rpartition("/")[2] for name in names))


def read_queue(
    queue: Mapping[str, Any], machines: Sequence[Mapping[str, Any]]
) -> Queue:  # Any: AWS's answers
    """Make one value of what AWS says of a queue and of its compute environments."""
    orchestrators = {str(one.get("containerOrchestrationType") or "ECS") for one in machines}
    return Queue(
        name=str(queue["jobQueueName"]),
        trouble=_trouble(queue),
        machines=tuple(_machines(one) for one in machines),
        orchestrator="EKS" if "EKS" in orchestrators else "ECS",
    )


def _machines(environment: Mapping[str, Any]) -> Machines:  # Any: as above
    resources = cast("Mapping[str, Any]", environment.get("computeResources") or {})
    most = resources.get("maxvCpus")
    return Machines(
        name=str(environment["computeEnvironmentName"]),
        kind=str(resources.get("type") or ""),
        max_vcpus=None if most is None else int(most),
        types=tuple(str(one) for one in resources.get("instanceTypes") or ()),
        trouble=_trouble(environment),
    )


def _trouble(found: Mapping[str, Any]) -> str:  # Any: as above
    reason = one_line(str(found.get("statusReason") or ""), _LONGEST_REASON)
    if found.get("state") == "DISABLED":
        return "it is DISABLED"
    if found.get("status") in ("INVALID", "DELETING", "DELETED"):
        return f"it is {found['status']}: {reason}" if reason else f"it is {found['status']}"
    return ""
