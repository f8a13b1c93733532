"""Opening a store: what is made, what is refused, and what SQLite's errors are called."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.events import database
from asyncflow.events.database import (
    SCHEMA_VERSION,
    check_schema,
    open_writer,
    patiently,
    statement,
    store_error,
    transaction,
)
from asyncflow.events.reader import Reader
from asyncflow.events.wal import count_good_frames, find_lost_commits, set_aside

SQL = Path(database.__file__).parent / "sql"


@pytest.mark.parametrize("path", sorted(SQL.glob("*.sql")), ids=lambda path: path.stem)
def test_a_statement_says_what_it_is_for_and_is_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert text.splitlines()[0].endswith((".", ",")) or text.splitlines()[1].startswith("-- ")

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        database.create_schema(db)
        named = {"run", "after", "limit", "flow", "user", "status", "since", "before", "step"}
        named |= {"task", "text", "sort", "offset", "now", "direction", "most", "tagged"}
        values = dict.fromkeys(named, 1) if ":" in text.split("\n", 1)[1] else [1] * text.count("?")
        db.execute(f"EXPLAIN {statement(path.stem)}", values)


def test_there_is_a_migration_a_version() -> None:
    assert len(list((SQL / "migrations").glob("*.sql"))) == SCHEMA_VERSION


def test_a_new_store_has_the_present_schema_and_a_write_ahead_log(tmp_path: Path) -> None:
    with closing(open_writer(str(tmp_path / "a.db"))) as db:
        assert check_schema(db, "") == SCHEMA_VERSION
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_many_threads_may_make_a_store_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    failures: list[BaseException] = []

    def make() -> None:
        try:
            open_writer(path).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


def test_a_store_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with closing(open_writer(path)) as db:
        db.execute("PRAGMA user_version = 999")

    for attempt in (open_writer, Reader):
        with pytest.raises(StoreError, match="written by a newer asyncflow \\(schema 999") as caught:
            attempt(path)
        assert "Upgrade" in caught.value.hint
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (999,)


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
        db.execute("PRAGMA user_version = 1")

    for attempt in (open_writer, Reader):
        with pytest.raises(StoreError, match="another program"):
            attempt(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"hello, this is a text file, not a database\n" * 100)

    with pytest.raises(StoreError, match="damaged, or no database") as caught:
        open_writer(str(path))
    assert "asyncflow doctor" in caught.value.hint
    assert path.read_bytes().startswith(b"hello")


def test_a_transaction_is_recorded_whole_or_undone(tmp_path: Path) -> None:
    with closing(open_writer(str(tmp_path / "a.db"))) as db:
        with pytest.raises(ZeroDivisionError), transaction(db):  # noqa: PT012 - the block is what is tested
            db.execute(statement("next_run_id"))
            raise ZeroDivisionError
        assert db.execute(statement("last_run_id")).fetchone() == (0,)
        with transaction(db):
            db.execute(statement("next_run_id"))
        assert db.execute(statement("last_run_id")).fetchone() == (1,)


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with closing(open_writer(path)) as db, closing(sqlite3.connect(path, check_same_thread=False)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, holder.rollback)
        began = time.monotonic()
        timer.start()
        with transaction(db):
            waited = time.monotonic() - began
        timer.join()

    assert 0.15 < waited < 2


def test_patience_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with closing(open_writer(path)) as db, closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            patiently(lambda: db.execute("BEGIN IMMEDIATE"), patience_s=0.1)

    told = store_error(caught.value, path, "The event log failed")
    assert "another process has kept it locked" in told.message
    assert "asyncflow runs" in told.hint


def test_other_errors_are_not_waited_for() -> None:
    with (
        closing(sqlite3.connect(":memory:")) as db,
        pytest.raises(sqlite3.OperationalError, match="no such table"),
    ):
        patiently(lambda: db.execute("SELECT * FROM absent"))


def test_an_error_without_a_name_of_ours_is_told_as_it_is() -> None:
    told = store_error(sqlite3.IntegrityError("odd"), "/a.db", "It failed")

    assert told.message == "It failed: /a.db: odd (IntegrityError)"
    assert "asyncflow doctor" in told.hint


# The write-ahead log


WRITE_AND_DIE = """
import os, sqlite3, sys
from asyncflow.events.database import open_writer, transaction
from asyncflow.events.ledger import Ledger
from tests.unit.events.stories import ignored, run_created
ledger = Ledger(open_writer(sys.argv[1]), "")
for seq in range(40):
    with transaction(ledger.db):
        ledger.append(1, [ignored("x" * 3000) if seq else run_created()], seq)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store whose writer was killed."""
    home = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(home / "a.db")], check=False)
    return {path.name: path.read_bytes() for path in home.iterdir()}


@pytest.fixture
def home(tmp_path: Path, killed: dict[str, bytes]) -> Path:
    for name, content in killed.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def damage(path: Path, where: int, with_: bytes = b"\xff\x00\xff") -> None:
    content = bytearray(path.read_bytes())
    content[where : where + len(with_)] = with_
    path.write_bytes(bytes(content))


def count_events(home: Path) -> int:
    with Reader(str(home / "a.db")) as reader:
        return len(list(reader.events(1)))


def test_the_log_of_a_killed_writer_is_whole(home: Path) -> None:
    assert count_events(home) == 40
    good = count_good_frames(str(home / "a.db"))
    with closing(open_writer(str(home / "a.db"))):
        pass
    assert good > 40
    assert count_events(home) == 40


def test_our_count_of_good_frames_is_sqlites(home: Path) -> None:
    size = (home / "a.db-wal").stat().st_size
    for where in (size, size - 5, size // 2, size // 3, 100):
        counted = count_good_frames(str(home / "a.db"))
        with closing(sqlite3.connect(home / "a.db")) as db:
            assert db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1] == counted
            damage(home / "a.db-wal", where) if where < size else None
            keep = {path.name: path.read_bytes() for path in home.iterdir()}
        for name, content in keep.items():
            (home / name).write_bytes(content)


@pytest.mark.parametrize("where", [5, 17, 25], ids=["header", "salt", "checksum"])
def test_a_damaged_head_of_the_log_is_no_silent_loss(home: Path, where: int) -> None:
    damage(home / "a.db-wal", where)

    with pytest.raises(StoreError, match=r"write-ahead log of .* is damaged"):
        open_writer(str(home / "a.db"))


def test_damage_in_the_middle_of_the_log_is_told_once_and_a_copy_is_kept(home: Path) -> None:
    size = (home / "a.db-wal").stat().st_size
    damage(home / "a.db-wal", size // 2)
    damaged = (home / "a.db-wal").read_bytes()

    with pytest.raises(StoreError, match="commits at its end cannot be read") as caught:
        open_writer(str(home / "a.db"))

    assert "asyncflow doctor" in caught.value.hint
    assert (home / "a.db-wal.damaged-1").read_bytes() == damaged
    open_writer(str(home / "a.db")).close()
    assert 10 < count_events(home) < 40


def test_a_log_cut_short_in_its_last_commit_is_no_damage(home: Path) -> None:
    content = (home / "a.db-wal").read_bytes()
    (home / "a.db-wal").write_bytes(content[:-100])

    open_writer(str(home / "a.db")).close()

    assert count_events(home) == 39


def test_leftovers_of_an_older_generation_are_no_damage(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    with closing(open_writer(path)) as db:
        for _ in range(50):
            db.execute(statement("next_run_id"))
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        db.execute(statement("next_run_id"))  # the log begins anew, old frames behind it
        good = count_good_frames(path)

        assert 0 < good < 10
        assert find_lost_commits(path, lambda: good) is None
        open_writer(path).close()


def test_no_log_is_no_damage(tmp_path: Path) -> None:
    assert find_lost_commits(str(tmp_path / "a.db"), lambda: 0) is None
    assert count_good_frames(str(tmp_path / "a.db")) == 0
    (tmp_path / "a.db-wal").write_bytes(bytes(5000))
    assert find_lost_commits(str(tmp_path / "a.db"), lambda: 0) is None


def test_copies_do_not_overwrite_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.db-wal").write_bytes(b"x")

    names = [Path(set_aside(str(tmp_path / "a.db"))).name for _ in range(2)]

    assert names == ["a.db-wal.damaged-1", "a.db-wal.damaged-2"]


def test_what_cannot_be_counted_is_not_lost(home: Path) -> None:
    assert find_lost_commits(str(home / "a.db"), lambda: -1) is None


def test_what_was_appended_between_two_looks_is_not_lost(home: Path) -> None:
    good = count_good_frames(str(home / "a.db"))
    counts = iter([good - 5, good - 1, good])

    assert find_lost_commits(str(home / "a.db"), lambda: next(counts)) is None
