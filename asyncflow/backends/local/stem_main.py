"""A stem: one fresh interpreter that has imported a flow, and forks a zygote from itself for each run of it.

A process with threads and an event loop must not be forked, so an engine has a stem for each flow: the flow is
imported once, however many runs there are. A zygote has sockets of its own to its scheduler and knows nothing of the
stem; it outlives it, and ends with its sockets as any other does.
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
from types import FrameType

from asyncflow.backends.local import child
from asyncflow.backends.local.nursery import serve_and_exit
from asyncflow.backends.local.processes import be_subreaper, children_of, kill_process
from asyncflow.backends.local.reload import load_again
from asyncflow.errors import AsyncflowError
from asyncflow.worker.attempt import has_async_steps, has_cards, preload

__all__ = ["READY", "Stem", "main"]

READY = 0
"""Sent in place of a zygote's pid once the flow is imported."""
_END_S = 5.0
_LOOK_AGAIN_MS = 20
_PID_BYTES = 4


class Stem:
    """Forks zygotes until its other end is gone, and kills what they leave behind.

    Args:
        control: Stream socket. In: a byte with the two sockets of a zygote. Out: its pid, with a pidfd; an error
            number, negative, if it could not be forked.
        flow_class: The flow.
        scratch: A directory in which it may rehearse, as a zygote does (`fork_zygote`).
    """

    def __init__(self, control: socket.socket, flow_class: type, scratch: str) -> None:
        self._control = control
        self._scratch = scratch
        self._flow_class = flow_class
        self._zygotes: set[int] = set()

    def serve(self) -> None:
        """Do as asked until nobody can ask any more, then wait for the zygotes to end."""
        be_subreaper()
        wakeup = self._watch_children()
        self._get_warm()
        gc.collect()
        gc.freeze()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        self._tell(READY)
        while True:
            for fd, _ in poll.poll():
                if fd == wakeup:
                    os.read(wakeup, 4096)
                    self._reap()
                elif not self._fork_one():
                    self._end()
                    return

    def _get_warm(self) -> None:
        """Do once what each zygote would do for itself."""
        preload(self._flow_class)
        child.rehearse(self._scratch, with_cards=has_cards(self._flow_class))
        if has_async_steps(self._flow_class):
            from asyncflow.backends.local import async_worker  # noqa: F401 # pyright: ignore[reportUnusedImport]

    def _watch_children(self) -> int:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._wakeup = (reader, writer)
        signal.signal(signal.SIGCHLD, _wake)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        return reader

    def _fork_one(self) -> bool:
        """Fork the zygote that is asked for; False if nobody asks any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        except ConnectionError:
            return False
        if not data or len(descriptors) < 2:
            return False
        control_fd, report_fd = descriptors[:2]
        try:
            pid = os.fork()
        except OSError as error:
            os.close(control_fd)
            os.close(report_fd)
            self._tell(-(error.errno or 1))
            return True
        if pid == 0:
            self._be_zygote(control_fd, report_fd)
        self._zygotes.add(pid)
        os.close(control_fd)
        os.close(report_fd)
        pidfd = os.pidfd_open(pid)
        self._tell(pid, pidfd)
        os.close(pidfd)
        return True

    def _be_zygote(self, control_fd: int, report_fd: int) -> None:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            self._control.close()
            os.close(self._wakeup[0])
            os.close(self._wakeup[1])
            serve_and_exit(socket.socket(fileno=control_fd), report_fd, self._flow_class)
        finally:
            os._exit(1)

    def _tell(self, pid: int, pidfd: int | None = None) -> None:
        data = pid.to_bytes(_PID_BYTES, "little", signed=True)
        rights = [] if pidfd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [pidfd]))]
        try:
            self._control.sendmsg([data], rights)
        except ConnectionError:
            return  # gone: the next look at the socket says so

    def _reap(self) -> bool:
        """Take leave of children that have ended, kill what zygotes have left; False if there is no child."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                break
            self._zygotes.discard(pid)
        for pid in children_of(os.getpid()):
            if pid not in self._zygotes:
                kill_process(pid)
        return True

    def _end(self) -> None:
        """Wait until the zygotes have ended, whose sockets end as ours does; bounded in time."""
        give_up_at = time.monotonic() + _END_S
        poll = select.poll()
        poll.register(self._wakeup[0], select.POLLIN)
        while self._reap() and time.monotonic() < give_up_at:
            if poll.poll(_LOOK_AGAIN_MS):
                os.read(self._wakeup[0], 4096)


def main() -> None:
    """Serve as `sys.argv` says: control descriptor, flow file, class, module, attached decorators, scratch."""
    control_fd = int(sys.argv[1])
    flow_file, flow_name, module, attached, scratch = sys.argv[2:7]
    sys.argv[:] = [flow_file]
    os.set_inheritable(control_fd, False)
    control = socket.socket(fileno=control_fd)
    try:
        flow_class = load_again(flow_file, flow_name, bytes.fromhex(attached), module=module)
    except AsyncflowError as error:
        sys.stderr.write(f"{error.headline}: {error}\n")
        sys.exit(1)
    Stem(control, flow_class, scratch).serve()


def _wake(number: int, frame: FrameType | None) -> None:
    """Receive SIGCHLD; that it came is told by the wakeup descriptor."""


if __name__ == "__main__":
    main()
