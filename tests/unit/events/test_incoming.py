"""What was recorded on other machines is taken into a log as it is, and what this one recorded alone is void."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.events.database import open_writer, transaction
from asyncflow.events.head import Head
from asyncflow.events.incoming import Diverged, drop_diverged, is_driven_here, take_batches, take_head
from asyncflow.events.lease import Lease, Owner, acquire
from asyncflow.events.ledger import VIEWS, Ledger
from asyncflow.events.position import NOWHERE, Position, RawBatch, position_of, raw_batches
from asyncflow.events.reader import Reader
from asyncflow.events.rows import RunRow
from asyncflow.events.tagging import edit_tags
from asyncflow.machine.events import Event
from tests.unit.events import stories

NOW = 1_700_000_100.0
ROW = RunRow(1, "F", "ada", 5.0, None, "{}", status="running", next_seq=3, running=2)
HERE = Owner.of_this_process()


def lease_of(owner: Owner) -> Lease:
    return Lease(1, owner.id, owner.host, owner.boot, owner.pid, owner.process_start, NOW - 50, NOW - 40)


ELSEWHERE = Lease(1, "far", "far-away", "boot", 12, "99", NOW - 50, NOW - 5)


class Log:
    """One machine's log."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.db: sqlite3.Connection = open_writer(self.path)
        self.ledger = Ledger(self.db, self.path)

    def record(self, *turns: list[Event], run: int = 1) -> None:
        with transaction(self.db):
            for turn in turns:
                self.ledger.append(run, turn, _next(self.db, run))

    def batches(self, run: int = 1) -> list[RawBatch]:
        return list(raw_batches(self.db, run, 0, 1000))

    def take(self, batches: list[RawBatch], piece: int) -> None:
        with transaction(self.db):
            end = batches[-1].seq + batches[-1].count
            take_batches(self.ledger, 1, batches, Position(piece, end))

    def head(self, head: Head, *, age_s: float = 0.0, at: float = NOW) -> None:
        with transaction(self.db):
            take_head(self.db, head, "etag", age_s=age_s, at=at)

    def row(self) -> RunRow | None:
        with Reader(self.path) as reader:
            return reader.run(1)

    def tags(self) -> list[str]:
        with Reader(self.path) as reader:
            return sorted(tag.tag for tag in reader.tags(1) if not tag.is_system)


def _next(db: sqlite3.Connection, run: int) -> int:
    row = db.execute("SELECT COALESCE(MAX(seq + count), 0) FROM batches WHERE run = ?", (run,)).fetchone()
    return int(row[0])


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[tuple[Log, Log]]:
    here, there = Log(tmp_path / "here.db"), Log(tmp_path / "there.db")
    with closing(here.db), closing(there.db):
        yield here, there


TURNS: list[list[Event]] = [
    [stories.run_created(), stories.task_created(1)],
    [stories.launched(1)],
    [stories.succeeded(1)],
]


def test_rows_are_taken_as_they_are_and_views_folded_from_them(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record(*TURNS)

    here.take(there.batches()[:2], 1)
    here.take(there.batches()[:2], 1)
    here.take(there.batches()[2:], 2)

    assert [batch[:2] + batch[3:] for batch in here.batches()] == [
        batch[:2] + batch[3:] for batch in there.batches()
    ]
    assert here.row() == there.row()
    assert position_of(here.db, 1) == Position(2, 4)


def test_what_this_machine_recorded_alone_is_noticed(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record(*TURNS)
    here.record(*TURNS[:2], [stories.ignored("only here")])

    with pytest.raises(Diverged):
        here.take(there.batches(), 1)
    before = here.batches()
    with transaction(here.db):
        drop_diverged(here.db, 1)
    here.take(there.batches(), 1)

    assert len(before) == 3, "nothing was changed"
    assert here.row() == there.row()


def test_batches_that_were_cut_elsewhere_are_another_history(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record([*TURNS[0], *TURNS[1]])
    here.record(*TURNS[:2])

    with pytest.raises(Diverged):
        here.take(there.batches(), 1)


def test_dropping_leaves_nothing(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record(*TURNS)
    here.take(there.batches(), 1)

    with transaction(here.db):
        drop_diverged(here.db, 1)

    assert here.row() is None
    assert position_of(here.db, 1) == NOWHERE


def test_a_head_shows_a_run_whose_log_is_not_here(logs: tuple[Log, Log]) -> None:
    here, there = logs
    here.head(Head(ROW, ELSEWHERE, (("nightly", False), ("user:ada", True)), 2, False), age_s=2.0)

    shown = here.row()

    assert shown is not None
    assert (shown.status, shown.running) == ("interrupted", 2), "by this machine's clock it is long ago"
    assert here.tags() == ["nightly"]
    there.record(*TURNS)
    here.take(there.batches(), 1)
    after = here.row()
    assert after is not None
    assert (after.running, after.succeeded) == (0, 1), "what is folded counts in its place"


def test_a_head_says_that_its_driver_lives_by_the_servers_clock(logs: tuple[Log, Log]) -> None:
    here, _ = logs
    at = time.time()
    here.head(Head(ROW, ELSEWHERE, (), 2, False), age_s=5.0, at=at)
    alive = here.row()
    here.head(Head(ROW, ELSEWHERE, (), 2, False), age_s=500.0, at=at)
    silent = here.row()
    namesake = Lease(1, "far", HERE.host, "another boot", 12, "99", at, at)
    here.head(Head(ROW, namesake, (), 2, False), age_s=5.0, at=at)
    called_alike = here.row()

    assert [row and row.status for row in (alive, silent, called_alike)] == [
        "running",
        "interrupted",
        "running",
    ]


def test_a_head_changes_nothing_of_a_run_that_is_driven_here(logs: tuple[Log, Log]) -> None:
    here, _ = logs
    here.record(*TURNS[:2])
    with transaction(here.db):
        acquire(here.db, 1, HERE, NOW)

    here.head(Head(ROW, ELSEWHERE, (("old", False),), 2, False))

    assert is_driven_here(here.db, 1, NOW)
    assert here.tags() == ["nightly", "v:2"]


def test_a_run_of_another_replica_of_this_machine_is_not_driven_here(logs: tuple[Log, Log]) -> None:
    here, _ = logs

    here.head(Head(ROW, lease_of(HERE), (), 2, False))

    assert not is_driven_here(here.db, 1, NOW)
    row = here.row()
    assert row is not None
    assert row.status == "running", "its process is seen to live"


def test_tags_of_a_head_count_for_a_run_whose_log_is_here(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record(*TURNS)
    here.take(there.batches(), 1)
    edit_tags(here.path, 1, add=["mine"], remove=["nightly"], by="ada")

    here.head(Head(ROW, None, (("v:2", False), ("theirs", False)), 1, True))

    assert here.tags() == ["theirs", "v:2"]


def test_run_ids_go_on_behind_those_of_other_machines(logs: tuple[Log, Log]) -> None:
    here, _ = logs
    here.head(Head(RunRow(41, "F", "ada", 5.0, None, "{}"), None, (), 1, True))

    with transaction(here.db):
        assert here.ledger.new_run_id() == 42


def test_a_batch_that_is_missing_is_told_and_nothing_is_taken(logs: tuple[Log, Log]) -> None:
    here, there = logs
    there.record(*TURNS)
    first, _, last = there.batches()

    with pytest.raises(StoreError, match="Event 2 of run 1 is missing"):
        here.take([first, last], 1)

    assert here.batches() == []


def test_many_batches_at_once_give_the_same_views_as_one_by_one(
    logs: tuple[Log, Log], tmp_path: Path
) -> None:
    here, there = logs
    there.record(*TURNS)
    third = Log(tmp_path / "third.db")

    with closing(third.db):
        for number, batch in enumerate(there.batches(), 1):
            third.take([batch], number)
        here.take(there.batches(), 1)

        tables = [
            [log.db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in VIEWS]
            for log in (here, third)
        ]
    assert tables[0] == tables[1]
    assert any(tables[0])
