"""The log and its views as SQLite holds them: plain blocking code, for the one thread that owns the connection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from asyncflow.errors import RunIsElsewhere, StoreError
from asyncflow.events.codec import Recorded, decode_batch, encode_batch
from asyncflow.events.database import statement, store_error, transaction
from asyncflow.events.position import RawBatch
from asyncflow.events.rows import ArtifactRow, AttemptRow, MetadataRow, RunRow, TagRow, TaskRow
from asyncflow.events.views import Changes, RunView
from asyncflow.records import fields

__all__ = ["VIEWS", "Ledger", "load_run", "read_batches", "rebuild_views", "refold", "write_changes"]


VIEWS = ("runs", "tasks", "attempts", "artifacts", "tags", "metadata")
"""The tables that are folded from events."""

_MOST_WAL_BYTES = 32 << 20

_CHUNK = 256
_PAGE_BATCHES = 16
"""Batches read at a time."""


class Ledger:
    """Appends to the log. Every method but `read` is called inside a transaction.

    Args:
        db: Made by `open_writer`.
        path: Of the database, for messages.
    """

    def __init__(self, db: sqlite3.Connection, path: str) -> None:
        self.db = db
        self.path = path
        self._views: dict[int, RunView] = {}
        self._trim_above = _MOST_WAL_BYTES

    def append(self, run: int, events: Sequence[Recorded], expected_seq: int) -> int:
        """Record a batch and what it changes in the views; return the next free number.

        Raises:
            RunIsElsewhere: The run's next number is not `expected_seq`. Nothing was changed.
            InternalError: An event cannot be encoded. Nothing was changed.
        """
        next_seq = self.next_seq(run)
        if next_seq != expected_seq:
            raise RunIsElsewhere(
                f"Run {run} has gone on without this process: its log has {next_seq} events, "
                f"this driver knew of {expected_seq}. This process stops and has recorded nothing more.",
                hint="See who drives it: asyncflow runs",
            )
        if not events:
            return next_seq
        body = encode_batch(events)
        at = getattr(events[0], "at", 0.0)
        self.db.execute(statement("insert_batch"), (run, expected_seq, len(events), at, body))
        self._fold(run, expected_seq, events)
        return expected_seq + len(events)

    def take(self, run: int, batches: Sequence[RawBatch], expected_seq: int) -> None:
        """Record batches that were recorded elsewhere.

        What they change in the views is written once: it is the same whatever batches a log is folded in.

        Args:
            run: The run.
            batches: Each follows on the one before, the first on what is here.
            expected_seq: The run's next number.

        Raises:
            StoreError: One is damaged, or missing. Nothing was changed.
        """
        events: list[Recorded] = []
        for batch in batches:
            if batch.seq != expected_seq + len(events):
                raise StoreError(
                    f"Event {expected_seq + len(events)} of run {run} is missing in what another machine recorded",
                    hint="See what is there: asyncflow doctor",
                )
            events += decode_batch(batch.body)
        if batches:
            self.db.executemany(statement("insert_batch"), [(run, *batch) for batch in batches])
            self._fold(run, expected_seq, events)

    def next_seq(self, run: int) -> int:
        """Return the number of a run's next event."""
        row = self.db.execute(statement("next_seq"), (run,)).fetchone()
        return row[0] if row else 0

    def read(self, run: int, after: int) -> list[Recorded]:
        """Return the run's events from number `after` on."""
        return [event for _, events in read_batches(self.db, run, after) for event in events]

    def read_page(self, run: int, after: int, most: int) -> list[Recorded]:
        """Return the run's events from number `after` on: whole batches, until they are `most` or more."""
        page: list[Recorded] = []
        for _, events in read_batches(self.db, run, after, at_once=_PAGE_BATCHES):
            page.extend(events)
            if len(page) >= most:
                break
        return page

    def new_run_id(self) -> int:
        """Take the next run id."""
        self.db.execute(statement("next_run_id"))
        run: int = self.db.execute(statement("last_run_id")).fetchone()[0]
        return run

    def forget(self) -> None:
        """Drop what is held of the views: the transaction that they were folded in was undone."""
        self._views.clear()

    def trim(self) -> None:
        """Bound the write-ahead log, outside of transactions.

        SQLite folds it back by itself, but with several busy writers somebody always appends meanwhile and the file
        grows without end. Rarely needed: it makes all writers wait.
        """
        try:
            size = os.path.getsize(f"{self.path}-wal")
        except OSError:
            return
        if size > self._trim_above:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._trim_above = max(
                _MOST_WAL_BYTES, os.path.getsize(f"{self.path}-wal") + _MOST_WAL_BYTES // 4
            )

    def _fold(self, run: int, next_seq: int, events: Sequence[Recorded]) -> None:
        changes = self._view(run, next_seq).fold(events)
        write_changes(self.db, changes)
        if changes.is_over:
            self._views.pop(run, None)

    def _view(self, run: int, next_seq: int) -> RunView:
        view = self._views.get(run)
        if view is None:
            view = self._views[run] = RunView(
                load_run(self.db, run) if next_seq else None, _task_loader(self.db, run)
            )
        return view


def read_batches(
    db: sqlite3.Connection, run: int, after: int = 0, *, at_once: int = _CHUNK
) -> Iterator[tuple[int, Sequence[Recorded]]]:
    """Yield the number of the first event, and the events, batch by batch, beginning with number `after`.

    Reads `at_once` batches at a time and holds no read transaction in between.

    Raises:
        StoreError: A batch is damaged, or one is missing.
    """
    expected = after
    while True:
        values = {"run": run, "after": expected, "limit": at_once}
        rows = db.execute(statement("batches_from"), values).fetchall()
        for seq, count, body in rows:
            events = _batch(run, seq, count, body, expected)
            if events:
                yield expected, events
            expected = seq + count
        if len(rows) < at_once:
            return


def _batch(run: int, seq: int, count: int, body: bytes, expected: int) -> Sequence[Recorded]:
    """Decode a batch, from event number `expected` on."""
    hint = "See what is there: asyncflow doctor"
    if seq > expected:
        raise StoreError(
            f"The log of run {run} has a gap: events {expected} to {seq - 1} are missing", hint=hint
        )
    try:
        events = decode_batch(body)
    except StoreError as error:
        raise StoreError(
            f"The log of run {run} is damaged at event {seq}: {error.message}", hint=hint
        ) from error
    if len(events) != count:
        raise StoreError(
            f"The log of run {run} is damaged at event {seq}: {len(events)} events where {count} belong",
            hint=hint,
        )
    return events[max(0, expected - seq) :]


def rebuild_views(db: sqlite3.Connection, path: str, run: int | None = None) -> int:
    """Make the views anew from the events, of one run or of all; return how many runs were folded.

    Raises:
        StoreError: A log is damaged, or the views cannot be written. The views are as they were.
    """
    try:
        with transaction(db):
            rows = db.execute(statement("logged_runs")).fetchall() if run is None else [(run,)]
            for table in VIEWS:
                db.execute(statement(f"clear_{table}"), {"run": run})
            for (each,) in rows:
                refold(db, each)
    except sqlite3.Error as error:
        raise store_error(error, path, "The views cannot be rebuilt, and are as they were") from error
    return len(rows)


def refold(db: sqlite3.Connection, run: int, source: sqlite3.Connection | None = None) -> None:
    """Fold a run's whole log into views that hold nothing of it yet.

    Args:
        db: Where the views are written.
        run: Which run.
        source: Where the log is read. None: in `db`.
    """
    view = RunView(None, _task_loader(db, run))
    for _, events in read_batches(source or db, run):
        write_changes(db, view.fold(events))


def write_changes(db: sqlite3.Connection, changes: Changes) -> None:
    """Write the rows that a batch of events changed."""
    run = changes.run
    if run is None:
        return
    if changes.is_new:
        db.execute(statement("insert_run"), _ALL_OF_RUN(run))
    else:
        db.execute(statement("update_run"), _CHANGING_OF_RUN(run))
    _write_all(db, "insert_task", changes.added.values(), _ALL_OF_TASK)
    _write_all(db, "update_task", changes.changed.values(), _CHANGING_OF_TASK)
    _write_all(db, "insert_attempt", changes.attempts, _ALL_OF_ATTEMPT)
    _write_all(db, "insert_artifact", changes.artifacts, _ALL_OF_ARTIFACT)
    _write_all(db, "insert_tag", changes.tags, _ALL_OF_TAG)
    _write_all(db, "insert_metadata", changes.metadata, _ALL_OF_METADATA)
    if changes.is_over:
        db.execute(statement("cancel_living_tasks"), (run.run,))


def _write_all(
    db: sqlite3.Connection,
    name: str,
    rows: Iterable[object],
    take: Callable[[object], tuple[object, ...]],
) -> None:
    values = [take(row) for row in rows]
    if values:
        db.executemany(statement(name), values)


def load_run(db: sqlite3.Connection, run: int) -> RunRow | None:
    """Return what a list of runs shows of a run, as recorded; None if there is none of that id."""
    row = db.execute(statement("run"), (run,)).fetchone()
    return RunRow(*row) if row else None


def _task_loader(db: sqlite3.Connection, run: int) -> Callable[[int], TaskRow | None]:
    def load(task: int) -> TaskRow | None:
        row = db.execute(statement("task"), (run, task)).fetchone()
        return TaskRow(*row) if row else None

    return load


def _all_of(cls: type) -> Callable[[object], tuple[object, ...]]:
    return attrgetter(*(item.name for item in fields(cls)))


_ALL_OF_RUN = _all_of(RunRow)
_ALL_OF_TASK = _all_of(TaskRow)
_ALL_OF_ATTEMPT = _all_of(AttemptRow)
_ALL_OF_ARTIFACT = _all_of(ArtifactRow)
_ALL_OF_TAG = _all_of(TagRow)
_ALL_OF_METADATA = _all_of(MetadataRow)

# In the order of the placeholders of update_run.sql and update_task.sql.
_CHANGING_OF_RUN = attrgetter(*(item.name for item in fields(RunRow)[6:]), "run")
_CHANGING_OF_TASK = attrgetter(*(item.name for item in fields(TaskRow)[15:]), "run", "task")
