"""From what a worker left and what its platform says to the fact that the machine is told. Pure.

| result in the store      | the platform says            | the machine is told                                   |
|--------------------------|------------------------------|-------------------------------------------------------|
| a manifest               | anything                     | what the manifest says                                |
| a failure, terminated    | evicted, spot, lost          | lost through no fault of the step                     |
| a failure, terminated    | another reason of its own    | lost, for that reason                                 |
| no manifest, a reason    | anything less certain        | lost, for that reason                                 |
| none                     | a reason of its own          | lost, for that reason                                 |
| none                     | nothing: it knows of no job  | lost through no fault of the step                     |
"""

from __future__ import annotations

import signal

from asyncflow.backends.remote.platform import End, EndReason
from asyncflow.errors import StoreError
from asyncflow.machine.facts import WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import OUT_OF_MEMORY, ErrorInfo, Failed, Outcome
from asyncflow.store.left import Left
from asyncflow.store.manifests import decode_manifest
from asyncflow.worker.report import outcome_of

__all__ = ["IMPORT", "KILLED", "TERMINATED", "conclude"]

TERMINATED, KILLED, IMPORT = "terminated", "killed", "import"
"""What a worker says of why its attempt did not end by itself."""

_KINDS = {
    EndReason.OUT_OF_MEMORY: OUT_OF_MEMORY,
    EndReason.EVICTED: "asyncflow.Evicted",
    EndReason.SPOT: "asyncflow.SpotReclaimed",
    EndReason.IMAGE: "asyncflow.ImageError",
    EndReason.UNSCHEDULABLE: "asyncflow.Unschedulable",
    EndReason.TIMED_OUT: "asyncflow.TimeoutException",
}
_LOST = "asyncflow.WorkerLost"
_FINAL = (EndReason.IMAGE, EndReason.UNSCHEDULABLE)
_PACKAGE_CODES = {
    75: "its code package could not be fetched; the end of its output says why",
    78: "its image cannot run a worker; the end of its output says why",
}
"""Exit codes of `worker.bootstrap`."""


def conclude(
    attempt: Attempt, left: Left | None, end: End | None, *, at: float, platform: str
) -> WorkerReported | WorkerLost:
    """Return the end of an attempt.

    Args:
        attempt: Which.
        left: What its worker left in the store; None: nothing.
        end: What the platform says; None: it knows of no job.
        at: When that was seen, seconds since the epoch.
        platform: Its name, for messages.

    Raises:
        StoreError: What the worker left is damaged.
    """
    if left is not None and left.manifest:
        return _reported(attempt, left, end, at=at, platform=platform)
    if left is not None and left.reason == IMPORT:
        error = ErrorInfo("asyncflow.FlowLoadError", left.problem, is_retryable=False)
        return WorkerReported(at=at, attempt=attempt, outcome=Failed(error=error))
    if left is not None and not _says_more(end):
        return _lost_by_worker(attempt, left, at=at)
    if end is None:
        return WorkerLost(
            at=at, attempt=attempt, reason=f"{platform} knows of no job for it any more", is_our_fault=True
        )
    return _lost(attempt, end, at=at, platform=platform)


def _reported(
    attempt: Attempt, left: Left, end: End | None, *, at: float, platform: str
) -> WorkerReported | WorkerLost:
    outcome = _outcome(left)
    was_terminated = isinstance(outcome, Failed) and left.reason == TERMINATED
    if was_terminated and end is not None and _says_why(end):
        return _lost(attempt, end, at=at, platform=platform)
    return WorkerReported(at=at, attempt=attempt, outcome=outcome)


def _outcome(left: Left) -> Outcome:
    try:
        return outcome_of(decode_manifest(left.manifest))
    except ValueError as error:
        raise StoreError(f"What an attempt left is damaged: {error}") from error


def _says_why(end: End) -> bool:
    """Tell whether the platform says why it terminated an attempt."""
    return end.reason.is_our_fault or (_says_more(end) and bool(end.message))


def _says_more(end: End | None) -> bool:
    """Tell whether the platform knows better than the worker why the attempt ended."""
    return end is not None and end.reason not in (EndReason.SUCCEEDED, EndReason.FAILED)


def _lost_by_worker(attempt: Attempt, left: Left, *, at: float) -> WorkerLost:
    kind = OUT_OF_MEMORY if left.reason == OUT_OF_MEMORY else _LOST
    reason = left.problem or left.reason or "its worker left no result"
    if kind == OUT_OF_MEMORY:
        reason = f"out of memory: {reason}"
    return WorkerLost(at=at, attempt=attempt, reason=reason, kind=kind)


def _lost(attempt: Attempt, end: End, *, at: float, platform: str) -> WorkerLost:
    return WorkerLost(
        at=at,
        attempt=attempt,
        reason=_words(end, platform),
        exit_code=end.exit_code,
        is_our_fault=end.reason.is_our_fault,
        kind=_KINDS.get(end.reason, _LOST),
        is_retryable=end.reason not in _FINAL,
    )


def _words(end: End, platform: str) -> str:
    told = f": {end.message}" if end.message else ""
    if end.reason is EndReason.SUCCEEDED:
        return f"its worker ended without leaving a result{told}"
    if end.reason is EndReason.FAILED:
        return f"{_of_code(end.exit_code)}{told}"
    return f"{end.reason} on {platform}{told}"


def _of_code(code: int | None) -> str:
    if code is None:
        return "its worker failed and left no result"
    if code in _PACKAGE_CODES:
        return _PACKAGE_CODES[code]
    if code > 128 or code < 0:
        number = -code if code < 0 else code - 128
        try:
            name = f" ({signal.Signals(number).name})"
        except ValueError:
            name = ""
        return f"its worker was killed by signal {number}{name}"
    return f"its worker ended with exit code {code} and left no result"
