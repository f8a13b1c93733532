"""The host's hold on a stem, from which the zygotes of all runs of one flow are forked. Linux; see `stem_main`."""

from __future__ import annotations

import os
import socket
import sys
import time
from array import array

import anyio
import anyio.to_thread

from asyncflow.backends.local.bootstrap import python_command
from asyncflow.backends.local.reload import attached_to
from asyncflow.backends.local.zygote import Zygote, exec_zygote, unborn_zygote
from asyncflow.errors import PlatformError

__all__ = ["Stem", "can_have_stems", "stem_key"]

_END_S = 6.0
_PAUSE_S = 0.002
_PID_BYTES = 4


def can_have_stems() -> bool:
    """Tell whether the system has what a stem needs. Elsewhere each run's zygote is a fresh interpreter."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def stem_key(flow_class: type) -> tuple[object, ...]:
    """Return what two flow classes have in common if one stem can serve both: the same class of an unchanged file."""
    module = sys.modules[flow_class.__module__]
    file = os.path.abspath(module.__file__ or "")
    try:
        status = os.stat(file)
    except OSError:
        return (file, flow_class.__name__, attached_to(flow_class))
    return (file, flow_class.__name__, attached_to(flow_class), status.st_mtime_ns, status.st_size)


class Stem:
    """Gives zygotes for one flow. Made by `start`; every method is for one event loop.

    Args:
        flow_class: The flow, defined in a file.
        scratch: A directory in which the stem may rehearse; see `fork_zygote`.
    """

    def __init__(self, flow_class: type, scratch: str) -> None:
        self._flow_class = flow_class
        self._scratch = scratch
        self._control: socket.socket | None = None
        self._pid = 0
        self._lock = anyio.Lock()

    async def zygote(self) -> Zygote:
        """Return a zygote for one run. The first call starts the stem; one that has died is started again.

        Raises:
            PlatformError: None can be started, or the flow cannot be imported in a fresh interpreter.

        Cancellation: a zygote that was being forked ends by itself.
        """
        if not can_have_stems():
            return await anyio.to_thread.run_sync(exec_zygote, self._flow_class)
        async with self._lock:
            for is_last in (False, True):
                if self._control is None:
                    await self._start()
                try:
                    return await self._fork()
                except ConnectionError as error:
                    await self._bury()
                    if is_last:
                        raise _failed(f"{error}") from error
        raise AssertionError("the loop returns or raises")

    async def aclose(self) -> None:
        """End the stem and wait until it is gone; zygotes end by their own sockets. Bounded; safe to call twice."""
        with anyio.CancelScope(shield=True):
            await self._bury()

    async def _start(self) -> None:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        control.setblocking(False)
        self._control = control
        try:
            with theirs:
                await anyio.to_thread.run_sync(self._execute, theirs)
            if await self._answer() is None:
                raise ConnectionResetError("the process ended while it imported the flow")
        except ConnectionError as error:
            await self._bury()
            file = sys.modules[self._flow_class.__module__].__file__
            raise _failed(f"{error}; what it said is on stderr", file) from error
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._bury()
            raise

    def _execute(self, theirs: socket.socket) -> None:
        """Start the stem, in a thread. Who awaited that may be gone when it is done: then it is reaped here."""
        import subprocess  # 4 ms, seldom needed

        module = sys.modules[self._flow_class.__module__]
        command = python_command(
            "asyncflow.backends.local.stem_main",
            str(theirs.fileno()),
            os.path.abspath(module.__file__ or ""),
            self._flow_class.__name__,
            module.__name__,
            attached_to(self._flow_class).hex(),
            self._scratch,
        )
        try:
            process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise _failed(f"{error}") from error
        process.returncode = 0  # it is waited for by its pid, in `_wait`
        self._pid = process.pid
        if self._control is None:
            _wait(process.pid)

    async def _fork(self) -> Zygote:
        """Have a zygote forked. Raises ConnectionError if the stem is gone."""
        zygote = unborn_zygote(self._flow_class, subreaper=False)
        control, reports = zygote.connect()
        try:
            with control, reports:
                descriptors = array("i", [control.fileno(), reports.fileno()])
                assert self._control is not None
                self._control.sendmsg([b"F"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
            answer = await self._answer()
            if answer is None:
                raise ConnectionResetError("the process that forks zygotes is gone")
            zygote.pid, zygote.pidfd = answer
            if zygote.pid < 0:
                raise _failed(os.strerror(-zygote.pid))
        except BaseException:
            zygote.close()
            raise
        return zygote

    async def _answer(self) -> tuple[int, int | None] | None:
        """Return what the stem says next, a pid and a pidfd; None if it is gone."""
        control = self._control
        assert control is not None
        while True:
            await anyio.wait_readable(control)
            try:
                data, descriptors, _, _ = socket.recv_fds(control, _PID_BYTES, 1)
            except BlockingIOError:
                continue
            except ConnectionError:
                return None
            if len(data) < _PID_BYTES:
                return None
            return int.from_bytes(data, "little", signed=True), descriptors[0] if descriptors else None

    async def _bury(self) -> None:
        control, self._control = self._control, None
        pid, self._pid = self._pid, 0
        if control is not None:
            control.close()
        if pid:
            await anyio.to_thread.run_sync(_wait, pid)


def _wait(pid: int) -> None:
    """Reap the stem; one that does not end is killed. Blocking, bounded."""
    give_up_at = time.monotonic() + _END_S
    try:
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > give_up_at:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                return
            time.sleep(_PAUSE_S)
    except (ChildProcessError, ProcessLookupError):
        return  # somebody else has reaped it


def _failed(why: str, file: str | None = None) -> PlatformError:
    hint = f"Does `python {file} check` work? Then start the run again." if file else "Start the run again."
    return PlatformError(
        f"The zygote, the process that tasks are forked from, could not be started: {why}", hint=hint
    )
