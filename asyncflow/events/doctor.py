"""Is a store's database whole, and what can still be read if not? Looks only; the one repair rebuilds the views.

Nothing here deletes: a damaged log is described, and stays as it is.
"""

from __future__ import annotations

import json
import operator
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from asyncflow.errors import StoreError
from asyncflow.events import ledger
from asyncflow.events.database import create_schema, open_writer, statement, store_error
from asyncflow.events.position import positions
from asyncflow.events.reader import open_reader
from asyncflow.events.rows import RunRow
from asyncflow.events.wal import count_good_frames, find_lost_commits
from asyncflow.records import field, fields, record

__all__ = ["Finding", "Report", "Severity", "check", "rebuild_views"]


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Nothing is lost."""
    ERROR = "error"
    """Something is lost, or wrong until it is repaired."""


@record
class Finding:
    """One thing that was looked at."""

    severity: Severity
    what: str
    hint: str = ""
    """What to do; empty when there is nothing to do."""


@record(frozen=False)
class Report:
    """What `check` found."""

    path: str
    findings: list[Finding] = field(default_factory=list[Finding])
    runs: int = 0
    """Runs that have events."""
    events: int = 0
    """Events that can be read."""
    tasks: int = 0
    """Tasks that the views show."""

    @property
    def is_whole(self) -> bool:
        """Nothing is lost or wrong; warnings do not count."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def ok(self, what: str) -> None:
        """Note that something is as it should be."""
        self.findings.append(Finding(severity=Severity.OK, what=what))

    def warn(self, what: str, hint: str = "") -> None:
        """Note something odd."""
        self.findings.append(Finding(severity=Severity.WARNING, what=what, hint=hint))

    def error(self, what: str, hint: str = "") -> None:
        """Note something lost or wrong."""
        self.findings.append(Finding(severity=Severity.ERROR, what=what, hint=hint))


def check(path: str) -> Report:
    """Look at everything: file system, write-ahead log, pages, every run's log, and the views.

    Blocking: reads the whole database; other processes go on meanwhile. Never raises for what it finds.

    Args:
        path: The database.
    """
    report = Report(path=path)
    _check_place(path, report)
    _check_wal(path, report)
    try:
        with closing(open_reader(path)) as db:
            db.execute("BEGIN")  # one state of the store for all that follows, while others write
            _check_pages(db, report)
            _check_views(db, _check_logs(db, report), report)
    except StoreError as error:
        report.error(error.message, error.hint)
    except sqlite3.Error as error:
        told = store_error(error, path, "The check cannot go on")
        report.error(told.message, told.hint)
    return report


def rebuild_views(path: str, run: int | None = None) -> int:
    """Make the views anew from the events, of one run or of all; return how many runs were folded.

    Blocking: other writers wait, up to a minute; a store with a million tasks takes about that.

    Raises:
        StoreError: A log is damaged, or the store cannot be written. The views are as they were.
    """
    with closing(open_writer(path)) as db:
        return ledger.rebuild_views(db, path, run)


def _check_place(path: str, report: Report) -> None:
    kind = _file_system(os.path.dirname(os.path.abspath(path)))
    if kind in _NETWORK:
        report.warn(
            f"The store is on a network file system ({kind}), on which SQLite's locks may not hold",
            "Keep the store on a local disk; set ASYNCFLOW_HOME.",
        )
    directory, name = os.path.split(os.path.abspath(path))
    for other in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        if other.startswith(f"{name}-wal.damaged-"):
            report.warn(
                f"A damaged write-ahead log was set aside earlier: {os.path.join(directory, other)}",
                "Runs of that time may lack their last events; delete the copy when it is of no use.",
            )


def _check_wal(path: str, report: Report) -> None:
    try:
        size = os.path.getsize(f"{path}-wal")
    except OSError:
        size = 0
    if not size:
        report.ok("The write-ahead log is empty: all that was recorded is in the database")
        return
    lost = find_lost_commits(path, lambda: count_good_frames(path))
    if lost is None:
        report.ok(f"The write-ahead log is whole ({size:,} bytes)")
        return
    report.error(
        f"The write-ahead log is damaged: at least {lost.commits} commits ({lost.frames} pages) cannot be read",
        f"Copy {path}-wal if you want to examine it. The next run keeps a copy too, and goes on without them.",
    )


def _check_pages(db: sqlite3.Connection, report: Report) -> None:
    try:
        problems = [row[0] for row in db.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    if problems == ["ok"]:
        report.ok("Every page of the database is sound")
        return
    report.error(
        f"The database has damaged pages: {'; '.join(problems)}",
        "Copy the store before anything else. What can still be read is told below; artifacts are not affected.",
    )


def _check_logs(db: sqlite3.Connection, report: Report) -> list[int]:
    """Read every run's log; return the runs whose log is whole."""
    runs = [run for (run,) in db.execute(statement("logged_runs"))]
    good = [run for run in runs if _check_log(db, run, report)]
    report.runs = len(runs)
    if len(good) == len(runs):
        report.ok(f"The logs of all {len(runs)} runs are without gap ({report.events:,} events)")
    return good


def _check_log(db: sqlite3.Connection, run: int, report: Report) -> bool:
    readable = 0
    try:
        for _, events in ledger.read_batches(db, run):
            readable += len(events)
            report.events += len(events)
    except (StoreError, sqlite3.Error) as error:
        what = error.message if isinstance(error, StoreError) else str(error)
        report.error(
            f"Run {run}: its first {readable} events can be read, then: {what}",
            f"The run cannot go on; a new one can take over what the views show: asyncflow resume {run}",
        )
        return False
    return True


def _check_views(db: sqlite3.Connection, runs: list[int], report: Report) -> None:
    """Compare the views of the runs with what their events say."""
    wrong: list[str] = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        create_schema(scratch)
        for run in runs:
            scratch.execute("BEGIN")
            ledger.refold(scratch, run, db)
            wrong.extend(
                f"run {run}: {table}" for table in ledger.VIEWS if not _is_equal(db, scratch, table, run)
            )
            report.tasks += sum(1 for _ in scratch.execute(statement("all_tasks"), (run,)))
            scratch.execute("ROLLBACK")
    logged = dict.fromkeys(run for (run,) in db.execute(statement("logged_runs")))
    heads = [run for run, position in positions(db).items() if position.next_piece == 0]
    shown = [run for (run,) in db.execute(statement("shown_runs")) if run not in heads]
    wrong.extend(f"run {run}: it has no events" for run in shown if run not in logged)
    if wrong:
        report.error(
            f"The views differ from what the events say ({'; '.join(wrong[:10])})",
            "Make them anew: asyncflow doctor --rebuild-views",
        )
    else:
        report.ok(f"The views say what the events say ({report.tasks:,} tasks)")


def _is_equal(db: sqlite3.Connection, scratch: sqlite3.Connection, table: str, run: int) -> bool:
    ours = db.execute(statement(f"all_{table}"), (run,))
    theirs = scratch.execute(statement(f"all_{table}"), (run,))
    same = _is_same_run if table == "runs" else operator.eq
    return all(same(one, other) for one, other in zip_longest(ours, theirs))


def _is_same_run(
    ours: tuple[Any, ...] | None, theirs: tuple[Any, ...] | None
) -> bool:  # Any: as SQLite gives them
    """Compare a run's rows; limits that an earlier release did not know need not be in ours."""
    if ours == theirs or ours is None or theirs is None:
        return ours == theirs
    known, made = json.loads(ours[_LIMITS]), json.loads(theirs[_LIMITS])
    return {**made, **known} == made and _without_limits(ours) == _without_limits(theirs)


def _without_limits(row: tuple[Any, ...]) -> tuple[Any, ...]:  # Any: as above
    return (*row[:_LIMITS], *row[_LIMITS + 1 :])


_LIMITS = [item.name for item in fields(RunRow)].index("limits")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "ceph", "fuse.sshfs", "gpfs", "beegfs")


def _file_system(directory: str) -> str:
    """Return the kind of file system a directory is on; empty where the platform does not tell."""
    best, kind = "", ""
    for mount, name in _mounts():
        if len(mount) >= len(best) and f"{directory}/".startswith(f"{mount.rstrip('/')}/"):
            best, kind = mount, name
    return kind


def _mounts() -> Iterator[tuple[str, str]]:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            for line in file:
                _, mount, kind, *_ = line.split(" ")
                yield mount, kind
    except OSError:
        return
