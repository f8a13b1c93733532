"""What Slurm's words for a job's state mean. Source: squeue(1), "JOB STATE CODES"."""

from __future__ import annotations

import os
from typing import NamedTuple

from asyncflow.backends.remote.platform import End, EndReason, Phase

__all__ = ["TIME_IS_UP", "Row", "end_of", "exit_code_of", "note_of", "phase_of"]

TIME_IS_UP = 124
"""A job's script exits with this when it has ended the command because of its time limit, as timeout(1) does."""

_PENDING = (
    "CONFIGURING",
    "PENDING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
)
_ENDS = {
    "BOOT_FAIL": EndReason.LOST,
    "CANCELLED": EndReason.STOPPED,
    "COMPLETED": EndReason.SUCCEEDED,
    "DEADLINE": EndReason.TIMED_OUT,
    "FAILED": EndReason.FAILED,
    "LAUNCH_FAILED": EndReason.LOST,
    "NODE_FAIL": EndReason.LOST,
    "OUT_OF_MEMORY": EndReason.OUT_OF_MEMORY,
    "PREEMPTED": EndReason.EVICTED,
    "RECONFIG_FAIL": EndReason.LOST,
    "REVOKED": EndReason.LOST,
    "TIMEOUT": EndReason.TIMED_OUT,
}
_USUAL = ("", "None", "Priority", "Resources", "(null)")
"""Reasons of a job that simply has to wait."""
_LOWEST_SIGNAL, _HIGHEST_SIGNAL = 128, 192


class Row(NamedTuple):
    """A job as the queue, or accounting, shows it."""

    id: str
    """`12`, or `12_3` in an array."""
    state: str
    exit_code: int | None = None
    """As waitpid tells it."""
    reason: str = ""
    node: str = ""


def phase_of(state: str) -> Phase:
    """Return where a job of this state is; one of an unknown state is there at least."""
    if state in _ENDS:
        return Phase.ENDED
    return Phase.PENDING if state in _PENDING else Phase.RUNNING


def note_of(row: Row) -> str:
    """Say what is unusual about a job that has not ended."""
    if row.state == "PENDING":
        return "" if row.reason in _USUAL else row.reason
    return "" if row.state in ("COMPLETING", "RUNNING") else row.state.lower().replace("_", " ")


def end_of(row: Row) -> End:
    """Return how a job ended that is in one of the states of an end."""
    reason = _ENDS[row.state]
    code = row.exit_code
    if reason is EndReason.FAILED and code == TIME_IS_UP:
        return End(EndReason.TIMED_OUT, "its time limit was reached", code)
    words = row.state if row.reason in _USUAL else f"{row.state} ({row.reason})"
    is_told = reason in (EndReason.SUCCEEDED, EndReason.FAILED)
    on = f" on {row.node}" if row.node else ""
    return End(
        reason, "" if reason is EndReason.SUCCEEDED else f"Slurm says {words}{on}", code if is_told else None
    )


def exit_code_of(status: str) -> int | None:
    """Read a wait status as squeue tells it, a shell's 128 + n as signal n; None if it is none."""
    try:
        code = os.waitstatus_to_exitcode(int(status))
    except ValueError:
        return None
    return _LOWEST_SIGNAL - code if _LOWEST_SIGNAL < code <= _HIGHEST_SIGNAL else code
