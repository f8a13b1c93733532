"""Runs the real command line with one bomb in it: `python launcher.py run flow.py ...`.

The bomb is described by environment variables. Real functions are wrapped in this process before the command starts,
so that every fork of it is wrapped too; a counter in a shared file numbers the passages of all of them together. At
the chosen passage one process is killed with SIGKILL: the one that passes, the scheduler, or the zygote. A task that
has killed another process stands still from then on, as if the power had gone: it must be swept up with the rest.
"""

from __future__ import annotations

import fcntl
import functools
import inspect
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["COUNTER_BYTES", "NAMES", "main", "read_counter"]

NAMES = (
    "commit",
    "launch",
    "perform",
    "publish",
    "fact",
    "fork",
    "ack",
    "report",
    "blob",
    "manifest",
    "file",
)
"""Points that are wrapped, each passed `before` and `after`."""
_SLOTS = {
    (name, when): 2 * index + (when == "after")
    for index, name in enumerate(NAMES)
    for when in ("before", "after")
}
_COUNTER = struct.Struct(f"<{len(_SLOTS) + 1}q")
COUNTER_BYTES = _COUNTER.size


@dataclass(frozen=True, slots=True)
class Bomb:
    """What is killed where."""

    point: str
    when: str
    """`before` or `after`."""
    number: int
    """At which passage; 0: never, only count."""
    victim: str
    """`self`, `scheduler` or `zygote`."""
    counter: str
    """Path of the shared file: passages, and whether the bomb went off."""
    scheduler: int


def read_counter(data: bytes) -> tuple[dict[tuple[str, str], int], bool]:
    """Return passages by point, and whether the bomb went off, from the bytes of the counter's file."""
    *counts, fired = _COUNTER.unpack(data[:COUNTER_BYTES])
    return {point: counts[slot] for point, slot in _SLOTS.items()}, bool(fired)


class Fuse:
    """Counts passages and sets the bomb off."""

    def __init__(self, bomb: Bomb) -> None:
        self._bomb = bomb
        self._fd = os.open(bomb.counter, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(self._fd, COUNTER_BYTES)
        self._shared = mmap.mmap(self._fd, COUNTER_BYTES)

    def passed(self, point: str, when: str, *, last: Callable[[], None] = lambda: None) -> None:
        """Note that a point is passed; perhaps do not return, after a `last` deed."""
        if self._count(point, when):
            last()
            self._explode()

    def _count(self, point: str, when: str) -> bool:
        """Count one passage; True if it is the one."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            values = list(_COUNTER.unpack(self._shared[:]))
            slot = _SLOTS[point, when]
            values[slot] += 1
            bomb = self._bomb
            is_it = (point, when, values[slot]) == (bomb.point, bomb.when, bomb.number)
            values[-1] |= is_it
            self._shared[:] = _COUNTER.pack(*values)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
        return is_it

    def _explode(self) -> None:
        scheduler = self._bomb.scheduler
        is_task = scheduler not in (os.getpid(), os.getppid())
        os.kill(self._victim(), signal.SIGKILL)
        if is_task:
            time.sleep(3600)

    def _victim(self) -> int:
        if self._bomb.victim == "self":
            return os.getpid()
        if self._bomb.victim == "scheduler":
            return self._bomb.scheduler
        return _zygote_of(self._bomb.scheduler)


def _zygote_of(scheduler: int) -> int:
    """Return the youngest child of the scheduler: the zygote at work."""
    children = [
        pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent_of(pid) == scheduler
    ]
    return max(children, default=0) or scheduler


def _parent_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except OSError:
        return 0
    return 0 if fields[0] == b"Z" else int(fields[1])


def main() -> None:
    """Wrap, then be `asyncflow`."""
    env = os.environ
    bomb = Bomb(
        env.get("CRASH_POINT", ""),
        env.get("CRASH_WHEN", ""),
        int(env.get("CRASH_NUMBER", "0")),
        env.get("CRASH_VICTIM", "self"),
        env["CRASH_COUNTER"],
        os.getpid(),
    )
    _lay(Fuse(bomb))
    from asyncflow.cli.main import main as asyncflow

    asyncflow()


# Where bombs can lie


def _lay(fuse: Fuse) -> None:
    """Wrap every point."""
    from asyncflow.backends.local import LocalBackend, child
    from asyncflow.backends.local.nursery import Nursery
    from asyncflow.events import sqlite_log
    from asyncflow.runtime import driver
    from asyncflow.store import local

    _wrap_transaction(fuse, sqlite_log)
    _wrap_rename(fuse)
    _wrap_append(fuse, local)
    _wrap(fuse, LocalBackend, "launch", "launch")
    _wrap(fuse, driver, "perform_all", "perform")
    _wrap(fuse, driver.Inbox, "put", "fact")
    _wrap_fork(fuse)
    _wrap(fuse, Nursery, "_tell", "ack", when=lambda nursery: bool(nursery._notes))
    _wrap(fuse, child, "_send", "report")
    _wrap_publish(fuse, driver.Driver)


def _wrap(
    fuse: Fuse, owner: Any, name: str, point: str, *, when: Callable[..., bool] = lambda *_: True
) -> None:
    inner = getattr(owner, name)
    if inspect.iscoroutinefunction(inner):

        @functools.wraps(inner)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            fuse.passed(point, "before")
            result = await inner(*args, **kwargs)
            fuse.passed(point, "after")
            return result

        setattr(owner, name, waiting)
    else:
        setattr(owner, name, _around(fuse, inner, point, when))


def _around(
    fuse: Fuse, inner: Callable[..., Any], point: str, when: Callable[..., bool] = lambda *_: True
) -> Callable[..., Any]:
    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        if not when(*args):
            return inner(*args, **kwargs)
        fuse.passed(point, "before")
        result = inner(*args, **kwargs)
        fuse.passed(point, "after")
        return result

    return outer


def _wrap_transaction(fuse: Fuse, module: Any) -> None:
    inner = module.transaction

    @contextmanager
    def outer(*args: Any, **kwargs: Any) -> Iterator[None]:
        with inner(*args, **kwargs):
            yield
            fuse.passed("commit", "before")
        fuse.passed("commit", "after")

    module.transaction = outer


def _wrap_publish(fuse: Fuse, driver: Any) -> None:
    inner = driver.__init__

    @functools.wraps(inner)
    def outer(self: Any, *args: Any, publish: Callable[..., None], **kwargs: Any) -> None:
        inner(self, *args, publish=_around(fuse, publish, "publish"), **kwargs)

    driver.__init__ = outer


def _wrap_fork(fuse: Fuse) -> None:
    """Wrap the forks of tasks: those that a child of the scheduler makes. The copy itself passes nothing."""
    inner, scheduler = os.fork, os.getpid()

    @functools.wraps(inner)
    def outer() -> int:
        if os.getppid() != scheduler:
            return inner()
        fuse.passed("fork", "before")
        pid = inner()
        if pid:
            fuse.passed("fork", "after")
        return pid

    os.fork = outer


def _wrap_rename(fuse: Fuse) -> None:
    for name in ("rename", "replace", "link"):
        setattr(os, name, _naming(fuse, getattr(os, name)))


def _wrap_append(fuse: Fuse, store: Any) -> None:
    """Wrap what appends manifests. A kill before that leaves the first half of the record."""
    inner = store.append

    @functools.wraps(inner)
    def outer(path: str, record: bytes) -> None:
        fuse.passed("manifest", "before", last=lambda: inner(path, record[: len(record) // 2]))
        inner(path, record)
        fuse.passed("manifest", "after")

    store.append = outer


def _naming(fuse: Fuse, inner: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(inner)
    def outer(source: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        point = _kind_of_file(str(target))
        fuse.passed(point, "before")
        inner(source, target, *args, **kwargs)
        fuse.passed(point, "after")

    return outer


def _kind_of_file(path: str) -> str:
    return "blob" if "/blobs/" in path else "file"


if __name__ == "__main__":
    main()
