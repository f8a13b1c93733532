"""The zygote's own work: fork a process for every launch, tell what becomes of it, leave nothing behind.

Theory of operation. One thread, one `poll` over two descriptors: the socket to the scheduler, and a pipe that every
SIGCHLD writes a byte to. Nothing is polled for and nothing waits.

What it costs. After a fork each page that the zygote writes to is copied once more, at 2 to 4 us a page (measured). A
turn with one launch writes to 245 pages, 30 of them for the fork itself. So a turn takes all launches that have
arrived, does everything for all of them, and forks last, one after the other.

Who is whose child. The zygote is a subreaper, and so is every task. A process that loses its parent below a task
becomes a child of the task; when the task ends, all that is left below it becomes a child of the zygote. So a child of
the zygote that is not a task of its own was left behind by a task that has ended, whatever session, group or
environment it has, and is killed. A task that ends well says by its exit code that it has no children, which spares
the look.

When an attempt is said to have exited, its process and all it left behind are dead, and its report was sent before.

When the scheduler dies, by whatever means, the socket ends: everything below is killed, then the zygote exits.
When the zygote dies, its tasks are killed by the kernel (PR_SET_PDEATHSIG), and the scheduler takes over.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import NamedTuple, NoReturn

from asyncflow.backends.local import child, spawned
from asyncflow.backends.local.orphans import RUN_VARIABLE, mark_of, name_of
from asyncflow.backends.local.processes import (
    be_subreaper,
    children_of,
    kill_group,
    kill_process,
    name_process,
)
from asyncflow.backends.local.reload import attached_to
from asyncflow.backends.local.wire import Frames, Said, Verb, note, unpack_run, unpack_task
from asyncflow.compat.finder import install
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome
from asyncflow.store.local import LocalStore
from asyncflow.worker.attempt import has_async_steps, has_cards, preload, prepare, run_attempt
from asyncflow.worker.binding import Origins
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["Nursery", "serve_and_exit"]

_RECEIVE_BYTES = 1 << 16
_MOST_AT_ONCE = 8
"""Launches of one turn, so that the scheduler soon hears of the first."""
_DESCRIPTOR_BYTES = socket.CMSG_SPACE(4 * 253)
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_ALL_KINDS = 0x40000000 if sys.platform == "linux" else 0  # __WALL of wait(2)
_STRAYS_S = 2.0
"""How long what an attempt left behind may take to die before the attempt counts as ended all the same."""
_END_S = 5.0
"""How long everything may take to die when the scheduler is gone."""
_LOOK_AGAIN_MS = 50


class _Launch(NamedTuple):
    """An attempt that only lacks its process."""

    token: int
    attempt: Attempt
    work: Callable[[], Outcome]
    stdout_fd: int
    stderr_fd: int
    socket_fd: int = -1
    """An async worker's own socket to the scheduler; -1: an attempt."""


class Nursery:
    """Serves one scheduler in a process of its own, the zygote.

    Args:
        control: Stream socket to the scheduler.
        report_fd: The socket that children report on.
        flow_class: The flow whose steps children run.
    """

    def __init__(
        self, control: socket.socket, report_fd: int, flow_class: type, scratch: str | None = None
    ) -> None:
        self._control = control
        self._report_fd = report_fd
        self._flow_class = flow_class
        self._pid = os.getpid()
        self._frames = Frames()
        self._descriptors: deque[int] = deque()
        self._run: RunSpec | None = None
        """None until the scheduler has told."""
        self._scratch = scratch
        self._origins = Origins(LocalStore(""))
        self._spawns = False
        self._pids: dict[int, int] = {}
        """Living tasks: token to pid."""
        self._tokens: dict[int, int] = {}
        """Living tasks: pid to token."""
        self._leaving: list[bytes] = []
        """Notes about attempts that have ended, kept back until what they left behind is dead."""
        self._leave_by = 0.0
        self._notes: list[bytes] = []
        self._life: tuple[int, int] | None = None
        """Where the kernel does not kill tasks with the zygote: a pipe whose end tells them."""
        self._launches: list[_Launch] = []
        """Ready to be forked."""
        self._buffer = bytearray(_RECEIVE_BYTES)
        self._view = memoryview(self._buffer)

    def serve(self) -> None:
        """Do as the scheduler asks until it is gone."""
        wakeup = self._prepare()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        control_fd = self._control.fileno()
        self._notes.append(note(Said.READY, self._pid, 0))
        while True:
            self._tell()
            for fd, _ in poll.poll(_LOOK_AGAIN_MS if self._leaving else None):
                if fd == wakeup:
                    os.read(wakeup, 4096)
                elif fd == control_fd and not self._listen():
                    self._kill_all()
                    return
            self._reap()

    def _prepare(self) -> int:
        """Set up the process; return the descriptor that is readable when a child has ended."""
        if not be_subreaper():
            self._life = os.pipe()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._wakeup = (reader, writer)
        self._own_fds = (self._control.fileno(), reader, writer, *(self._life or ())[1:])
        signal.signal(signal.SIGCHLD, _wake)
        child.hold_sigterm()
        child.stop_on_sigterm()
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        install()  # steps may import metaflow, too
        preload(self._flow_class)
        if self._scratch:
            child.rehearse(self._scratch, with_cards=has_cards(self._flow_class))
        if has_async_steps(self._flow_class):
            from asyncflow.backends.local import async_worker  # noqa: F401 # pyright: ignore[reportUnusedImport]
        gc.collect()
        gc.freeze()
        gc.disable()
        return reader

    # From the scheduler

    def _listen(self) -> bool:
        """Do all that the scheduler asks for; False if it is gone."""
        is_there = True
        while is_there and len(self._launches) < _MOST_AT_ONCE:
            try:
                count, ancillary, _, _ = self._control.recvmsg_into(
                    [self._buffer], _DESCRIPTOR_BYTES, _CLOSE_ON_EXEC | socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                break
            except ConnectionError:
                return False
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._descriptors.extend(_private(array("i", content)))
            for verb, token, body in self._frames.feed(self._view[:count]):
                self._do(verb, token, body)
            is_there = count > 0
        self._fork_waiting()
        return is_there

    def _do(self, verb: int, token: int, body: bytes) -> None:
        if verb == Verb.LAUNCH:
            self._make_ready(token, body)
        elif verb == Verb.WORKER:
            self._make_worker_ready(token, body.decode())
        elif verb == Verb.RUN:
            self._settle(body)
        else:
            self._fork_waiting()  # the one to be stopped may be among them
            if token in self._pids:
                self._stop(self._pids[token], is_forced=verb == Verb.FORCE)

    def _settle(self, body: bytes) -> None:
        spec, self._spawns = unpack_run(body)
        self._run = spec
        self._origins = Origins(LocalStore(spec.store_root))
        name_process(name_of(spec.store_root, spec.run))
        os.environ[RUN_VARIABLE] = mark_of(spec.store_root, spec.run)
        gc.freeze()

    def _make_ready(self, token: int, body: bytes) -> None:
        spec = unpack_task(body)
        work = self._spawning(spec) if self._spawns else self._prepared(spec)
        ends = self._descriptors.popleft(), self._descriptors.popleft()
        self._launches.append(_Launch(token, spec.attempt, work, *ends))

    def _make_worker_ready(self, token: int, step: str) -> None:
        run = self._run
        assert run is not None, "a worker comes after the run's spec"
        stdout_fd, stderr_fd, socket_fd = (self._descriptors.popleft() for _ in range(3))
        luggage = self._luggage() if self._spawns else None

        def work() -> NoReturn:
            if luggage is not None:
                spawned.execute_worker(run, step, luggage, socket_fd)
            from asyncflow.backends.local.async_worker import serve_tasks  # asyncio, loaded by `_prepare`

            os.environ.update(run.environment.get(step, {}))
            serve_tasks(socket_fd, self._flow_class, run)

        self._launches.append(_Launch(token, Attempt(0, 0), work, stdout_fd, stderr_fd, socket_fd))

    def _fork_waiting(self) -> None:
        gc.freeze()  # what was made since the last fork is not for a task's collector to walk through
        for launch in self._launches:
            try:
                pid = os.fork()
            except OSError as error:
                self._notes.append(note(Said.REFUSED, error.errno or 0, launch.token))
                continue
            if pid == 0:
                self._be_child(launch)
            self._pids[launch.token] = pid
            self._tokens[pid] = launch.token
            self._notes.append(note(Said.STARTED, pid, launch.token))
        for launch in self._launches:
            os.close(launch.stdout_fd)
            os.close(launch.stderr_fd)
            if launch.socket_fd >= 0:
                os.close(launch.socket_fd)
        self._launches.clear()

    def _prepared(self, spec: TaskSpec) -> Callable[[], Outcome]:
        """Do of an attempt what can be done before the fork; return the rest."""
        run = self._run
        assert run is not None, "a launch comes after the run's spec"
        try:
            return partial(prepare(self._flow_class, run, spec, self._origins).run, child.is_heard)
        except KeyError:  # a flow without that step: its file has changed; the task itself tells
            return partial(run_attempt, self._flow_class, run, spec, self._origins.store, child.is_heard)

    def _spawning(self, spec: TaskSpec) -> Callable[[], NoReturn]:
        """Return what makes a task's process a fresh interpreter."""
        assert self._run is not None, "a launch comes after the run's spec"
        return partial(spawned.execute, self._run, spec, self._luggage())

    def _luggage(self) -> spawned.Luggage:
        life_fd = None if self._life is None else self._life[0]
        return spawned.Luggage(attached_to(self._flow_class), self._report_fd, life_fd)

    def _be_child(self, launch: _Launch) -> NoReturn:
        try:
            child.become_task(self._pid, launch.stdout_fd, launch.stderr_fd, self._own_fds)
            if self._life is not None:
                child.watch_parent(self._life[0])
            child.perform(launch.work, launch.attempt, self._report_fd)
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            raise
        finally:
            os._exit(1)

    @staticmethod
    def _stop(pid: int, *, is_forced: bool) -> None:
        if is_forced:
            kill_process(pid)
            kill_group(pid)
        elif not kill_group(pid, signal.SIGTERM):
            os.kill(
                pid, signal.SIGTERM
            )  # just forked, and not yet the leader of a group; not reaped, so it is there

    # To the scheduler

    def _tell(self) -> None:
        if self._notes:
            try:
                self._control.sendall(b"".join(self._notes))
            except ConnectionError:
                pass  # gone: the next look at the socket says so
            self._notes.clear()

    # Children that have ended

    def _reap(self) -> None:
        """Take leave of every child that has ended, and of what it left behind."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG | _ALL_KINDS)
            except ChildProcessError:
                break
            if pid == 0:
                break
            token = self._tokens.pop(pid, None)
            if token is not None:
                del self._pids[token]
                self._take_leave(pid, token, os.waitstatus_to_exitcode(status), _peak_bytes(usage.ru_maxrss))
        if self._leaving:
            self._clear_away()

    def _take_leave(self, pid: int, token: int, code: int, peak_bytes: int) -> None:
        if code == child.ALONE:
            self._notes.append(note(Said.EXITED, 0, token, peak_bytes))
            return
        if not self._leaving:
            self._leave_by = time.monotonic() + _STRAYS_S
        self._leaving.append(note(Said.EXITED, code, token, peak_bytes))
        kill_group(pid)

    def _clear_away(self) -> None:
        """Kill children that are no tasks. Once there are none, let the ended attempts go."""
        strays = [pid for pid in children_of(self._pid) if pid not in self._tokens]
        for pid in strays:
            kill_process(pid)
        if not strays or time.monotonic() > self._leave_by:
            self._notes += self._leaving
            self._leaving.clear()

    def _kill_all(self) -> None:
        """Kill everything below and wait for it, bounded in time."""
        give_up_at = time.monotonic() + _END_S
        for pid in self._tokens:
            kill_process(pid)
            kill_group(pid)
        poll = select.poll()
        poll.register(self._wakeup[0], select.POLLIN)
        while time.monotonic() < give_up_at:
            try:
                while os.waitpid(-1, os.WNOHANG | _ALL_KINDS)[0]:
                    pass
            except ChildProcessError:
                return
            for pid in children_of(self._pid):
                kill_process(pid)
            if poll.poll(_LOOK_AGAIN_MS):
                os.read(self._wakeup[0], 4096)


def serve_and_exit(
    control: socket.socket, report_fd: int, flow_class: type, *, scratch: str | None = None
) -> NoReturn:
    """Be the zygote until the scheduler is gone, then end the process without a word. `scratch`: see `fork_zygote`."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        child.open_streams()
        Nursery(control, report_fd, flow_class, scratch).serve()
        code = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        raise
    finally:
        os._exit(code)


def _private(descriptors: array[int]) -> array[int]:
    """Keep received descriptors from programs that tasks execute, where the kernel has not done so."""
    if not _CLOSE_ON_EXEC:
        for fd in descriptors:
            os.set_inheritable(fd, False)
    return descriptors


def _wake(number: int, frame: FrameType | None) -> None:
    """Receive SIGCHLD; that it came is told by the wakeup descriptor."""


def _peak_bytes(max_rss: int) -> int:
    return max_rss if sys.platform == "darwin" else max_rss * 1024
