"""The read side of a store, for the command line, the dashboard and the client: blocking, read-only, in one thread.

Works while other processes write, and on a store whose writer was killed. Never holds a read transaction longer than
one query, so it never keeps the writer's log from being folded back.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from asyncflow.errors import StoreError
from asyncflow.events.codec import Recorded
from asyncflow.events.database import (
    SCHEMA_VERSION,
    check_schema,
    open_writer,
    patiently,
    statement,
    store_error,
)
from asyncflow.events.lease import Lease, is_alive, leases
from asyncflow.events.ledger import read_batches
from asyncflow.events.rows import ArtifactRow, AttemptRow, MetadataRow, RunRow, TagRow, TaskRow
from asyncflow.machine.events import RunFinished
from asyncflow.records import record

__all__ = ["INTERRUPTED", "NoEventLog", "Numbered", "Reader", "StepCount", "open_reader"]

INTERRUPTED = "interrupted"
"""Status of a run that has not ended and whose driver is dead: `asyncflow resume` goes on with it."""


class NoEventLog(StoreError):
    """Nothing has been run in this store yet, or it is not there."""


Numbered = tuple[int, Recorded]
"""An event's number, and the event."""


@record(kw_only=False)
class StepCount:
    """How many tasks of a step are in a status."""

    step: str
    status: str
    count: int


class Reader:
    """Reads a store. Use it in a `with`, in one thread.

    Args:
        path: The database.
        now: The time, seconds since the epoch; tells dead drivers on other machines.

    Raises:
        NoEventLog: There is no database.
        StoreError: It cannot be read. So does every method.
    """

    def __init__(self, path: str, *, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now
        self._db = open_reader(path)
        self._version = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Safe to call twice."""
        self._db.close()

    def runs(
        self,
        *,
        flow: str | None = None,
        user: str | None = None,
        status: str | None = None,
        tags: Sequence[str] = (),
        since: float | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[RunRow]:
        """Return runs, newest first.

        Args:
            flow: Only of this flow.
            user: Only of this user.
            status: Only in this status; `interrupted` counts as one of its own.
            tags: Only with all of these tags, the user's or the system's.
            since: Only created at or after, seconds since the epoch.
            before: Only with a smaller id: the next page after this run.
            limit: At most so many.
        """
        recorded = "running" if status == INTERRUPTED else status
        values = {"flow": flow, "user": user, "status": recorded, "since": since, "before": before}
        with self._reading():
            values["tagged"] = self._with_all(tags)
            held = leases(self._db)
            at = self._now()
            found: list[RunRow] = []
            for values_of_run in self._db.execute(statement("runs"), values):
                if limit is not None and len(found) >= limit:
                    break
                row = _with_true_status(RunRow(*values_of_run), held, at)
                if status in (None, row.status):
                    found.append(row)
            return found

    def _with_all(self, tags: Sequence[str]) -> str | None:
        """Return the runs with all of these tags, as JSON; None when none is asked for."""
        if not tags:
            return None
        runs = [{run for (run,) in self._query("runs_with_tag", (tag,))} for tag in tags]
        return json.dumps(sorted(runs[0].intersection(*runs[1:])))

    def run(self, run: int) -> RunRow | None:
        """Return a run, None if there is none of that id."""
        with self._reading():
            rows = self._query("run", (run,))
            return _with_true_status(RunRow(*rows[0]), leases(self._db), self._now()) if rows else None

    def latest(self, flow: str | None = None) -> RunRow | None:
        """Return the newest run, of one flow if given; None if there is none."""
        return next(iter(self.runs(flow=flow, limit=1)), None)

    def lease(self, run: int) -> Lease | None:
        """Return who drives a run, or did when it was interrupted; None when nobody does."""
        with self._reading():
            rows = self._query("lease", (run,))
            return Lease(*rows[0]) if rows else None

    def tasks(self, run: int, *, step: str | None = None, status: str | None = None) -> list[TaskRow]:
        """Return a run's tasks in order of creation, perhaps of one step or in one status only."""
        with self._reading():
            rows = self._query("tasks", {"run": run, "step": step, "status": status})
            return [TaskRow(*row) for row in rows]

    def steps(self, run: int) -> list[StepCount]:
        """Count a run's tasks by step and status, steps in order of their first task."""
        with self._reading():
            return [StepCount(step, status, count) for step, status, count in self._query("steps", (run,))]

    def task(self, run: int, task: int) -> TaskRow | None:
        """Return a task, None if there is none of that id."""
        with self._reading():
            rows = self._query("task", (run, task))
            return TaskRow(*rows[0]) if rows else None

    def attempts(self, run: int, task: int) -> list[AttemptRow]:
        """Return a task's attempts in order; a cloned task has none of its own."""
        with self._reading():
            found = [AttemptRow(*row) for row in self._query("attempts", (run, task))]
        current = self.task(run, task)
        if current is None or current.attempt < 0 or current.origin is not None:
            return found
        if all(row.number != current.attempt for row in found):
            found.append(_attempt_of(current))
        return found

    def artifacts(self, run: int, task: int, attempt: int | None = None) -> list[ArtifactRow]:
        """Return what an attempt made anew (None: the last), by name; for a cloned task what its origin made."""
        current = self.task(run, task)
        if current is None:
            return []
        key = current.key
        number = key.attempt if attempt is None else attempt
        with self._reading():
            rows = self._query("artifacts", (key.run, key.task, number))
            return [ArtifactRow(*row) for row in rows]

    def tags(self, run: int) -> list[TagRow]:
        """Return a run's tags, the user's first."""
        with self._reading():
            return [TagRow(of, tag, bool(is_system)) for of, tag, is_system in self._query("tags", (run,))]

    def metadata(self, run: int, task: int = 0) -> list[MetadataRow]:
        """Return what is known of a task, or of the run as a whole (task 0)."""
        with self._reading():
            return [MetadataRow(*row) for row in self._query("metadata", (run, task))]

    def events(self, run: int, *, after: int = 0) -> Generator[Numbered]:
        """Yield a run's events with their numbers, from number `after` on, as far as they are recorded."""
        with self._reading():
            for first, events in read_batches(self._db, run, after):
                yield from enumerate(events, first)

    def tail(
        self,
        run: int,
        *,
        after: int = 0,
        until: Callable[[], bool] = lambda: False,
        poll_s: float = 0.05,
    ) -> Generator[Numbered]:
        """Yield a run's events as they are recorded, from number `after` on.

        Ends after the run has finished, when its driver is dead, or when `until()` is true and all was given out.

        Blocking: waits for other processes to write; looks every `poll_s` whether one did, and reads only then.
        """
        while True:
            self._note_version()
            is_last = until() or self._is_at_rest(run)
            for number, event in self.events(run, after=after):
                after = number + 1
                yield number, event
                is_last = is_last or isinstance(event, RunFinished)
            if is_last:
                return
            while not (self.has_changed() or until() or self._is_at_rest(run)):
                time.sleep(poll_s)

    def has_changed(self) -> bool:
        """Tell whether another process has written to the store since the last call. Reads no table."""
        return self._note_version()

    def _is_at_rest(self, run: int) -> bool:
        """Nobody adds to the run's log any more, unless it is resumed."""
        row = self.run(run)
        if row is not None:
            return row.status != "running"
        lease = self.lease(run)
        return lease is None or not is_alive(lease, self._now())

    def _note_version(self) -> bool:
        with self._reading():
            version: int = patiently(lambda: self._db.execute("PRAGMA data_version").fetchone())[0]
        is_new = version != self._version
        self._version = version
        return is_new

    def _query(self, name: str, values: Sequence[object] | dict[str, object]) -> list[Any]:  # Any: rows
        return patiently(lambda: self._db.execute(statement(name), values).fetchall())

    @contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(error, self.path, "The store cannot be read") from error


def open_reader(path: str) -> sqlite3.Connection:
    """Open a store's database for reading only.

    Raises:
        NoEventLog: There is none.
        StoreError: It cannot be read, or is of a newer release.
    """
    if not os.path.exists(path):
        raise NoEventLog(
            f"There is no event log at {path}",
            hint="Start a run here (asyncflow run FLOW.py), or point ASYNCFLOW_HOME at the store.",
        )
    uri = f"file:{quote(os.path.abspath(path))}?mode=ro"
    try:
        try:
            return _open(uri, path)
        except sqlite3.OperationalError:
            if os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal"):
                raise
            # In a directory that cannot be written SQLite refuses for want of its side files; without a
            # write-ahead log to heed it needs none.
            return _open(f"{uri}&immutable=1", path)
    except sqlite3.Error as error:
        raise store_error(error, path, "The store cannot be read") from error


def _open(uri: str, path: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None, cached_statements=64)
    try:
        version = patiently(lambda: check_schema(db, path))
        if version == 0:
            raise NoEventLog(f"{path} holds no event log yet", hint="Start a run: asyncflow run FLOW.py")
        if version < SCHEMA_VERSION:
            open_writer(path).close()  # brings the store of an earlier release up to date
        db.execute("PRAGMA cache_size = -8000")
        patiently(lambda: db.execute(statement("run"), (0,)).fetchone())
    except BaseException:
        db.close()
        raise
    return db


def _with_true_status(row: RunRow, held: Mapping[int, Lease], at: float) -> RunRow:
    if row.status == "running":
        lease = held.get(row.run)
        if lease is None or not is_alive(lease, at):
            row.status = INTERRUPTED
    return row


def _attempt_of(task: TaskRow) -> AttemptRow:
    return AttemptRow(
        run=task.run,
        task=task.task,
        number=task.attempt,
        status=task.status,
        launched_at=task.launched_at,
        started_at=task.started_at,
        ended_at=task.ended_at,
        pid=task.pid,
        place=task.place,
        error_type=task.error_type,
        error_message=task.error_message,
        error_traceback=task.error_traceback,
        cpu_s=task.cpu_s,
        max_rss_bytes=task.max_rss_bytes,
    )
