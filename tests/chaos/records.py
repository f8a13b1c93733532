"""What a store says of a run, read from its bytes: the events, and the manifests of the tasks that count.

Reads the log's table and folds the events by itself, so that an error of the machine's own fold, or of the views,
cannot hide what it did.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from asyncflow.events.codec import decode_batch
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.local import LocalStore

__all__ = ["Place", "RunRecord", "TaskRecord", "integrity", "read_results", "read_run", "run_ids"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a task stands in a flow, the same in every run of it."""

    step: str
    path: tuple[int, ...]
    iteration: int

    def __str__(self) -> str:
        return f"{self.step}[{','.join(map(str, self.path))}]#{self.iteration}"


@dataclass(slots=True)
class TaskRecord:
    """What the events say of one task."""

    task: int
    place: Place
    launches: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """(sequence number, attempt number) of each `AttemptLaunched`."""
    successes: list[tuple[int, int, float]] = field(default_factory=list[tuple[int, int, float]])
    """(sequence number, attempt number, time) of each `AttemptSucceeded`."""
    lost: list[int] = field(default_factory=list[int])
    """Attempts that vanished through no fault of theirs."""
    origin: ManifestKey | None = None
    """For a cloned task the manifest that it took over."""

    @property
    def is_good(self) -> bool:
        """Whether the task is recorded as succeeded or taken over."""
        return self.origin is not None or bool(self.successes)


@dataclass(slots=True)
class RunRecord:
    """One run as its events tell it."""

    run: int
    events: list[tuple[int, object]]
    """(sequence number, event), in order."""
    tasks: dict[int, TaskRecord] = field(default_factory=dict[int, TaskRecord])
    origin_run: int | None = None
    status: str | None = None
    """As `RunFinished` says; None: it has not ended."""
    driver_changes: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    """(sequence number, time) of each `DriverChanged`."""

    def good_at(self, place: Place) -> ManifestKey | None:
        """Return the manifest that counts for a place, None if no task there is good."""
        for task in self.tasks.values():
            if task.place == place and task.origin is not None:
                return task.origin
            if task.place == place and task.successes:
                return ManifestKey(self.run, task.task, task.successes[-1][1])
        return None


def run_ids(home: Path) -> list[int]:
    """Return the runs that have events; none in a database whose maker was killed before it had tables."""
    with _opened(home) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone():
            return []
        return [run for (run,) in db.execute("SELECT DISTINCT run FROM batches ORDER BY run")]


def read_run(home: Path, run: int) -> RunRecord:
    """Read and fold a run's events. Raises whatever a damaged log raises: that is a failed check."""
    events: list[tuple[int, object]] = []
    with _opened(home) as db:
        rows = db.execute("SELECT seq, count, body FROM batches WHERE run = ? ORDER BY seq", (run,))
        for seq, count, body in rows:
            batch = decode_batch(body)
            assert seq == len(events), f"the log of run {run} has {len(events)} events before number {seq}"
            assert count == len(batch), f"a batch of run {run} has {len(batch)} events and says {count}"
            events.extend(enumerate(batch, seq))
    record = RunRecord(run, events)
    scopes: dict[int, tuple[tuple[int, int], ...]] = {}
    for seq, event in events:
        _take(record, scopes, seq, event)
    return record


def read_results(
    home: Path, record: RunRecord, *, varying: tuple[str, ...] = ()
) -> dict[Place, dict[str, str]]:
    """Return the digests of all artifacts of all good tasks, by place and name.

    Args:
        home: The store.
        record: A run that ended well.
        varying: Names of artifacts that differ from run to run by design.
    """
    store = LocalStore(str(home))
    results: dict[Place, dict[str, str]] = {}
    for task in record.tasks.values():
        key = record.good_at(task.place)
        assert key is not None, f"run {record.run} has no good task at {task.place}"
        assert task.place not in results, f"run {record.run} has two tasks at {task.place}"
        manifest = store.read_manifest(key.run, key.task, key.attempt)
        assert manifest.is_ok, f"the manifest of {task.place} in run {record.run} says it failed"
        assert manifest.step == task.place.step, (
            f"the manifest of {task.place} is one of step {manifest.step}"
        )
        results[task.place] = {
            name: artifact.digest
            for name, artifact in manifest.artifacts.items()
            if name not in varying and not name.startswith("_")
        }
    return results


def integrity(home: Path) -> str:
    """Return what SQLite says of the database's own consistency: `ok`."""
    with _opened(home) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


class _opened:
    """A connection for reading that is closed at the end (sqlite3's own context manager does not)."""

    def __init__(self, home: Path) -> None:
        self._db = sqlite3.connect(f"file:{home / 'asyncflow.db'}?mode=rw", uri=True, timeout=30)

    def __enter__(self) -> sqlite3.Connection:
        return self._db

    def __exit__(self, *_: object) -> None:
        self._db.close()


def _take(record: RunRecord, scopes: dict[int, tuple[tuple[int, int], ...]], seq: int, event: object) -> None:
    match event:
        case ev.RunCreated():
            record.origin_run = event.origin_run
        case ev.TaskCreated() | ev.TaskCloned():
            frames = event.frames
            if frames is None:
                assert event.scope is not None, f"task {event.task} has neither frames nor a scope"
                frames = (*scopes[event.scope], (event.scope, event.index))
            place = Place(event.step, tuple(index for _, index in frames), event.iteration)
            assert event.task not in record.tasks, f"task {event.task} is created twice"
            record.tasks[event.task] = TaskRecord(event.task, place)
            if isinstance(event, ev.TaskCloned):
                record.tasks[event.task].origin = event.origin
        case ev.ScopeOpened():
            scopes[event.task] = tuple((scope, index) for scope, index in event.frames)
        case ev.DriverChanged():
            record.driver_changes.append((seq, event.at))
        case ev.RunFinished():
            record.status = str(event.status)
        case _:
            _take_attempt(record, seq, event)


def _take_attempt(record: RunRecord, seq: int, event: object) -> None:
    match event:
        case ev.AttemptLaunched():
            record.tasks[event.task].launches.append((seq, event.number))
        case ev.AttemptSucceeded():
            record.tasks[event.task].successes.append((seq, event.number, event.at))
        case ev.AttemptLost():
            record.tasks[event.task].lost.append(event.number)
        case _:
            return
