"""Why a job ended, from the words AWS Batch, ECS and Docker have for it. Pure.

The words are a fixed part of messages with ids and addresses in them; they are looked for in the order of the table.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html,
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from asyncflow.backends.remote.platform import End, EndReason
from asyncflow.text import one_line

__all__ = ["end_of", "exit_code_of"]

_LONGEST = 1000
_SIGNALS = 128
_KILLED = -9

_WORDS = (
    (r"OutOfMemory|OOMKilled|killed due to memory usage", EndReason.OUT_OF_MEMORY),
    (r"attempt duration exceeded|exceeded the configured attemptDurationSeconds", EndReason.TIMED_OUT),
    (r"Spot (Task|instance|Capacity)|spot interruption|SpotInterruption", EndReason.SPOT),
    (r"CannotPull|pull (secrets or )?(registry auth|image)|ImagePull|manifest unknown", EndReason.IMAGE),
    (r"CannotCreateContainer.*(No such image|no command specified)", EndReason.IMAGE),
    (r"executable file not found|exec format error|(exec|stat) .*no such file", EndReason.IMAGE),
    (r"Overrides length|JobStateTimeLimit|MISCONFIGURATION|CAPACITY:INSUFFICIENT", EndReason.UNSCHEDULABLE),
    (r"Cannot(Start|Create)Container|ResourceInitialization|Dependent Job failed", EndReason.UNSCHEDULABLE),
    (r"Timeout waiting for network interface|DockerTimeout|Capacity is unavailable", EndReason.EVICTED),
    (
        r"Host EC2 .*(terminated|stopped)|instance .*(draining|deregistered)|scal(e|ing)[- ]in",
        EndReason.EVICTED,
    ),
    (r"CannotInspectContainer|CannotStopContainer|agent .*disconnected", EndReason.LOST),
)
_TABLE = tuple((re.compile(words, re.IGNORECASE), reason) for words, reason in _WORDS)
_HOST_GONE = re.compile(r"Host EC2 .*(terminated|stopped)", re.IGNORECASE)


def end_of(
    job: Mapping[str, Any],  # Any: a job of DescribeJobs or ListJobs
    *,
    is_spot: bool = False,
    stopped_by_us: bool = False,
) -> End:
    """Say how a job that has SUCCEEDED or FAILED ended.

    Args:
        is_spot: Its queue's machines are spot machines: one that goes away was most likely reclaimed.
        stopped_by_us: We have asked for it to end.
    """
    exit_code = exit_code_of(job)
    if job.get("status") == "SUCCEEDED":
        return End(EndReason.SUCCEEDED, "", exit_code if exit_code is not None else 0)
    said = _said(job)
    reason = _reason_of(job, said, exit_code, stopped_by_us=stopped_by_us)
    if reason is EndReason.EVICTED and is_spot and _HOST_GONE.search(said):
        reason = EndReason.SPOT
    return End(reason, _message(reason, said, exit_code), exit_code)


def exit_code_of(job: Mapping[str, Any]) -> int | None:  # Any: see end_of
    """Return the exit code as waitpid tells it: containers tell of a signal by 128 more than its number."""
    found = _container(job).get("exitCode")
    if found is None:
        return None
    code = int(found)
    return _SIGNALS - code if _SIGNALS < code <= _SIGNALS + 64 else code


def _reason_of(job: Mapping[str, Any], said: str, exit_code: int | None, *, stopped_by_us: bool) -> EndReason:
    told = next((reason for words, reason in _TABLE if words.search(said)), None)
    if told is EndReason.OUT_OF_MEMORY or told is EndReason.TIMED_OUT:
        return told
    if stopped_by_us or job.get("isTerminated") or job.get("isCancelled"):
        return told if told is EndReason.UNSCHEDULABLE and not stopped_by_us else EndReason.STOPPED
    if told is not None:
        return told
    if exit_code is not None:
        return EndReason.FAILED
    return EndReason.STOPPED if _is_somebodys(said) else EndReason.LOST


def _is_somebodys(said: str) -> bool:
    """Whether the reason is one that a person gave: AWS has no others for a job that has no exit code."""
    return bool(said) and not re.search(
        r"Essential container|Task failed to start|Internal|unknown", said, re.IGNORECASE
    )


def _said(job: Mapping[str, Any]) -> str:  # Any: see end_of
    """What Batch says and what the container's host says, once each."""
    parts = (str(job.get("statusReason") or ""), str(_container(job).get("reason") or ""))
    return ": ".join(dict.fromkeys(one_line(part, _LONGEST) for part in parts if part))


def _container(job: Mapping[str, Any]) -> Mapping[str, Any]:  # Any: see end_of
    """The job's container, or that of its last attempt, where it has told more."""
    container: Mapping[str, Any] = job.get("container") or {}
    attempts: Sequence[Mapping[str, Any]] = job.get("attempts") or ()
    if container.get("exitCode") is not None or container.get("reason") or not attempts:
        return container
    return attempts[-1].get("container") or container


def _message(reason: EndReason, said: str, exit_code: int | None) -> str:
    if reason is EndReason.FAILED and exit_code == _KILLED:
        return f"{said}: it was killed (exit code 137), perhaps for want of memory".removeprefix(": ")
    return said
