"""What must hold after a killed and resumed run. Each check returns what is wrong, in words; nothing: all is well."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from asyncflow.errors import StoreError
from asyncflow.store.local import LocalStore
from tests.chaos.journal import Entry
from tests.chaos.records import Place, RunRecord

__all__ = ["different_results", "log_faults", "rerun_tasks", "stray_files"]

_RUN_FILE = re.compile(r"\d+\.\d+\.log|\d+\.manifests")
_BLOB = re.compile(r"[0-9a-f]{38}")


def different_results(expected: dict[Place, dict[str, str]], found: dict[Place, dict[str, str]]) -> list[str]:
    """Compare all artifacts of all tasks with those of an undisturbed run."""
    faults = [f"no task at {place}" for place in expected if place not in found]
    faults += [f"a task too many at {place}" for place in found if place not in expected]
    for place, artifacts in expected.items():
        other = found.get(place, artifacts)
        faults += [
            f"artifact {name} of {place} is not that of an undisturbed run"
            for name in {**artifacts, **other}
            if artifacts.get(name) != other.get(name)
        ]
    return faults


def log_faults(record: RunRecord) -> list[str]:
    """Check one run's events by themselves: what is finished is never launched again, and ends once."""
    faults: list[str] = []
    for task in record.tasks.values():
        if len(task.successes) > 1:
            faults.append(f"task {task.task} of run {record.run} succeeded {len(task.successes)} times")
        done = min((seq for seq, *_ in task.successes), default=None)
        if done is not None and any(seq > done for seq, _ in task.launches):
            faults.append(f"task {task.task} of run {record.run} was launched after it succeeded")
        if task.origin is not None and task.launches:
            faults.append(f"task {task.task} of run {record.run} was taken over, and launched")
        numbers = [number for _, number in task.launches]
        if len(set(numbers)) != len(numbers):
            faults.append(f"task {task.task} of run {record.run} was launched twice as one attempt")
    ends = [seq for seq, event in record.events if type(event).__name__ == "RunFinished"]
    if len(ends) > 1:
        faults.append(f"run {record.run} finished {len(ends)} times")
    return faults


def rerun_tasks(home: Path, chain: Sequence[RunRecord], journal: Sequence[Entry]) -> list[str]:
    """Find user code that began again although its task was finished: recorded so, or with a good manifest.

    Args:
        home: The store.
        chain: The run, and the runs that took over its work, in order.
        journal: What the steps noted.
    """
    faults: list[str] = []
    places = {(record.run, task.task): task.place for record in chain for task in record.tasks.values()}
    store = LocalStore(str(home))
    finished: dict[Place, tuple[float, int]] = {}
    for record in chain:
        for task in record.tasks.values():
            if task.successes:
                finished.setdefault(task.place, (task.successes[0][2], record.run))
    for entry in journal:
        if entry.what != "begin":
            continue
        place = places.get((entry.run, entry.task))
        if place is None:
            faults.append(
                f"user code ran for task {entry.task} of run {entry.run}, which the log does not know"
            )
            continue
        at, run = finished.get(place, (float("inf"), 0))
        if entry.at > at:
            faults.append(
                f"{place} began again in run {entry.run}, finished in run {run} {entry.at - at:.3f} s before"
            )
        faults += _unnoticed(store, entry, place)
    return faults


def _unnoticed(store: LocalStore, entry: Entry, place: Place) -> list[str]:
    """Say if an earlier attempt of the same task had left a good manifest when this one began."""
    for number in range(entry.attempt):
        try:
            manifest = store.read_manifest(entry.run, entry.task, number)
        except StoreError:
            continue
        if manifest.is_ok and manifest.ended_at < entry.at:
            return [
                f"{place} began again in run {entry.run} although attempt {number} had left a good manifest"
            ]
    return []


def stray_files(home: Path) -> list[str]:
    """Find files where readers look that are neither a pack of manifests, a log nor a blob: half-written ones."""
    faults: list[str] = []
    for directory, _, names in os.walk(home / "runs"):
        faults += [f"stray file {directory}/{name}" for name in names if not _RUN_FILE.fullmatch(name)]
    for directory, _, names in os.walk(home / "blobs"):
        faults += [f"stray file {directory}/{name}" for name in names if not _BLOB.fullmatch(name)]
    return faults
