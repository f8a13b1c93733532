"""What AWS says of jobs, as the lead wants to hear it. Pure but for the book, in which is noted what was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.backends.batch.book import Member, Tracked
from asyncflow.backends.batch.reasons import end_of
from asyncflow.backends.remote.platform import End, EndReason, JobSeen, Phase
from asyncflow.text import one_line

__all__ = ["ended_without_trace", "log_group_of", "metadata_of", "phase_of", "seen_member"]

_LONGEST_NOTE = 300
_LOG_GROUP = "/aws/batch/job"
_PHASES = {"RUNNING": Phase.RUNNING, "SUCCEEDED": Phase.ENDED, "FAILED": Phase.ENDED}


def phase_of(status: str) -> Phase:
    """Return where a job in that state is."""
    return _PHASES.get(status, Phase.PENDING)


def seen_member(
    job: Tracked,
    place: int,
    found: Mapping[str, Any],  # Any: a job of DescribeJobs or ListJobs
    *,
    region: str,
    waiting: str = "",
) -> JobSeen | None:
    """Tell of a member what was not told yet; None: nothing is new. What runs is never told to be pending again.

    Args:
        found: The member, or what stands for it.
        waiting: Why it waits, if it does and AWS says nothing of it.
    """
    member = job.members[place]
    member.status = str(found.get("status") or "SUBMITTED")
    phase = phase_of(member.status)
    note = _note(found, waiting) if phase is Phase.PENDING else ""
    has_stream = _stream(found) is not None
    is_news = phase is not member.phase or note != member.note or (has_stream and not member.is_known)
    if not is_news or member.is_over or (phase is Phase.PENDING and member.phase is Phase.RUNNING):
        return None
    member.phase, member.note = phase, note
    member.is_known = member.is_known or has_stream
    metadata = metadata_of(job, place, found, region=region)
    end = _end(job, member, found) if phase is Phase.ENDED else None
    where = job.child_id(place) if end is None or _has_run(found, end) else ""
    return JobSeen(attempt=member.attempt, phase=phase, where=where, note=note, end=end, metadata=metadata)


def ended_without_trace(job: Tracked, place: int, message: str) -> JobSeen:
    """Tell that a member is gone and AWS does not say why."""
    member = job.members[place]
    member.phase = Phase.ENDED
    reason = EndReason.STOPPED if member.is_stopped else EndReason.LOST
    return JobSeen(
        attempt=member.attempt, phase=Phase.ENDED, where=job.child_id(place), end=End(reason, message)
    )


def metadata_of(
    job: Tracked, place: int, found: Mapping[str, Any], *, region: str
) -> dict[str, str]:  # Any: as above
    """Return the names of AWS's own things, under the names that Metaflow has for them."""
    told = {
        "aws-batch-job-id": job.child_id(place),
        "aws-batch-job-attempt": "1",
        "aws-batch-jq-name": job.queue.name,
        "aws-batch-execution-env": "AWS_ECS_FARGATE" if job.queue.is_fargate else "AWS_ECS_EC2",
    }
    if len(job.queue.machines) == 1:
        told["aws-batch-ce-name"] = job.queue.machines[0].name
    stream = _stream(found)
    if stream is not None:
        told["aws-batch-awslogs-group"] = log_group_of(found["container"])
        told["aws-batch-awslogs-region"] = region
        told["aws-batch-awslogs-stream"] = stream
    return told


def log_group_of(container: Mapping[str, Any]) -> str:  # Any: as above
    """Return the group of CloudWatch that has a container's log stream."""
    logging: Mapping[str, Any] = container.get("logConfiguration") or {}
    options: Mapping[str, Any] = logging.get("options") or {}
    return str(options.get("awslogs-group") or _LOG_GROUP)


def _stream(found: Mapping[str, Any]) -> str | None:  # Any: as above
    container: Mapping[str, Any] = found.get("container") or {}
    return container.get("logStreamName") or None


def _end(job: Tracked, member: Member, found: Mapping[str, Any]) -> End:  # Any: as above
    return end_of(found, is_spot=job.queue.is_spot, stopped_by_us=member.is_stopped)


def _has_run(found: Mapping[str, Any], end: End) -> bool:  # Any: as above
    """Tell whether a job that has ended had begun: one that was ended before has no place."""
    return end.reason is EndReason.SUCCEEDED or end.exit_code is not None or bool(found.get("startedAt"))


def _note(found: Mapping[str, Any], waiting: str) -> str:  # Any: as above
    reason = str(found.get("statusReason") or "") or waiting
    return one_line(reason, _LONGEST_NOTE)
