"""What runs in a process of its own, as the program sees it that started it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from asyncflow.client.errors import NoSuchObject
from asyncflow.client.place import place_at
from asyncflow.client.runs import Run
from asyncflow.client.tasks import Task
from asyncflow.runner.launched import POLL_S, Launched
from asyncflow.store.home import HOME_VARIABLE, find_home
from asyncflow.store.layout import SPIN_STORE

__all__ = ["Executing", "ExecutingRun", "ExecutingTask"]


class Executing:
    """A process of ours that runs something. Leaving its `with` ends what still runs.

    Args:
        launched: The process, which has said which run it is.
        run: The run's id.
    """

    def __init__(self, launched: Launched, run: int) -> None:
        self._launched = launched
        self._number = run
        self._has_timed_out = False

    @property
    def _home(self) -> str:
        """The store's directory."""
        return _home_of(self._launched)

    @property
    def is_recorded(self) -> bool:
        """The run's log has begun, so it can be looked at."""
        place = place_at(self._home)
        return place.has_runs and place.reader.run(self._number) is not None

    @property
    def id(self) -> int:
        """The run's id."""
        return self._number

    @property
    def returncode(self) -> int | None:
        """What its process ended with; None while it runs."""
        return self._launched.returncode

    @property
    def status(self) -> str:
        """`running`, `successful`, `failed`, or `timeout` when `wait` ended it."""
        if self._has_timed_out:
            return "timeout"
        code = self.returncode
        return "running" if code is None else "failed" if code else "successful"

    @property
    def stdout(self) -> str:
        """What its process has printed to stdout so far."""
        return self._launched.text_of("stdout")

    @property
    def stderr(self) -> str:
        """What its process has printed to stderr so far."""
        return self._launched.text_of("stderr")

    async def wait(self, timeout: float | None = None, stream: str | None = None) -> Self:  # noqa: ASYNC109 - Metaflow's
        """Wait until the run has ended.

        Args:
            timeout: Longest wait, seconds; then the run is ended and has the status `timeout`. None: no limit.
            stream: Print what it prints to `stdout` or `stderr` meanwhile. None: nothing.

        Cancellation:
            The run goes on.
        """
        with anyio.move_on_after(timeout) as scope:
            if stream is not None:
                async for _, line in self.stream_log(stream):
                    sys.stdout.write(f"{line}\n")
            while self.returncode is None:  # noqa: ASYNC110 - a process, not an event
                await anyio.sleep(POLL_S)
        if scope.cancelled_caught:
            self._has_timed_out = True
            await anyio.to_thread.run_sync(self._launched.end)
        return self

    async def stream_log(self, stream: str, position: int | None = None) -> AsyncIterator[tuple[int, str]]:
        """Yield what the process prints to `stdout` or `stderr`, line by line, until it has ended.

        Args:
            stream: Which one.
            position: Where to begin, as a line before it was told with; None: at the beginning.

        Yields:
            The position after the line, and the line without its newline.
        """
        if stream not in ("stdout", "stderr"):
            raise ValueError(f"there are the streams 'stdout' and 'stderr', and no {stream!r}")
        at = position or 0
        while True:
            is_over = self.returncode is not None
            for line in _lines_from(self._launched.path_of(stream), at, is_over=is_over):
                at += len(line)
                yield at, line.rstrip(b"\n").decode("utf-8", "replace")
            if is_over:
                return
            await anyio.sleep(POLL_S)

    def cleanup(self) -> None:
        """End what still runs, and remove its temporary files. Blocking. Safe to call twice."""
        self._launched.clean_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):  # bounded: the process is killed when it takes too long
            await anyio.to_thread.run_sync(self.cleanup)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._number}: {self.status}>"


class ExecutingRun(Executing):
    """A run that was started by a `Runner`."""

    @property
    def run(self) -> Run:
        """The run, to look at what it did. Raises NoSuchObject if its process died before it was recorded."""
        place = place_at(self._home)
        row = place.reader.run(self._number)
        if row is None:
            raise NoSuchObject(f"Run {self._number} is not recorded: its process ended too early")
        return Run(f"{row.flow}/{self._number}", _namespace_check=False, _place=place)


class ExecutingTask(Executing):
    """A task that was started by `Runner.spin`. It is kept in a store of its own, as by `spin --persist`."""

    @property
    def _home(self) -> str:
        return f"{_home_of(self._launched)}/{SPIN_STORE}"

    @property
    def task(self) -> Task:
        """The task, to look at what it made. Raises NoSuchObject if its process died before it was recorded."""
        place = place_at(self._home)
        row = place.reader.run(self._number)
        found = None if row is None else next(iter(place.reader.tasks(self._number)), None)
        if row is None or found is None:
            raise NoSuchObject("The task is not recorded: its process ended too early")
        pathspec = f"{row.flow}/{self._number}/{found.step}/{found.task}"
        return Task(pathspec, _namespace_check=False, _place=place)


def _home_of(launched: Launched) -> str:
    named = launched.env.get(HOME_VARIABLE)
    if named:
        return os.path.abspath(os.path.join(launched.cwd or "", os.path.expanduser(named)))
    return find_home(os.path.abspath(launched.cwd or os.getcwd()), is_named=False) or ""


def _lines_from(path: str, position: int, *, is_over: bool) -> list[bytes]:
    with open(path, "rb") as file:
        file.seek(position)
        lines = file.read().splitlines(keepends=True)
    return lines if is_over or not lines or lines[-1].endswith(b"\n") else lines[:-1]
