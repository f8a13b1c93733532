"""Readers see what is recorded, whoever writes, and say `interrupted` when a driver is dead."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.events.codec import Recorded
from asyncflow.events.database import open_writer, transaction
from asyncflow.events.lease import Owner, acquire, release
from asyncflow.events.ledger import Ledger
from asyncflow.events.reader import INTERRUPTED, Reader
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from tests.unit.events.stories import (
    ARTIFACTS,
    AT,
    ERROR,
    ONE_OF_EACH,
    ignored,
    launched,
    run_created,
    succeeded,
    task_created,
    whole_run,
)


class Store:
    """A store that is written by plain calls."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.ledger = Ledger(open_writer(self.path), self.path)

    def append(self, *events: Recorded, run: int = 1) -> None:
        row = self.ledger.db.execute("SELECT max(seq + count) FROM batches WHERE run = ?", (run,)).fetchone()
        with transaction(self.ledger.db):
            self.ledger.append(run, events, row[0] or 0)

    def drive(self, run: int, owner: Owner | None = None) -> Owner:
        owner = owner or Owner.of_this_process()
        with transaction(self.ledger.db):
            acquire(self.ledger.db, run, owner, AT)
        return owner

    def leave(self, run: int, owner: Owner) -> None:
        with transaction(self.ledger.db):
            release(self.ledger.db, run, owner)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = Store(path)
    try:
        yield store
    finally:
        store.ledger.db.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "asyncflow.db") as made:
        yield made


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    with Reader(store.path) as made:
        yield made


def dead_owner() -> Owner:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(Owner.of_this_process(), pid=child.pid)
    child.communicate()
    return owner


FINISHED = ev.RunFinished(at=AT + 9, cause=1, status=ev.RunStatus.SUCCEEDED)


def test_runs_come_newest_first_and_can_be_filtered(store: Store, reader: Reader) -> None:
    store.append(run_created(1, tags=("a", "b")), FINISHED, run=1)
    store.append(run_created(2, flow="G", user="ben", at=AT + 100, tags=("a",)), FINISHED, run=2)
    store.append(run_created(3, at=AT + 200), run=3)

    def ids(**filters: object) -> list[int]:
        return [row.run for row in reader.runs(**filters)]  # pyright: ignore[reportArgumentType]

    assert ids() == [3, 2, 1]
    assert ids(flow="F") == [3, 1]
    assert ids(user="ben") == [2]
    assert ids(since=AT + 100) == [3, 2]
    assert ids(before=3, limit=1) == [2]
    assert ids(limit=0) == []
    assert ids(tags=["a"]) == [2, 1]
    assert ids(tags=["a", "b"]) == [1]
    assert ids(tags=["user:ben"]) == [2]
    assert ids(status="succeeded") == [2, 1]
    assert ids(status=INTERRUPTED) == [3]
    assert ids(flow="nothing") == []


def test_the_latest_run_is_the_newest_of_its_flow(store: Store, reader: Reader) -> None:
    assert reader.latest() is None
    store.append(run_created(1), run=1)
    store.append(run_created(2, flow="G"), run=2)

    for flow, run in ((None, 2), ("F", 1), ("G", 2)):
        latest = reader.latest(flow)
        assert latest is not None
        assert latest.run == run
    assert reader.latest("H") is None


def test_a_run_is_running_while_its_driver_lives_and_interrupted_after(store: Store, reader: Reader) -> None:
    def status() -> str:
        row = reader.run(1)
        assert row is not None
        return row.status

    owner = store.drive(1)
    store.append(run_created())
    assert status() == "running"
    assert [row.status for row in reader.runs(status="running")] == ["running"]

    store.leave(1, owner)
    assert status() == INTERRUPTED
    assert reader.runs(status="running") == []

    store.drive(1, dead_owner())
    assert status() == INTERRUPTED
    lease = reader.lease(1)
    assert lease is not None

    store.append(FINISHED)
    assert status() == "succeeded"


def test_tasks_can_be_asked_for_by_step_and_status(store: Store, reader: Reader) -> None:
    store.append(run_created(), task_created(1), launched(1), succeeded(1), task_created(2, "train"))

    assert [task.task for task in reader.tasks(1)] == [1, 2]
    assert [task.task for task in reader.tasks(1, step="train")] == [2]
    assert [task.task for task in reader.tasks(1, status="succeeded")] == [1]
    assert reader.tasks(9) == []
    assert reader.task(1, 9) is None
    assert [(count.step, count.status, count.count) for count in reader.steps(1)] == [
        ("start", "succeeded", 1),
        ("train", "created", 1),
    ]


def test_steps_come_in_the_order_of_their_first_task(store: Store, reader: Reader) -> None:
    store.append(
        run_created(),
        *(task_created(task, step) for task, step in enumerate(["z", "a", "a", "z", "b"], 1)),
        launched(3),
    )

    assert [(count.step, count.status, count.count) for count in reader.steps(1)] == [
        ("z", "created", 2),
        ("a", "created", 1),
        ("a", "running", 1),
        ("b", "created", 1),
    ]


def test_attempts_are_all_there_in_order(store: Store, reader: Reader) -> None:
    store.append(
        run_created(),
        task_created(1),
        launched(1),
        ev.AttemptFailed(at=AT, cause=1, task=1, number=0, error=ERROR),
        ev.RetryScheduled(at=AT, cause=1, task=1, wake_at=AT),
    )
    assert [(row.number, row.status) for row in reader.attempts(1, 1)] == [(0, "failed")]

    store.append(launched(1, 1))
    assert [(row.number, row.status) for row in reader.attempts(1, 1)] == [(0, "failed"), (1, "running")]

    store.append(succeeded(1, 1, caught=ERROR))
    assert [(row.number, row.status) for row in reader.attempts(1, 1)] == [(0, "failed"), (1, "caught")]
    assert reader.attempts(1, 9) == []


def test_artifacts_are_those_of_the_last_attempt_or_of_the_origin(store: Store, reader: Reader) -> None:
    store.append(
        run_created(),
        task_created(1),
        launched(1),
        ev.AttemptFailed(at=AT, cause=1, task=1, number=0, error=ERROR, artifacts=ARTIFACTS[:1]),
        ev.RetryScheduled(at=AT, cause=1, task=1, wake_at=AT),
        launched(1, 1),
        succeeded(1, 1),
    )
    cloned = ev.TaskCloned(
        at=AT, cause=0, task=5, step="a", parent=ManifestKey(1, 0, 0), origin=ManifestKey(1, 1, 1)
    )
    store.append(run_created(2), cloned, run=2)

    assert [row.name for row in reader.artifacts(1, 1)] == ["größe", "result"]
    assert [row.name for row in reader.artifacts(1, 1, 0)] == ["result"]
    assert [(row.run, row.name) for row in reader.artifacts(2, 5)] == [(1, "größe"), (1, "result")]
    assert reader.attempts(2, 5) == []
    assert reader.artifacts(1, 9) == []


def test_tags_and_metadata_are_told(store: Store, reader: Reader) -> None:
    store.append(run_created())

    assert [(row.tag, row.is_system) for row in reader.tags(1)][:2] == [("nightly", False), ("v:2", False)]
    assert [row.name for row in reader.metadata(1)] == ["argv", "nested", "versions"]
    assert reader.metadata(1, 3) == []


def test_events_are_numbered_and_begin_where_asked(store: Store, reader: Reader) -> None:
    store.append(*ONE_OF_EACH[:3])
    store.append(*ONE_OF_EACH[3:7])

    assert list(reader.events(1)) == list(enumerate(ONE_OF_EACH[:7]))
    assert list(reader.events(1, after=2)) == list(enumerate(ONE_OF_EACH[:7]))[2:]
    assert list(reader.events(1, after=7)) == []


def test_more_batches_than_are_read_at_a_time(store: Store, reader: Reader) -> None:
    store.append(run_created())
    for number in range(600):
        store.append(ignored(str(number)))

    events = list(reader.events(1, after=1))

    assert events == [(number + 1, ignored(str(number))) for number in range(600)]


def test_a_tail_yields_events_as_they_come_and_ends_with_the_run(store: Store) -> None:
    store.drive(1)
    store.append(run_created())
    events = whole_run(3)[1:]
    if not isinstance(events[-1], ev.RunFinished):
        events.append(FINISHED)
    heard: list[tuple[int, Recorded]] = []

    def follow() -> None:
        with Reader(store.path) as reader:
            heard.extend(reader.tail(1, poll_s=0.001))

    follower = threading.Thread(target=follow)
    follower.start()
    for event in events:
        store.append(event)
    follower.join(timeout=10)

    assert not follower.is_alive()
    assert heard == list(enumerate([run_created(), *events]))


def test_a_tail_ends_when_the_driver_is_dead(store: Store, reader: Reader) -> None:
    store.drive(1, dead_owner())
    store.append(run_created(), ignored())

    assert [number for number, _ in reader.tail(1)] == [0, 1]


def test_a_tail_ends_when_it_is_told_to(store: Store, reader: Reader) -> None:
    store.drive(1)
    store.append(run_created())

    assert len(list(reader.tail(1, until=lambda: True))) == 1


def test_a_tail_of_a_run_that_never_was_is_empty(reader: Reader) -> None:
    assert list(reader.tail(42)) == []


def test_a_change_is_noticed_once(store: Store, reader: Reader) -> None:
    reader.has_changed()
    assert not reader.has_changed()

    store.append(run_created())

    assert reader.has_changed()
    assert not reader.has_changed()


def test_a_reader_never_keeps_the_writer_waiting(store: Store, reader: Reader) -> None:
    store.append(run_created())
    for number in range(300):
        store.append(ignored(str(number)))
    half_read = reader.events(1)
    next(half_read)

    store.append(ignored("meanwhile"))
    busy, _, _ = store.ledger.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    assert busy == 0
    assert [number for number, _ in half_read][-1] == 301


def test_a_reader_cannot_write(reader: Reader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM batches")  # pyright: ignore[reportPrivateUsage]


def test_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no event log") as caught:
        Reader(str(tmp_path / "asyncflow.db"))
    assert "asyncflow run" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / "asyncflow.db").touch()
    with pytest.raises(StoreError, match="no event log yet"):
        Reader(str(tmp_path / "asyncflow.db"))


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a b?c#d%20é").mkdir()
    with opened(tmp_path / "a b?c#d%20é" / "asyncflow.db") as store:
        store.append(run_created())
        with Reader(store.path) as reader:
            assert reader.run(1) is not None


@pytest.mark.parametrize("where", [0, 20, 100], ids=["header", "page size", "schema"])
def test_a_damaged_file_is_told_with_the_next_command(tmp_path: Path, where: int) -> None:
    path = tmp_path / "asyncflow.db"
    with opened(path) as store:
        store.append(run_created())
    content = bytearray(path.read_bytes())
    content[where : where + 30] = b"\xff" * 30
    path.write_bytes(bytes(content))

    with pytest.raises(StoreError, match="damaged") as caught:
        Reader(str(path))
    assert "asyncflow doctor" in caught.value.hint


def test_a_gap_in_a_log_is_told(store: Store, reader: Reader) -> None:
    for number in range(3):
        store.append(run_created() if not number else ignored())
    store.ledger.db.execute("DELETE FROM batches WHERE seq = 1")

    with pytest.raises(StoreError, match="log of run 1 has a gap: events 1 to 1 are missing"):
        list(reader.events(1))


def test_a_damaged_batch_is_told(store: Store, reader: Reader) -> None:
    store.append(run_created(), ignored())
    store.append(ignored())
    for change, told in (
        ("count = 5", "1 events where 5 belong"),
        ("body = x'c1', count = 1", "damaged at event 2"),
    ):
        store.ledger.db.execute(f"UPDATE batches SET {change} WHERE seq = 2")
        with pytest.raises(StoreError, match=told):
            list(reader.events(1))


def test_a_closed_reader_can_be_closed_again(store: Store) -> None:
    with closing(Reader(store.path)) as reader:
        reader.close()
