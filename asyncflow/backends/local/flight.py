"""One attempt in flight, and the words for how it ended."""

from __future__ import annotations

import errno
import os
import signal

from asyncflow.backends.local.pump import Pipe
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome
from asyncflow.worker.spec import TaskSpec

__all__ = ["Flight", "reason_of_end", "reason_of_refusal"]


class Flight:
    """What the backend knows of an attempt between its launch and its end."""

    __slots__ = ("attempt", "is_forced", "is_stopped", "outcome", "pid", "pipes", "spec", "token", "worker")

    def __init__(self, spec: TaskSpec, token: int) -> None:
        self.attempt: Attempt = spec.attempt
        self.token = token
        self.spec: TaskSpec | None = spec
        """None once it is sent."""
        self.pipes: tuple[Pipe, Pipe] | None = None
        """None until it is sent."""
        self.pid: int | None = None
        self.outcome: Outcome | None = None
        """What the worker has reported."""
        self.is_stopped = False
        """It was asked to stop."""
        self.is_forced = False
        """It was killed on purpose."""
        self.worker: int | None = None
        """Token of the async worker it was given to. None: it has a process of its own."""


def reason_of_end(code: int, peak_bytes: int, *, is_forced: bool) -> str:
    """Say why a process ended that has not reported. `code` is negative for a signal."""
    if code >= 0:
        return f"its process ended with exit code {code} before the step was done"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    reason = f"killed by signal {-code}{name}"
    if -code != signal.SIGKILL:
        return reason
    if is_forced:
        return f"{reason}, as it was told to"
    return f"{reason}, perhaps out of memory: it had used {peak_bytes / (1 << 20):,.0f} MiB"


def reason_of_refusal(number: int) -> str:
    """Say why a process could not be forked."""
    name = errno.errorcode.get(number, str(number))
    hint = {errno.EAGAIN: ": too many processes (`ulimit -u`)", errno.ENOMEM: ": not enough memory"}
    return f"its process could not be started: {os.strerror(number)} ({name}){hint.get(number, '')}"
