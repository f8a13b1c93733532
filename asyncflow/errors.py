"""The three families of errors: the user's to fix, the world's, and ours."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

__all__ = [
    "AsyncflowError",
    "ExitCode",
    "InternalError",
    "PlatformError",
    "RunIsElsewhere",
    "StoreError",
    "UserError",
]


class ExitCode(IntEnum):
    """What `asyncflow` exits with."""

    OK = 0
    FAILURE = 1
    """The run failed, or the world did."""
    USAGE = 2
    """The command line, a parameter, a run id or the flow file is wrong."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM."""


class AsyncflowError(Exception):
    """Base of every error asyncflow raises on purpose.

    Args:
        message: What is wrong, naming the thing and its value. One or more lines. Users who raise an error of their own
            may leave it out, or give another value than text.
        where: `file:line` or another place, if there is one.
        source: The source line at `where`, if there is one.
        hint: What to do next, ideally a command to type.
    """

    headline = "Something went wrong"
    exit_code = ExitCode.FAILURE

    def __init__(self, message: object = "", *, where: str = "", source: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = str(message)
        self.where = where
        self.source = source
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:  # Any: as pickle has it
        """Be pickled as what it is: a subclass of a user's may take other arguments than ours does."""
        return (_rebuilt, (type(self), self.args, self.__dict__))

    def __str__(self) -> str:
        parts = [self.message]
        if self.where:
            parts.append(f"at {self.where}")
        if self.hint:
            parts.append(self.hint)
        return "\n".join(parts)


class UserError(AsyncflowError):
    """The user can fix it. Subclasses set `headline`, and `exit_code` where it is not a usage error.

    Args:
        message: What is wrong.
        lineno: As Metaflow's errors have it; shown as the place where there is no other.
        msg: Another name of `message`, as Metaflow's errors have it.
        where: As in every error.
        source: Likewise.
        hint: Likewise.
    """

    headline = "Invalid command"
    exit_code = ExitCode.USAGE

    def __init__(
        self,
        message: object = "",
        lineno: int | None = None,
        *,
        msg: object = "",
        where: str = "",
        source: str = "",
        hint: str = "",
    ) -> None:
        place = where or ("" if lineno is None else f"line {lineno}")
        super().__init__(message or msg, where=place, source=source, hint=hint)


class PlatformError(AsyncflowError):
    """The world failed: disk, process table, network. The message says what was tried and what is left behind."""

    headline = "The machine refused"


class StoreError(PlatformError):
    """The store cannot be read or written: missing or damaged file, full disk, no permission."""

    headline = "Store error"


class RunIsElsewhere(PlatformError):
    """Another process drives this run; this one has stopped and changed nothing."""

    headline = "The run is driven by another process"


class InternalError(AsyncflowError):
    """A bug of asyncflow. The message carries the story and where the log is."""

    headline = "Internal error (a bug in asyncflow)"


def _rebuilt(
    kind: type[AsyncflowError],
    args: tuple[Any, ...],
    state: dict[str, Any],  # Any: the user's, if the class is
) -> AsyncflowError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
