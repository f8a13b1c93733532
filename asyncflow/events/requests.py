"""What other processes ask of a run's driver, through the store: cancel the run, change its limits."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from asyncflow.events.database import open_writer, statement, store_error, transaction
from asyncflow.records import record

__all__ = ["Request", "insert_request", "open_requests", "post_request", "take_requests"]


@record
class Request:
    """One request."""

    id: int
    run: int
    kind: str
    """`cancel` (args: `force`; one step's or task's: `step`, `task`), `retry` (`step`, `task`: do not wait for the
    next try), `limits` (`slots`, `async_slots`). A driver skips kinds it does not know."""
    args: Mapping[str, Any]  # Any: JSON-like
    by: str
    """Who asks, for people."""
    at: float


def post_request(
    path: str,
    run: int,
    kind: str,
    args: Mapping[str, Any] | None = None,  # Any: JSON-like
    *,
    by: str,
) -> int:
    """Ask something of a run's driver, from a process without an event loop; return the request's id.

    Blocking: waits for other writers.

    Raises:
        StoreError: The store cannot be written; nothing was asked.
    """
    db = open_writer(path)
    try:
        with transaction(db):
            return insert_request(db, run, kind, json.dumps(args or {}), by, time.time())
    except sqlite3.Error as error:
        raise store_error(error, path, f"Run {run} was not asked to {kind}") from error
    finally:
        db.close()


def insert_request(db: sqlite3.Connection, run: int, kind: str, args: str, by: str, at: float) -> int:
    """Record a request, its arguments as JSON, inside a write transaction; return its id."""
    cursor = db.execute(statement("insert_request"), (run, kind, args, by, at))
    return cursor.lastrowid or 0


def open_requests(db: sqlite3.Connection, run: int) -> list[Request]:
    """Return what the run's driver has not taken yet, oldest first."""
    return [
        Request(id=id_, run=run_, kind=kind, args=json.loads(args), by=by, at=at)
        for id_, run_, kind, args, by, at in db.execute(statement("open_requests"), (run,))
    ]


def take_requests(db: sqlite3.Connection, run: int, at: float) -> Sequence[Request]:
    """Take what is open, inside a write transaction: each request is given out once."""
    taken = open_requests(db, run)
    db.executemany(statement("take_request"), [(at, request.id) for request in taken])
    return taken
