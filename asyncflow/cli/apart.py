"""A run and its dashboard as two processes: the scheduler in a session of its own, so that nothing that happens to the
terminal, the dashboard or its process touches the run.

The scheduler is forked first, from a process without threads, event loop or SQLite; while it starts the run, this
process imports the dashboard. A run that is over before the dashboard could be painted is shown as plain lines.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from asyncflow.cli import terminal
from asyncflow.cli.errors import tell
from asyncflow.cli.silent_ui import SilentUI
from asyncflow.endings import end_process
from asyncflow.errors import ExitCode

if TYPE_CHECKING:
    from asyncflow.tui.app import Leave

__all__ = ["drive_apart", "watch"]

_SHORT_S = 0.1
"""A run that ends so soon gets no dashboard: it would only flicker."""
_NAP_S = 0.005


def drive_apart(drive: Callable[[SilentUI], int], *, home: str) -> int:
    """Drive a run in a process of its own, and watch it; return the run's exit code, 0 when it was left running.

    Args:
        drive: Drives the run with the observer it is given, and returns an exit code.
        home: The store's directory.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    said = _scratch_file(home)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _schedule(drive, writing, said)
    os.close(writing)
    return _Watcher(pid, reading, said, home).until_end()


class _Announcer(SilentUI):
    """Tells the dashboard's process which run it is."""

    def __init__(self, number: int) -> None:
        self._number = number

    def registered(self, run: int) -> None:
        """The run has an id."""
        try:
            os.write(self._number, f"{run}\n".encode())
        except BrokenPipeError:
            pass  # the dashboard is gone, and the run goes on without it
        os.close(self._number)


def _schedule(drive: Callable[[SilentUI], int], writing: int, said: int) -> NoReturn:
    """Be the scheduler: a session of its own, no terminal, what it says in a file."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(said)
    try:
        code = drive(_Announcer(writing))
    except BaseException as error:  # noqa: BLE001 - this process's last line
        code = tell(error, program="asyncflow")
    end_process(code)


def _scratch_file(home: str) -> int:
    """Return a new file without a name, readable and writable."""
    from asyncflow.store.layout import temporary_directory

    path = os.path.join(temporary_directory(home), f"said.{os.getpid()}")
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    os.unlink(path)
    return number


class _Watcher:
    def __init__(self, pid: int, reading: int, said: int, home: str) -> None:
        self._pid = pid
        self._reading = reading
        self._said = said
        self._home = home
        self._code: int | None = None

    def until_end(self) -> int:
        """Show the run until it ends or is left; return the exit code."""
        try:
            return self._watch()
        except KeyboardInterrupt:  # before or after the dashboard, where Ctrl-C is a signal
            os.kill(self._pid, signal.SIGINT)
            return self._finish(self._run_id())

    def _watch(self) -> int:
        run = self._run_id()
        if run is None or self._wait(_SHORT_S):
            return self._finish(run, is_told=True)

        if self._wait(0):
            return self._finish(run, is_told=True)
        left = watch(self._home, run=run, is_watching=True)
        if left is not None and left.kind == "detach":
            _tell_detached(run)
            return ExitCode.OK
        if left is None:
            terminal.err(f"The dashboard failed. Run {run} goes on; here is the rest of it:")
            return self._finish(run, is_told=True)
        return self._finish(run)

    def _run_id(self) -> int | None:
        """Wait for the run's id; None when the scheduler ended without one."""
        text = b""
        while not text.endswith(b"\n"):
            select.select([self._reading], [], [])
            piece = os.read(self._reading, 64)
            if not piece:
                return None
            text += piece
        return int(text)

    def _finish(self, run: int | None, *, is_told: bool = False) -> int:
        """Wait for the scheduler's end, and say how the run ended."""
        if run is not None and is_told:
            from asyncflow.cli.stream import PlainStream

            PlainStream(self._home).show(run, lambda seconds: self._wait(seconds))
        while not self._wait(3600):
            continue
        self._echo()
        if run is not None:
            from asyncflow.cli.summary import tell_summary

            tell_summary(self._home, run)
        return ExitCode.FAILURE if self._code is None else self._code

    def _wait(self, seconds: float) -> bool:
        """Wait for the scheduler's end; tell whether it has ended."""
        until = time.monotonic() + seconds
        while self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else 128 - code
            elif time.monotonic() >= until:
                return False
            else:
                time.sleep(_NAP_S)
        return True

    def _echo(self) -> None:
        """Say what the scheduler said."""
        size = os.fstat(self._said).st_size
        text = os.pread(self._said, size, 0).decode("utf-8", "replace").rstrip("\n") if size else ""
        if text:
            terminal.err(text)


def watch(
    home: str,
    *,
    run: int | None = None,
    task: int | None = None,
    is_watching: bool = False,
    is_read_only: bool = False,
    has_mouse: bool = True,
) -> Leave | None:
    """Show the dashboard until it is left; return why. None: it failed, and has said so.

    Ends the process when the terminal has gone (SIGHUP) or it is told to (SIGTERM), after the terminal is restored.
    """
    from asyncflow.cli.stream import PlainStream, until_key
    from asyncflow.tui.app import Dashboard

    plain = PlainStream(home)

    def stream(of: int) -> None:
        terminal.err("Plain lines; any key goes back to the dashboard.")
        until = until_key()
        if plain.show(of, until):
            terminal.err("That is all. Any key goes back to the dashboard.")
            while not until(3600):
                continue

    app = Dashboard(
        home, run=run, task=task, is_watching=is_watching, is_read_only=is_read_only, stream=stream
    )
    left = app.run(mouse=has_mouse)
    if left is not None and left.kind == "told":
        if run is not None and is_watching:
            _tell_detached(run)
        end_process(128 + app.told_by)
    return left


def _tell_detached(run: int) -> None:
    terminal.err(f"Run {run} goes on without a dashboard.")
    terminal.err(f"    Back to it: asyncflow tui {run}")
    terminal.err(f"    Stop it:    asyncflow cancel {run}")
