"""Opens a store's database, keeps its schema, and says in words what SQLite says in codes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from asyncflow.errors import StoreError
from asyncflow.events.wal import find_lost_commits, set_aside

__all__ = [
    "PATIENCE_S",
    "SCHEMA_VERSION",
    "check_schema",
    "create_schema",
    "open_writer",
    "patiently",
    "statement",
    "store_error",
    "transaction",
]

_MIGRATIONS = ("0001_first", "0002_tag_edits", "0003_mirrored")
SCHEMA_VERSION = len(_MIGRATIONS)
"""Grows with each file in sql/migrations."""

PATIENCE_S = 60.0
"""How long another process may hold the write lock before that is an error."""

_BUSY_S = 0.05
"""SQLite itself waits so long, in growing naps; then we start over, which keeps the naps short."""

_WAL_PAGES = 2000
"""A commit that leaves a longer write-ahead log (8 MB) copies it into the database: rare enough not to cost
throughput, small enough that the one commit which pays for it takes some ms (5 to 10 measured on an SSD)."""

_APPLICATION_ID = 0x61666C77
"""Marks the file as ours: `aflw`."""

_SQL = os.path.join(os.path.dirname(__file__), "sql")

_T = TypeVar("_T")


@cache
def statement(name: str) -> str:
    """Return the SQL statement of that name; what has loaded this module reads it, in an archive, too."""
    assert __spec__ is not None
    loader: Any = __spec__.loader  # Any: one that has `get_data`, as those of files and archives have
    data: bytes = loader.get_data(os.path.join(_SQL, f"{name}.sql"))
    return data.decode()


def open_writer(path: str) -> sqlite3.Connection:
    """Open the database for writing; make it, or bring its schema up to date, as needed.

    The connection is in autocommit mode: transactions are opened by `transaction`.

    Blocking: waits for other processes that write, up to `PATIENCE_S`.

    Raises:
        StoreError: It cannot be opened, is damaged, is no database of ours, or is of a newer release.
    """
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise StoreError(
            f"There is no store at {directory}",
            hint="Start a run there (asyncflow run FLOW.py), or point ASYNCFLOW_HOME at the store.",
        )
    has_wal = os.path.exists(f"{path}-wal")
    db = _connect(path)
    try:
        with _told(path, "The store cannot be opened"):
            if has_wal:
                _refuse_silent_loss(db, path)
            patiently(lambda: _prepare(db, path))
    except BaseException:
        db.close()
        raise
    return db


def check_schema(db: sqlite3.Connection, path: str) -> int:
    """Return the schema's version, 0 for an empty database.

    Raises:
        StoreError: The database is no asyncflow store, or of a newer release.
    """
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    application: int = db.execute("PRAGMA application_id").fetchone()[0]
    if version > SCHEMA_VERSION and application == _APPLICATION_ID:
        raise StoreError(
            f"{path} was written by a newer asyncflow (schema {version}, this release knows {SCHEMA_VERSION})",
            hint="Upgrade asyncflow here: the newer release reads this store.",
        )
    if application not in (0, _APPLICATION_ID) or (version and application == 0):
        raise StoreError(
            f"{path} is a database of another program", hint="Point ASYNCFLOW_HOME at another directory."
        )
    return version


def patiently(work: Callable[[], _T], patience_s: float = PATIENCE_S) -> _T:
    """Do `work`, again and again while another process holds a lock that it needs.

    Raises:
        sqlite3.OperationalError: The lock is still held after `patience_s`, or something else is wrong.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.001)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """Run the body in one write transaction: all of it is recorded, or nothing.

    Blocking: waits for other writers, up to `PATIENCE_S`.
    """
    patiently(lambda: db.execute("BEGIN IMMEDIATE"))
    try:
        yield
        patiently(lambda: db.execute("COMMIT"))
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def store_error(error: sqlite3.Error, path: str, what: str) -> StoreError:
    """Say what SQLite's error means, and what to do.

    Args:
        error: What was raised.
        path: The database.
        what: What could not be done, a sentence without full stop.
    """
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name.startswith("SQLITE_CANTOPEN") and _is_refused(path):
        name = f"SQLITE_READONLY, told as {name}"  # a log that cannot be made beside the database
    for prefix, reason, hint in _REASONS:
        if name.startswith(prefix):
            return StoreError(f"{what}: {reason} ({path}: {error}, {name})", hint=hint)
    return StoreError(f"{what}: {path}: {error} ({name})", hint="Check the store: asyncflow doctor")


_REASONS = (
    (
        "SQLITE_FULL",
        "the disk is full",
        "Make room, then go on where the run stopped: asyncflow resume",
    ),
    (
        "SQLITE_READONLY",
        "the store is read-only",
        "Make the directory and its files writable, or point ASYNCFLOW_HOME elsewhere.",
    ),
    (
        "SQLITE_BUSY",
        f"another process has kept it locked for {PATIENCE_S:.0f} s",
        "Find who holds it (asyncflow runs), end it, then: asyncflow resume",
    ),
    (
        "SQLITE_CANTOPEN",
        "the file cannot be opened",
        "Check that the directory exists and is yours: asyncflow doctor",
    ),
    ("SQLITE_CORRUPT", "the database is damaged", "See what can still be read: asyncflow doctor"),
    ("SQLITE_NOTADB", "the file is damaged, or no database", "See what can still be read: asyncflow doctor"),
    (
        "SQLITE_IOERR",
        "the disk refused (full, over a quota or a limit, or failing)",
        "Check space and limits (df, quota, ulimit -f), then: asyncflow resume",
    ),
    ("SQLITE_PERM", "no permission", "Make the directory and its files yours and writable."),
)


def _is_refused(path: str) -> bool:
    """Tell whether the database's directory is there, and nothing can be made in it."""
    directory = os.path.dirname(os.path.abspath(path))
    return os.path.isdir(directory) and not os.access(directory, os.W_OK | os.X_OK)


def _connect(path: str) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, cached_statements=64)
    except sqlite3.Error as error:
        raise store_error(error, path, "The store cannot be opened") from error


@contextmanager
def _told(path: str, what: str) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(error, path, what) from error


def _refuse_silent_loss(db: sqlite3.Connection, path: str) -> None:
    """Stop, once, when the write-ahead log holds commits that SQLite is about to drop."""

    def count_good() -> int:
        good: int = patiently(lambda: db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())[1]
        return good

    lost = find_lost_commits(path, count_good)
    if lost is None:
        return
    raise StoreError(
        f"The write-ahead log of {path} is damaged: at least {lost.commits} commits at its end cannot be read. "
        f"A copy of it is kept as {set_aside(path)}. What was recorded before the damage is untouched; "
        "later commands work with that.",
        hint="See what is there: asyncflow doctor. Then go on from there: asyncflow resume",
    )


def _prepare(db: sqlite3.Connection, path: str) -> None:
    version = check_schema(db, path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    db.execute("PRAGMA journal_size_limit = 16777216")
    db.execute("PRAGMA cache_size = -8000")
    db.execute("PRAGMA temp_store = MEMORY")
    if version < SCHEMA_VERSION:
        with transaction(db):
            _migrate(db, path)


def create_schema(db: sqlite3.Connection) -> None:
    """Create all tables in a new, empty database, such as one in memory."""
    _migrate(db, ":memory:")


def _migrate(db: sqlite3.Connection, path: str) -> None:
    """Bring the schema up to date, inside a write transaction; another process may have done it meanwhile."""
    version = check_schema(db, path)
    for name in _MIGRATIONS[version:]:
        for single in _statements(statement(f"migrations/{name}")):
            db.execute(single)
    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements; `executescript` would end the transaction it runs in."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _is_busy(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
