"""A task's process from its fork to its end: what surrounds the attempt itself.

Everything here runs once per task in a fresh copy of the zygote, where each page of memory that is written to costs a
page fault. So nothing is imported or prepared here that the zygote can prepare.
"""

from __future__ import annotations

import gc
import io
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from asyncflow.backends.local.processes import (
    be_subreaper,
    die_with_parent,
    flush_c_streams,
    has_children,
    kill_group,
)
from asyncflow.backends.local.wire import marker
from asyncflow.endings import flush_streams, run_exit_functions
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Failed, Outcome
from asyncflow.worker import rehearsal, report

__all__ = [
    "ALONE",
    "TaskStopped",
    "become_task",
    "hold_sigterm",
    "is_heard",
    "open_streams",
    "perform",
    "rehearse",
    "stop_on_sigterm",
    "watch_parent",
]

ALONE = 175
"""Exit code of a task's process that has reported and leaves no process behind; the zygote need not look for any."""
_STOPPED = 128 + signal.SIGTERM
_STOP_AGAIN_S = 0.02
_SIGCHLD = int(signal.SIGCHLD)
_SIGTERM = int(signal.SIGTERM)
_SIG_DFL = int(signal.SIG_DFL)
_SIG_UNBLOCK = int(signal.SIG_UNBLOCK)
# Looked up once: looking a name up in a module touches the pages of the name, the module and its type, in every task's
# process anew. Of `signal` without its enums, which would be a dozen pages more.
_set_handler: Callable[[int, int], object] = import_module("_signal").signal
_set_mask: Callable[[int, list[int]], object] = import_module("_signal").pthread_sigmask
_set_wakeup_fd: Callable[[int], int] = import_module("_signal").set_wakeup_fd
_close, _dup2, _write, _exit = os.close, os.dup2, os.write, os._exit
_getpid, _getppid, _setpgid = os.getpid, os.getppid, os.setpgid
_enable_gc = gc.enable


class TaskStopped(SystemExit):
    """The scheduler asked the task to stop (cancel, timeout). Raised in the step, so that its `finally` blocks run."""


def become_task(parent: int, stdout_fd: int, stderr_fd: int, others: Sequence[int]) -> None:
    """Turn a fork of the zygote into a task's process: its own group, its own streams, dead when the zygote dies.

    A group and not a session: the zygote's session has no terminal, and where the kernel schedules by session
    (autogroup), one for each task would cost 30 us and leave the scheduler a small share of a busy machine.

    Args:
        parent: The zygote.
        stdout_fd: Becomes 1.
        stderr_fd: Becomes 2.
        others: The zygote's own descriptors, closed.
    """
    die_with_parent()
    if _getppid() != parent:
        _exit(1)
    _setpgid(0, 0)
    be_subreaper()
    _dup2(stdout_fd, 1)
    _dup2(stderr_fd, 2)
    for fd in (stdout_fd, stderr_fd, *others):
        _close(fd)
    _set_wakeup_fd(-1)
    _set_handler(_SIGCHLD, _SIG_DFL)


def is_heard() -> bool:
    """Say whether somebody reads what this process prints; nobody does once the scheduler is dead.

    Between its death and the zygote's, which takes the task along, a `print` fails with EPIPE.
    """
    streams = select.poll()
    for fd in (1, 2):
        streams.register(fd, 0)
    return not any(seen & select.POLLERR for _, seen in streams.poll(0))


def watch_parent(life_fd: int) -> None:
    """Be killed when the parent dies, where the kernel does not see to it.

    A thread waits for the end of a pipe whose writing end only the parent holds.
    """

    def watch() -> None:
        os.read(life_fd, 1)
        kill_group(0)

    threading.Thread(target=watch, daemon=True).start()


def stop_on_sigterm() -> None:
    """Raise `TaskStopped` at SIGTERM, once. `hold_sigterm` comes first, and `perform` ends the holding."""
    told: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if not told:
            told.append(number)
            raise TaskStopped("the scheduler asked the task to stop (SIGTERM)")

    def notice(unraisable: sys.UnraisableHookArgs) -> None:
        if unraisable.exc_type is TaskStopped:  # raised where it cannot be, such as in a __del__
            threading.Timer(_STOP_AGAIN_S, stop_again).start()
        else:
            sys.__unraisablehook__(unraisable)

    def stop_again() -> None:
        told.clear()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    sys.unraisablehook = notice


def hold_sigterm() -> None:
    """Keep SIGTERM waiting in this process and, after a fork or exec, in the new one.

    A fork drops what the interpreter has received and not handled, and an import may swallow what is raised in it;
    what waits in the kernel is not lost.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def open_streams() -> None:
    """Make the standard streams anew: line-buffered, never failing on a character, not closing 0, 1 and 2."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    sys.stdout = sys.__stdout__ = _stream(1)
    sys.stderr = sys.__stderr__ = _stream(2)


def _stream(fd: int) -> io.TextIOWrapper:
    raw = open(fd, "wb", closefd=False)  # noqa: SIM115 - lives as long as the process
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def perform(work: Callable[[], Outcome], attempt: Attempt, report_fd: int) -> NoReturn:
    """Run an attempt, report it, do what a program does at its end, and end the process."""
    own = _getpid()
    code = 1
    streams = (sys.stdout, sys.stderr)
    try:
        _set_mask(_SIG_UNBLOCK, [_SIGTERM])
        _enable_gc()
        outcome = work()
        if _getpid() == own:
            _send(report_fd, attempt, outcome)
            run_exit_functions()
        code = int(isinstance(outcome, Failed))
    except TaskStopped:
        code = _STOPPED
        raise
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        raise
    finally:
        flush_streams(*streams)
        flush_c_streams()
        _exit(ALONE if code <= 1 and not has_children() else code)


def rehearse(directory: str, *, with_cards: bool = False) -> None:
    """Do once in the zygote, several times over, what every task does from its step to its report."""
    with open(os.devnull, "wb") as nowhere:

        def tell(attempt: Attempt, outcome: Outcome) -> None:
            _send(nowhere.fileno(), attempt, outcome)
            flush_streams()

        rehearsal.rehearse(directory, tell, with_cards=with_cards)


def _send(fd: int, attempt: Attempt, outcome: Outcome) -> None:
    """Send the report in one message; a scheduler that is gone will find the manifest."""
    try:
        _write(fd, report.encode(attempt, outcome))
    except OSError:
        try:
            os.write(fd, marker(attempt))
        except OSError:
            return
