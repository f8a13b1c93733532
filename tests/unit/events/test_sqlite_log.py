"""The SQLite log keeps the protocol; its run ids, owner task and failures."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from asyncflow.errors import InternalError, RunIsElsewhere, StoreError
from asyncflow.events import ledger
from asyncflow.events.reader import Reader
from asyncflow.events.sqlite_log import SqliteLog
from tests.unit.events.event_log_suite import FIRST, EventLogSuite
from tests.unit.events.stories import ignored, run_created

OpenLog = Callable[[], SqliteLog]


@pytest.fixture
def opened(tmp_path: Path) -> OpenLog:
    return lambda: SqliteLog(str(tmp_path / "asyncflow.db"))


class TestSqliteLog(EventLogSuite):
    """The suite, on SQLite."""


async def test_events_survive_closing_and_opening(tmp_path: Path) -> None:
    path = str(tmp_path / "asyncflow.db")
    async with SqliteLog(path) as log:
        await log.append(1, FIRST, expected_seq=0)

    async with SqliteLog(path) as log:
        assert await log.read(1) == FIRST
        assert await log.append(1, [ignored()], expected_seq=3) == 4


async def test_closing_leaves_one_file(tmp_path: Path) -> None:
    async with SqliteLog(str(tmp_path / "asyncflow.db")) as log:
        await log.append(1, FIRST, expected_seq=0)

    assert os.listdir(tmp_path) == ["asyncflow.db"]


async def test_closing_ends_the_thread(tmp_path: Path) -> None:
    before = threading.enumerate()
    async with SqliteLog(str(tmp_path / "asyncflow.db")):
        (thread,) = [thread for thread in threading.enumerate() if thread not in before]
        assert thread.is_alive()

    thread.join(timeout=5)
    assert not thread.is_alive()


async def test_run_ids_count_up_and_are_never_given_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "asyncflow.db")
    async with SqliteLog(path) as one, SqliteLog(path) as other:
        given = [await log.create_run_id() for log in (one, other, one, other)]
    async with SqliteLog(path) as again:
        given.append(await again.create_run_id())

    assert given == [1, 2, 3, 4, 5]


async def test_all_that_waits_goes_into_one_commit(opened: OpenLog, tmp_path: Path) -> None:
    async with opened() as log:
        await log.append(99, [run_created(99)], expected_seq=0)
        with Reader(log.path) as reader:
            seen: list[int] = []
            async with anyio.create_task_group() as drivers:
                for run in range(1, 30):
                    drivers.start_soon(lambda run=run: log.append(run, [run_created(run)], expected_seq=0))
                while len(seen) < 30:
                    seen.append(len(reader.runs()))
                    await anyio.lowlevel.checkpoint()
                    if seen[-1] == 30:
                        break

        assert set(seen) <= {1, 30}


async def test_a_refused_append_does_not_take_its_neighbours_along(opened: OpenLog) -> None:
    async with opened() as log:
        await log.append(1, FIRST, expected_seq=0)
        outcomes: dict[int, object] = {}

        async def append(run: int, seq: int) -> None:
            try:
                outcomes[run] = await log.append(run, [run_created(run)], expected_seq=seq)
            except RunIsElsewhere as error:
                outcomes[run] = error

        async with anyio.create_task_group() as group:
            for run, seq in ((2, 0), (1, 1), (3, 0)):
                group.start_soon(append, run, seq)

        assert outcomes[2] == outcomes[3] == 1
        assert isinstance(outcomes[1], RunIsElsewhere)
        assert await log.read(3) == [run_created(3)]


async def test_an_event_that_cannot_be_encoded_changes_nothing(opened: OpenLog) -> None:
    async with opened() as log:
        await log.append(1, FIRST, expected_seq=0)
        with pytest.raises(InternalError, match="FactIgnored"):
            await log.append(1, [ignored(why=object())], expected_seq=3)  # pyright: ignore[reportArgumentType]

        assert await log.append(1, [ignored()], expected_seq=3) == 4


async def test_cancelling_a_waiting_append_leaves_the_owner_healthy(opened: OpenLog) -> None:
    async with opened() as log:
        blocker = sqlite3.connect(log.path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with anyio.move_on_after(0.15) as scope:
            await log.append(1, FIRST, expected_seq=0)
        assert scope.cancelled_caught
        blocker.execute("ROLLBACK")
        blocker.close()

        await log.append(2, [run_created(2)], expected_seq=0)

        assert await log.read(2) == [run_created(2)]
        assert await log.read(1) in ([], FIRST)
        async with SqliteLog(log.path) as other:  # nothing is left locked
            await other.append(3, [run_created(3)], expected_seq=0)


async def test_work_in_hand_is_finished_when_the_surrounding_scope_is_cancelled(tmp_path: Path) -> None:
    path = str(tmp_path / "asyncflow.db")
    with anyio.CancelScope() as scope:
        async with SqliteLog(path) as log, anyio.create_task_group() as group:
            group.start_soon(lambda: log.append(1, FIRST, expected_seq=0))
            await anyio.lowlevel.checkpoint()
            scope.cancel()

    with Reader(path) as reader:
        assert [event for _, event in reader.events(1)] == FIRST


async def test_an_error_in_the_block_passes_through_and_the_log_is_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "asyncflow.db")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
        async with SqliteLog(path) as log:
            await log.append(1, FIRST, expected_seq=0)
            raise ZeroDivisionError

    assert not (tmp_path / "asyncflow.db-wal").exists()
    with pytest.raises(StoreError, match="closed"):
        await log.append(1, [ignored()], expected_seq=3)


async def test_a_bug_is_told_to_who_waits_and_stops_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(db: sqlite3.Connection, changes: object) -> None:
        raise LookupError("a bug")

    path = str(tmp_path / "asyncflow.db")
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the block is what is tested
        async with SqliteLog(path) as log:
            monkeypatch.setattr(ledger, "write_changes", broken)
            with pytest.raises(LookupError):
                await log.append(1, FIRST, expected_seq=0)
            with pytest.raises(StoreError, match="closed"):
                await log.append(1, FIRST, expected_seq=0)

    assert caught.group_contains(LookupError)
    with Reader(path) as reader:
        assert list(reader.events(1)) == []


async def test_a_full_database_says_so_and_records_nothing_of_the_batch(opened: OpenLog) -> None:
    async with opened() as log:
        await log.append(1, FIRST, expected_seq=0)
        await log._write(lambda held: held.db.execute("PRAGMA max_page_count = 1"))  # pyright: ignore[reportPrivateUsage]
        big = [ignored("x" * 100_000) for _ in range(5)]

        with pytest.raises(
            StoreError, match=r"nothing of this step was recorded: the disk is full"
        ) as caught:
            await log.append(1, big, expected_seq=3)

        assert "asyncflow resume" in caught.value.hint
        assert await log.read(1) == FIRST
        await log._write(lambda held: held.db.execute("PRAGMA max_page_count = 1000000"))  # pyright: ignore[reportPrivateUsage]
        assert await log.append(1, big, expected_seq=3) == 8
        with Reader(log.path) as reader:
            row = reader.run(1)
        assert row is not None
        assert row.next_seq == 8


async def test_the_views_are_right_after_a_failed_batch_is_tried_again(opened: OpenLog) -> None:
    async with opened() as log:
        await log.append(1, FIRST[:2], expected_seq=0)
        with closing(sqlite3.connect(log.path)) as other:  # fails after the batch was folded into the views
            other.execute("CREATE TRIGGER refuse BEFORE UPDATE ON tasks BEGIN SELECT raise(ABORT, 'no'); END")
        with pytest.raises(StoreError, match="nothing of this step was recorded"):
            await log.append(1, FIRST[2:], expected_seq=2)
        with closing(sqlite3.connect(log.path)) as other:
            other.execute("DROP TRIGGER refuse")

        await log.append(1, FIRST[2:], expected_seq=2)

        with Reader(log.path) as reader:
            row = reader.run(1)
            assert row is not None
            assert (row.created, row.running, row.next_seq) == (0, 1, 3)


async def test_a_missing_directory_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store") as caught:
        async with SqliteLog(str(tmp_path / "no" / "asyncflow.db")):
            pass
    assert "asyncflow run" in caught.value.hint
