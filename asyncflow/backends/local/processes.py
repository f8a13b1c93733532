"""What the operating system offers about processes: lifetimes, children, marks. Thin, and without any rule of ours."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "Relative",
    "be_subreaper",
    "children_of",
    "die_with_parent",
    "flush_c_streams",
    "has_children",
    "kill_group",
    "kill_process",
    "name_process",
    "own_processes",
    "read_proc",
]

_SIGKILL = int(signal.SIGKILL)
_ANY_CHILD = os.WNOHANG | (0x40000000 if sys.platform == "linux" else 0)  # __WALL of wait(2)
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None)
_IS_LINUX = sys.platform == "linux"
# Looked up once: each of these lookups would cost every task's process pages of its own.
_prctl = _libc.prctl if _IS_LINUX else None
_waitpid, _fflush = _libc.waitpid, _libc.fflush


class Relative(NamedTuple):
    """A living process, as /proc shows it."""

    pid: int
    parent: int
    session: int


def be_subreaper() -> bool:
    """Become the parent of every descendant that loses its own. False where the system does not know this."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def die_with_parent() -> bool:
    """Be killed when the parent dies. False where the system does not know this. The parent may be dead already."""
    return _prctl is not None and _prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) == 0


def has_children() -> bool:
    """Reap what has ended; say whether any child is left. Without the exception that `os.waitpid` raises of none."""
    while (pid := _waitpid(-1, None, _ANY_CHILD)) > 0:
        pass
    return pid == 0


def name_process(name: bytes) -> None:
    """Set the name that `ps` shows and forks inherit, at most 15 bytes. Does nothing where that is not possible."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name, 0, 0, 0)


def flush_c_streams() -> None:
    """Write out what C code has printed and the C library still holds."""
    _fflush(None)


def kill_process(pid: int) -> bool:
    """Send SIGKILL; False if there is no such process, or it is not ours to kill."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_group(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to a process group; False if nobody is in it any more."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def children_of(pid: int) -> list[int]:
    """Return the living children of a process of ours, zombies included. Empty where there is no /proc."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN, or no such process
        return [relative.pid for relative in own_processes() if relative.parent == pid]


def own_processes() -> Iterator[Relative]:
    """Yield the processes there are, zombies included. Nothing where there is no /proc."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            stat = read_proc(int(name), "stat")
            if stat:
                fields = stat[stat.rindex(b")") + 2 :].split(b" ", 4)
                yield Relative(int(name), int(fields[1]), int(fields[3]))


def read_proc(pid: int, name: str) -> bytes:
    """Return a file of /proc/<pid>; empty if the process is gone or somebody else's."""
    try:
        fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        pieces: list[bytes] = []
        while piece := os.read(fd, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(fd)
