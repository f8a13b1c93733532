"""The scheduler's hold on its zygote: how it is started, replaced, and ended.

The first zygote is a fork of the process that has just imported the flow, before that has threads or an event loop.
One that takes its place later cannot be: it is a fresh interpreter that imports the flow again.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from asyncflow.backends.local.bootstrap import python_command
from asyncflow.backends.local.processes import (
    be_subreaper,
    children_of,
    flush_c_streams,
    kill_process,
    own_processes,
)
from asyncflow.backends.local.reload import attached_to
from asyncflow.errors import PlatformError
from asyncflow.records import record

__all__ = ["Zygote", "exec_zygote", "fork_zygote", "unborn_zygote"]

_REPORT_BUFFER_BYTES = 1 << 20
_ADOPTED_S = 5.0
"""How long processes that came to us from a dead zygote may take to die."""
_PAUSE_S = 0.001


@record(frozen=False, kw_only=False)
class Zygote:
    """A running zygote, or the place where one was.

    The scheduler talks to it through `control`, a stream socket, and reads its children's reports from `reports`, a
    datagram socket; neither blocks.
    """

    flow_file: str
    flow_name: str
    attached: bytes
    """The decorators put on the flow from outside (`reload.attached_to`)."""
    is_subreaper: bool
    """Whether this process is the parent of what a dead zygote leaves."""
    strangers: frozenset[int]
    """Children of this process that are none of ours."""
    pid: int = 0
    control: socket.socket | None = None
    reports: socket.socket | None = None
    exit_code: int | None = None
    """How the last zygote ended, negative for a signal. None: it has not, or nobody knows."""
    pidfd: int | None = None
    """Names a zygote that is not this process's child; see `stem`. None: it is a child."""

    def start_again(self) -> None:
        """Start a fresh interpreter in place of a zygote that is dead. Blocking: until it is executed.

        Raises:
            PlatformError: It cannot be started.
        """
        import subprocess  # seldom needed, and takes 4 ms to import

        self.close()
        control, reports = self.connect()
        command = python_command(
            "asyncflow.backends.local.zygote_main",
            str(control.fileno()),
            str(reports.fileno()),
            self.flow_file,
            self.flow_name,
            self.attached.hex(),
        )
        try:
            with control, reports:
                process = subprocess.Popen(
                    command,
                    pass_fds=(control.fileno(), reports.fileno()),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            raise PlatformError(
                f"The zygote, the process that tasks are forked from, could not be started: {error}",
                hint="Nothing of the run is lost. Free memory or processes, then go on with `asyncflow resume RUN`.",
            ) from error
        self.pid, self.exit_code = process.pid, None
        process.returncode = 0  # it is waited for by its pid, in `wait`

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Make both pairs of sockets; keep our ends, return the zygote's."""
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.reports, reports = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control.setblocking(False)
        self.reports.setblocking(False)
        reports.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REPORT_BUFFER_BYTES)
        return control, reports

    def hang_up(self) -> None:
        """Let the zygote know that the scheduler wants no more: it kills what runs and exits."""
        if self.control is not None:
            try:
                self.control.shutdown(socket.SHUT_WR)
            except OSError:
                return  # it is dead already

    def close(self) -> None:
        """Close both sockets. Safe to call twice."""
        for end in (self.control, self.reports):
            if end is not None:
                end.close()
        self.control = self.reports = None

    def wait(self, within_s: float) -> bool:
        """Wait until the zygote is dead and reaped; False if it still lives when the time is over. Blocking."""
        give_up_at = time.monotonic() + within_s
        if self.pidfd is not None:
            return self._wait_for_stranger(within_s)
        while self.pid:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.pid, self.exit_code = 0, os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                self.pid = 0
            if self.pid:
                if time.monotonic() > give_up_at:
                    return False
                time.sleep(_PAUSE_S)
        return True

    def _wait_for_stranger(self, within_s: float) -> bool:
        assert self.pidfd is not None
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(within_s * 1000):
            return False
        os.close(self.pidfd)
        self.pid, self.pidfd = 0, None
        return True

    def kill(self) -> None:
        """Kill the zygote, reap it, and kill what it leaves to this process. Blocking, bounded."""
        if self.pid:
            if self.pidfd is None:
                kill_process(self.pid)
            else:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait(_ADOPTED_S)
        self.kill_adopted()

    def kill_adopted(self) -> None:
        """Kill and reap what came to this process from a dead zygote: children of ours in sessions not ours.

        Blocking, bounded. Does nothing where this process is no subreaper.
        """
        give_up_at = time.monotonic() + _ADOPTED_S
        while self.is_subreaper and time.monotonic() < give_up_at:
            adopted = self._adopted()
            if not adopted:
                return
            for pid in adopted:
                kill_process(pid)
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    continue
            time.sleep(_PAUSE_S)

    def _adopted(self) -> list[int]:
        own, session = os.getpid(), os.getsid(0)
        return [
            process.pid
            for process in own_processes()
            if process.parent == own
            and process.session != session
            and process.pid != self.pid
            and process.pid not in self.strangers
        ]


def fork_zygote(flow_class: type, *, subreaper: bool = True, scratch: str | None = None) -> Zygote:
    """Fork the zygote from this process, which has imported the flow and has no thread and no event loop yet.

    Returns at once; the zygote gets ready meanwhile. It dies with this process.

    Args:
        flow_class: The flow.
        subreaper: Make this process the parent of what a killed zygote leaves behind. Only for a process that is
            the scheduler and nothing else.
        scratch: A directory in which the zygote may rehearse (`worker.rehearsal`), which makes tasks cheaper. None: it
            does not.

    Raises:
        PlatformError: It cannot be started.
    """
    zygote = unborn_zygote(flow_class, subreaper=subreaper)
    if sys.platform == "darwin":  # frameworks do not survive a fork without exec there
        zygote.start_again()
        return zygote
    control, reports = zygote.connect()
    _flush()
    flush_c_streams()
    try:
        pid = os.fork()
    except OSError as error:
        zygote.close()
        control.close()
        reports.close()
        raise PlatformError(
            f"The zygote, the process that tasks are forked from, could not be forked: {error}",
            hint="Nothing has been started. Free memory or processes (`ulimit -u`), then run again.",
        ) from error
    if pid == 0:
        try:
            zygote.close()
            os.setsid()
            from asyncflow.backends.local.nursery import serve_and_exit  # what only the zygote needs

            serve_and_exit(control, reports.detach(), flow_class, scratch=scratch)
        finally:
            os._exit(1)
    control.close()
    reports.close()
    zygote.pid = pid
    return zygote


def exec_zygote(flow_class: type, *, subreaper: bool = False) -> Zygote:
    """Start a zygote as a fresh interpreter, from a process that has threads or an event loop.

    Raises:
        PlatformError: It cannot be started.
    """
    zygote = unborn_zygote(flow_class, subreaper=subreaper)
    zygote.start_again()
    return zygote


def unborn_zygote(flow_class: type, *, subreaper: bool) -> Zygote:
    """Return the place of a zygote that has not been started."""
    module = sys.modules[flow_class.__module__]
    return Zygote(
        flow_file=os.path.abspath(module.__file__ or ""),
        flow_name=flow_class.__name__,
        attached=attached_to(flow_class),
        strangers=frozenset(_own_children()),
        is_subreaper=subreaper and be_subreaper(),
    )


def _own_children() -> list[int]:
    """Return this process's children; spares the look through /proc where there are none."""
    if sys.platform != "linux":
        return []  # there is no way to ask, and nothing will be adopted
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []
    return children_of(os.getpid())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
