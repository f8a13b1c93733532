"""Finds the processes of one command by the mark in their environment, whoever their parent is by now."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

__all__ = [
    "MARK_VARIABLE",
    "Proc",
    "Tree",
    "has_child",
    "is_alive",
    "kill_marked",
    "marked",
    "tree_of",
    "wait_until_gone",
]

MARK_VARIABLE = "CHAOS_MARK"


@dataclass(frozen=True, slots=True)
class Proc:
    """A living process, as /proc told."""

    pid: int
    parent: int
    started: int
    """Clock ticks after boot; with the pid it names a process for ever."""
    command: str


@dataclass(frozen=True, slots=True)
class Tree:
    """The processes of a running command by what they are for."""

    zygotes: tuple[Proc, ...]
    """Children of the scheduler."""
    tasks: tuple[Proc, ...]
    """Children of the zygotes."""


def marked(mark: str) -> list[Proc]:
    """Return the living processes whose environment carries the mark; zombies have none and are left out."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found: list[Proc] = []
    for name in os.listdir("/proc"):
        if name.isdigit() and wanted in _read(f"/proc/{name}/environ").split(b"\0"):
            proc = _proc(int(name))
            if proc is not None:
                found.append(proc)
    return found


def tree_of(scheduler: int, mark: str) -> Tree:
    """Sort a command's processes by their distance from the scheduler."""
    procs = marked(mark)
    zygotes = tuple(proc for proc in procs if proc.parent == scheduler)
    above = {proc.pid for proc in zygotes}
    return Tree(zygotes, tuple(proc for proc in procs if proc.parent in above))


def has_child(parent: int) -> bool:
    """Tell whether a process has a living child."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return any(proc.parent == parent for pid in pids if pid > parent and (proc := _proc(pid)) is not None)


def wait_until_gone(mark: str, within_s: float) -> list[Proc]:
    """Wait until no marked process lives; return those that still do when the time is over."""
    deadline = time.monotonic() + within_s
    while left := marked(mark):
        if time.monotonic() >= deadline:
            return left
        time.sleep(0.01)
    return []


def is_alive(pid: int, started: int) -> bool:
    """Tell whether the very process lives: not another one with its pid, and not a zombie."""
    proc = _proc(pid)
    return proc is not None and proc.started == started


def kill_marked(mark: str) -> None:
    """Kill what a command left, until nothing is left; for cleaning up after a failed check."""
    for _ in range(100):
        left = marked(mark)
        if not left:
            return
        for proc in left:
            kill(proc.pid)
        time.sleep(0.01)


def kill(pid: int) -> bool:
    """Send SIGKILL; False if there is no such process any more."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _proc(pid: int) -> Proc | None:
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat.rsplit(b")", 1)[1].split()
    if fields[0] in (b"Z", b"X"):
        return None
    command = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
    return Proc(pid, int(fields[1]), int(fields[19]), command.strip()[:120])


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
