"""Several processes on one store, some of which die, are refused, or wait."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.database import open_writer, transaction
from asyncflow.events.doctor import check
from asyncflow.events.ledger import Ledger
from asyncflow.events.reader import INTERRUPTED, NoEventLog, Reader
from asyncflow.events.sqlite_log import SqliteLog
from tests.unit.events.stories import ignored, run_created

ROOT = Path(__file__).parents[3]
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "asyncflow.db")


def start(path: str, runs: int, appends: int, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.integration.events.writer",
        path,
        str(runs),
        str(appends),
        *options,
    ]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def durable(lines: str) -> dict[int, int]:
    """The last durable number a writer told of each of its runs; a line that was cut off does not count."""
    last: dict[int, int] = defaultdict(int)
    for line in lines[: lines.rfind("\n") + 1].splitlines():
        run, seq = map(int, line.split())
        last[run] = max(last[run], seq)
    return last


def test_processes_write_and_read_one_store_at_once(path: str) -> None:
    writers = [start(path, runs=3, appends=60) for _ in range(3)]
    seen: list[int] = []
    while any(writer.poll() is None for writer in writers):
        if os.path.exists(path) and os.path.getsize(path):
            with suppress(NoEventLog), Reader(path) as reader:
                seen.append(sum(row.next_seq for row in reader.runs()))
        time.sleep(0.02)

    for writer in writers:
        told, errors = writer.communicate()
        assert (writer.returncode, errors) == (0, "")
        assert sorted(durable(told).values()) == [241] * 3
    assert seen == sorted(seen)
    report = check(path)
    assert report.is_whole, report.findings
    assert (report.runs, report.events) == (9, 9 * 241)


def test_processes_never_get_the_same_run_id(path: str) -> None:
    writers = [start(path, runs=10, appends=0) for _ in range(4)]
    ids = [run for writer in writers for run in durable(writer.communicate()[0])]

    assert sorted(ids) == list(range(1, 41))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_was_durable_is_lost_when_a_writer_is_killed(path: str, seed: int) -> None:
    chance = random.Random(seed)
    writer = start(path, runs=4, appends=100_000)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(chance.uniform(0.02, 0.4))
    writer.kill()
    told, _ = writer.communicate()

    with Reader(path) as reader:
        for run, seq in durable(first + told).items():
            row = reader.run(run)
            assert row is not None
            assert row.status == INTERRUPTED
            assert row.next_seq >= seq
            assert row.next_seq % 4 == 1, "a batch was recorded in part"
    report = check(path)
    assert report.is_whole, report.findings
    with closing(open_writer(path)) as db, transaction(db):  # the next writer goes on
        Ledger(db, path).append(1, [ignored()], report_next(path, 1))


def report_next(path: str, run: int) -> int:
    with Reader(path) as reader:
        row = reader.run(run)
        assert row is not None
        return row.next_seq


async def test_a_lock_held_by_another_process_for_two_seconds_is_waited_out(path: str) -> None:
    holder_code = (
        "import sqlite3, sys, time; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(2); db.execute('COMMIT')"
    )
    async with SqliteLog(path) as log:
        await log.append(1, [run_created()], expected_seq=0)
        async with await anyio.open_process([sys.executable, "-c", holder_code, path]) as holder:
            assert holder.stdout is not None
            await holder.stdout.receive()
            began = time.monotonic()

            assert await log.append(1, [ignored()], expected_seq=1) == 2

            assert time.monotonic() - began > 1.5


async def test_a_second_driver_is_refused_while_the_first_lives(path: str) -> None:
    writer = start(path, runs=1, appends=100_000)
    assert writer.stdout is not None
    try:
        writer.stdout.readline()
        async with SqliteLog(path) as log:
            with pytest.raises(RunIsElsewhere, match=f"process {writer.pid} on "):
                await log.acquire_lease(1)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()

            await log.acquire_lease(1)
    finally:
        writer.kill()
        writer.communicate()


def test_a_disk_that_takes_no_more_fails_loudly_and_loses_nothing(path: str) -> None:
    told, errors = start(path, 1, 100_000, f"--most-bytes={600_000}").communicate()

    assert "nothing of this step was recorded" in errors
    assert "df, quota" in errors or "Make room" in errors
    assert durable(told)[1] == report_next(path, 1)
    report = check(path)
    assert report.is_whole, report.findings


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A store with one run in a directory that may not be written."""
    home = tmp_path / "store"
    home.mkdir()
    with closing(open_writer(str(home / "asyncflow.db"))) as db, transaction(db):
        Ledger(db, "").append(1, [run_created()], 0)
    for place in (home / "asyncflow.db", home):
        place.chmod(0o555 if place.is_dir() else 0o444)
    yield home
    home.chmod(0o755)


def as_ordinary_user(code: str, home: Path) -> str:
    """Run `work(path)` as somebody whom permissions bind, as the super-user is not; return what it prints.

    The interpreter may be out of that user's reach, so everything is loaded by a first call on a copy of the store.
    """
    warm = home.parent / "warm"
    shutil.copytree(home, warm)
    warm.chmod(0o755)
    (warm / "asyncflow.db").chmod(0o644)
    for parent in home.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    main = (
        f"{code}\nimport contextlib, io, os, sys\n"
        "with contextlib.redirect_stdout(io.StringIO()): work(sys.argv[1])\n"
        f"os.getuid() or os.setuid({NOBODY})\nwork(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", main, str(warm / "asyncflow.db"), str(home / "asyncflow.db")]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.stderr == ""
    return done.stdout


READ = """
from asyncflow.events.reader import Reader
def work(path):
    with Reader(path) as reader:
        print(reader.run(1).flow, len(list(reader.events(1))))
"""
WRITE = """
from asyncflow.errors import StoreError
from asyncflow.events.database import open_writer, statement, transaction
def work(path):
    try:
        db = open_writer(path)
        with transaction(db):
            db.execute(statement("next_run_id"))
        db.close()
        print("written")
    except StoreError as error:
        print(error)
"""


def test_a_read_only_store_can_be_read(read_only: Path) -> None:
    assert as_ordinary_user(READ, read_only) == "F 1\n"


def test_a_read_only_store_says_so_when_it_is_to_be_written(read_only: Path) -> None:
    said = as_ordinary_user(WRITE, read_only)

    assert "read-only" in said
    assert "ASYNCFLOW_HOME" in said


async def test_an_idle_driver_costs_next_to_nothing(path: str) -> None:
    async with SqliteLog(path) as log:
        run = await log.create_run_id()
        await log.acquire_lease(run)
        await log.take_requests(run)
        began = time.process_time()
        for _ in range(40):  # 20 s of two looks a second
            await log.take_requests(run)
        for _ in range(4):
            await log.heartbeat(run)
        assert time.process_time() - began < 0.05


def test_the_store_is_plain_sqlite(path: str) -> None:
    start(path, 1, 3).communicate()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT run, flow, succeeded FROM runs").fetchall() == [(1, "F", 3)]
