"""Cleans a store: removes runs that are not to be kept, and what no run needs. Safe beside runs that go on.

1. Runs that are asked for leave the log and the views, each in one transaction, unless somebody drives or needs it.
2. Directories of runs that are not in the log go: those of step 1, and of a cleaning that was killed in between.
3. Blobs that no manifest of what is left names go, and files that nobody will finish.

Killed anywhere, what is left is whole, and the next cleaning goes on.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

from asyncflow.events.database import open_writer
from asyncflow.events.reader import Reader
from asyncflow.events.removal import known_runs, living_since, needed_runs, remove_run
from asyncflow.events.rows import RunRow
from asyncflow.records import field, record
from asyncflow.store import sweep
from asyncflow.store.layout import DATABASE, run_directory
from asyncflow.store.local import LocalStore
from asyncflow.store.memos import forget_runs

__all__ = ["Cleaned", "Keeping", "clean"]

_COARSE_S = 1.0
"""The times of files are of a coarser clock than those of events: 4 ms behind on Linux, up to a second elsewhere."""


@record
class Keeping:
    """Which runs stay. A run goes only if all that is given lets it go; nothing given: all stay."""

    last: int | None = None
    """The newest so many of each flow stay."""
    since: float | None = None
    """Those that ended later stay; seconds since the epoch."""

    def lets_go(self, rows: Iterable[RunRow]) -> list[int]:
        """Return the runs that need not stay, of rows with the newest first."""
        if self.last is None and self.since is None:
            return []
        seen: Counter[str] = Counter()
        gone: list[int] = []
        for row in rows:
            seen[row.flow] += 1
            is_among_last = self.last is not None and seen[row.flow] <= self.last
            ended_at = row.ended_at or row.started_at or row.created_at
            is_young = self.since is not None and ended_at >= self.since
            if row.status != "running" and not is_among_last and not is_young:
                gone.append(row.run)
        return gone


@record(frozen=False)
class Cleaned:
    """What a cleaning removed, or would."""

    runs: list[int] = field(default_factory=list[int])
    needed: list[int] = field(default_factory=list[int])
    """Runs that were to go and stay, as others have taken over tasks of them."""
    run_files: sweep.Swept = field(default_factory=sweep.Swept)
    """Manifests and logs."""
    blobs: sweep.Swept = field(default_factory=sweep.Swept)
    temporary: sweep.Swept = field(default_factory=sweep.Swept)

    @property
    def size_bytes(self) -> int:
        """How much room it makes, without the database."""
        return self.run_files.size_bytes + self.blobs.size_bytes + self.temporary.size_bytes


def clean(home: str, keeping: Keeping, *, grace_s: float = 60.0, is_dry: bool = False) -> Cleaned:
    """Clean a store. Blocks: reads every manifest.

    Args:
        home: The store's directory.
        keeping: Which runs stay.
        grace_s: What was written within the last so many seconds stays.
        is_dry: Only say what would go.

    Raises:
        StoreError: Another process cleans it, or something cannot be read or removed. What is left is whole.
    """
    path = os.path.join(home, DATABASE)
    cleaned = Cleaned()
    with sweep.one_sweep(home), closing(open_writer(path)) as db:
        before = time.time() - grace_s
        since = living_since(db)
        before = before if since is None else min(before, since - _COARSE_S)
        with Reader(path) as reader:
            gone = keeping.lets_go(reader.runs(limit=1 << 40))
        known = known_runs(db)
        needed = needed_runs(db, known - set(gone))
        cleaned.needed = [run for run in gone if run in needed]
        for run in (run for run in gone if run not in needed):
            if is_dry or remove_run(db, run):
                cleaned.runs.append(run)
        left = known_runs(db) - (set(cleaned.runs) if is_dry else set())
        _remove_directories(home, left, cleaned, before=before, is_dry=is_dry)
        if not is_dry:
            forget_runs(home, left.__contains__)
        named = sweep.named_digests(home, sorted(left))
        digests = LocalStore(home).digests()
        cleaned.blobs = sweep.sweep_blobs(home, digests, named, before=before, is_dry=is_dry)
        cleaned.temporary = sweep.sweep_temporary(home, before=before, is_dry=is_dry)
    return cleaned


def _remove_directories(home: str, left: set[int], cleaned: Cleaned, *, before: float, is_dry: bool) -> None:
    for run in sweep.run_directories(home):
        if run in left or (run not in cleaned.runs and _changed_at(run_directory(home, run)) >= before):
            continue
        removed = sweep.remove_run_directory(home, run, is_dry=is_dry)
        cleaned.run_files.files += removed.files
        cleaned.run_files.size_bytes += removed.size_bytes


def _changed_at(directory: str) -> float:
    try:
        return os.stat(directory).st_mtime
    except FileNotFoundError:
        return 0.0
