"""What the tasks of one event loop print, told apart: `sys.stdout` and `sys.stderr` that ask whose code is writing.

Whose it is stands in a context variable, which tasks and `anyio.to_thread` hand down. What is written outside of any
task goes where the process's own output goes.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from asyncflow.flow.current import make_current_per_task

__all__ = ["OWNER", "Owner", "Write", "route_output", "share_process"]

STDOUT_FD = 1
STDERR_FD = 2


class Owner(Protocol):
    """The attempt that code runs for."""

    token: int
    is_over: bool
    """What it writes from now on is nobody's."""

    def adopt(self, task: asyncio.Task[object]) -> None:
        """Take note of a task that the attempt's code has started."""
        ...


OWNER: ContextVar[Owner | None] = ContextVar("asyncflow_owner", default=None)
"""Whose code is running."""

Write = Callable[[int, int, bytes], None]
"""Takes an attempt's token, 1 or 2 for its stdout or stderr, and bytes. Called from any thread."""


class _Routed(io.BufferedIOBase):
    """The bytes of one stream on their way to whom they belong to."""

    def __init__(self, fd: int, write: Write) -> None:
        super().__init__()
        self._fd = fd
        self._write = write

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def write(self, data: object, /) -> int:
        given = bytes(data)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType] - any buffer
        owner = OWNER.get()
        if owner is not None and not owner.is_over:
            self._write(owner.token, self._fd, given)
            return len(given)
        rest = given
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        return len(given)


class _Stream(io.TextIOWrapper):
    """A text stream that all tasks share, so that none of them can close it."""

    def close(self) -> None:
        """Do nothing: the others go on."""


def route_output(write: Write) -> None:
    """Make `print`, `sys.stdout.buffer` and `logging` of this process go through `write`."""
    old = {STDOUT_FD: (sys.stdout, sys.__stdout__), STDERR_FD: (sys.stderr, sys.__stderr__)}
    new = {STDOUT_FD: _stream(STDOUT_FD, write), STDERR_FD: _stream(STDERR_FD, write)}
    sys.stdout, sys.stderr = new[STDOUT_FD], new[STDERR_FD]
    references: list[Any] = getattr(
        logging, "_handlerList", []
    )  # Any: weak references; there is no public way
    for reference in references:
        handler: Any = reference()  # Any: whatever the user has installed
        fd = _fd_of(getattr(handler, "stream", None), old)
        if fd is not None and isinstance(handler, logging.StreamHandler):
            handler.setStream(new[fd])  # pyright: ignore[reportUnknownMemberType] - generic, of no known kind


def share_process(write: Write) -> None:
    """Get a process ready for tasks that share it: what they print and what `current` says is told apart. For good."""
    route_output(write)
    make_current_per_task()


def _stream(fd: int, write: Write) -> _Stream:
    routed: Any = _Routed(fd, write)  # Any: the text layer asks for methods that it never calls
    return _Stream(routed, encoding="utf-8", errors="backslashreplace", write_through=True)


def _fd_of(stream: Any, known: Mapping[int, tuple[object, object]]) -> int | None:  # Any: the user's
    """Say whether a stream is stdout or stderr, even one that was made before a fork."""
    if stream is None:
        return None
    for fd, streams in known.items():
        if any(stream is one for one in streams):
            return fd
    try:
        fd = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return fd if fd in known else None
