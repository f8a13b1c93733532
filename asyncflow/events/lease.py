"""Who drives a run: a row in the store that names a living process. One that died is noticed, not waited for.

On the same machine (host, boot and process namespace are equal) a holder is dead as soon as its process is gone or
its id was given to another process. Elsewhere it is dead when its last sign of life is older than `STALE_S`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from functools import cache

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.database import statement
from asyncflow.records import record

__all__ = ["STALE_S", "Lease", "Owner", "acquire", "heartbeat", "is_alive", "leases", "release"]

STALE_S = 30.0
"""A lease held on another machine without a sign of life for so long is dead, seconds."""


@record
class Owner:
    """A process that drives runs."""

    id: str
    """Unique to the process and its log."""
    host: str
    boot: str
    """Of the machine since it was started, and of the process namespace; empty if the platform does not tell."""
    pid: int
    process_start: str
    """When the process began, as the platform counts; empty if it does not tell."""

    @classmethod
    def of_this_process(cls) -> Owner:
        """Describe this process, with an id of its own at each call."""
        pid = os.getpid()
        return cls(
            id=os.urandom(8).hex(),
            host=_host(),
            boot=_boot(),
            pid=pid,
            process_start=_process_start(pid) or "",
        )


@record(kw_only=False)
class Lease:
    """A run's lease as recorded."""

    run: int
    owner: str
    host: str
    boot: str
    pid: int
    process_start: str
    acquired_at: float
    heartbeat_at: float


def acquire(db: sqlite3.Connection, run: int, owner: Owner, at: float) -> None:
    """Take a run's lease, inside a write transaction.

    Raises:
        RunIsElsewhere: Another process, which lives, holds it. Nothing was changed.
    """
    row = db.execute(statement("lease"), (run,)).fetchone()
    if row is not None:
        lease = Lease(*row)
        if lease.owner != owner.id and is_alive(lease, at):
            raise RunIsElsewhere(
                f"Run {run} is driven by process {lease.pid} on {lease.host}, which is alive",
                hint=f"Watch it: asyncflow logs {run} --follow. Stop it: asyncflow cancel {run}",
            )
    values = (run, owner.id, owner.host, owner.boot, owner.pid, owner.process_start, at, at)
    db.execute(statement("put_lease"), values)


def heartbeat(db: sqlite3.Connection, run: int, owner: Owner, at: float) -> None:
    """Record a sign of life, inside a write transaction.

    Raises:
        RunIsElsewhere: The lease is another's by now. Nothing was changed.
    """
    if db.execute(statement("renew_lease"), (at, run, owner.id)).rowcount == 1:
        return
    row = db.execute(statement("lease"), (run,)).fetchone()
    by = f"process {row[4]} on {row[2]}" if row else "nobody"
    raise RunIsElsewhere(
        f"The lease of run {run} is no longer this process's: it is held by {by}. This process stops.",
        hint="See who drives it: asyncflow runs",
    )


def release(db: sqlite3.Connection, run: int, owner: Owner) -> None:
    """Give a lease back, inside a write transaction. Another's lease is left alone."""
    db.execute(statement("delete_lease"), (run, owner.id))


def leases(db: sqlite3.Connection) -> dict[int, Lease]:
    """Return all leases by run."""
    return {row[0]: Lease(*row) for row in db.execute(statement("leases"))}


def is_alive(lease: Lease, at: float) -> bool:
    """Tell whether the holder of a lease lives, as far as can be seen from this process at time `at`."""
    if lease.boot and lease.host == _host():
        if lease.boot == _boot():
            return _is_running(lease.pid, lease.process_start)
        return False  # the machine was restarted since, or the container's namespace is gone
    return at - lease.heartbeat_at <= STALE_S


def _is_running(pid: int, process_start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and another user's
    start = _process_start(pid)
    return start is None or not process_start or start == process_start


def _process_start(pid: int) -> str | None:
    """Return when a process began, `zombie` for one that ended and was not collected, None if unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            after_name = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if after_name[:1] in ([b"Z"], [b"X"]):
        return "zombie"
    return after_name[19].decode("ascii")


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
