"""What CloudWatch has of a container's output: a fall-back, as workers keep their logs in the store themselves."""

from __future__ import annotations

from typing import NamedTuple

from asyncflow.backends.batch.asking import Details, describe_jobs
from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal
from asyncflow.backends.batch.seen import log_group_of

__all__ = ["LogLine", "read_stream"]

_MOST_A_CALL = 10_000
_MISSING = ("ResourceNotFoundException",)


class LogLine(NamedTuple):
    """One line."""

    at: float
    """Seconds since the epoch."""
    text: str
    """Of a task: data, not to be shown without care."""


async def read_stream(caller: Caller, job: str, *, most: int) -> list[LogLine]:
    """Return the last lines of a job, in their order. Raises PlatformError.

    Args:
        job: Its id, with the number of its child.
        most: So many lines.
    """
    about = (await describe_jobs(caller, [job])).get(job, {})
    container: Details = about.get("container") or {}
    stream = container.get("logStreamName")
    if not stream:
        return []
    try:
        answer = await caller.try_(
            "get_log_events",
            service="logs",
            logGroupName=log_group_of(container),
            logStreamName=stream,
            startFromHead=False,
            limit=min(most, _MOST_A_CALL),
        )
    except (Refusal, MayBeDone) as error:
        if error.problem.code in _MISSING:
            return []  # it has not printed anything yet, or its lines are gone
        raise caller.told(error.problem, f"The log of job {job} cannot be read") from error
    events: list[Details] = answer.get("events") or []
    return [LogLine(int(event["timestamp"]) / 1000, str(event["message"])) for event in events]
