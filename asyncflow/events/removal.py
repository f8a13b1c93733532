"""Takes runs out of the log and the views for good, and says which of them others still need."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Sequence

from asyncflow.events.database import statement, transaction
from asyncflow.events.lease import is_alive, leases

__all__ = ["forget_run", "known_runs", "living_since", "needed_runs", "remove_run"]

_TABLES = (
    "batches",
    "runs",
    "tasks",
    "attempts",
    "artifacts",
    "tags",
    "tag_edits",
    "metadata",
    "requests",
    "mirrored",
    "leases",
)


def known_runs(db: sqlite3.Connection) -> set[int]:
    """Return the runs that are in the log, or that somebody who lives has begun."""
    at = time.time()
    logged = {run for (run,) in db.execute(statement("logged_runs"))}
    return logged | {run for run, lease in leases(db).items() if is_alive(lease, at)}


def living_since(db: sqlite3.Connection) -> float | None:
    """Return when the first of all attempts that run now was launched; None if none runs. Seconds since the epoch."""
    at = time.time()
    begun: list[float] = []
    for run, lease in leases(db).items():
        if is_alive(lease, at):
            begun += [
                since or lease.acquired_at for (since,) in db.execute(statement("running_since"), (run,))
            ]
    return min(begun, default=None)


def needed_runs(db: sqlite3.Connection, kept: Collection[int]) -> set[int]:
    """Return the runs that these need: themselves, and those whose tasks they have taken over."""
    needs: dict[int, set[int]] = {}
    for run, origin in db.execute(statement("run_origins")):
        needs.setdefault(run, set()).add(origin)
    found: set[int] = set()
    todo = list(kept)
    while todo:
        run = todo.pop()
        if run not in found:
            found.add(run)
            todo.extend(needs.get(run, ()))
    return found


def remove_run(db: sqlite3.Connection, run: int) -> bool:
    """Remove a run's rows in one transaction, unless somebody drives it or needs it by now; tell whether."""
    with transaction(db):
        lease = leases(db).get(run)
        if lease is not None and is_alive(lease, time.time()):
            return False
        if db.execute(statement("needs_run"), (run, run)).fetchone() is not None:
            return False
        forget_run(db, run)
    return True


def forget_run(db: sqlite3.Connection, run: int, *, tables: Sequence[str] = _TABLES) -> None:
    """Remove a run's rows, inside a write transaction, whoever needs it."""
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
