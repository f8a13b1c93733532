"""Another process that holds the database is waited for, and one that never lets go is said to be in the way."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.commands import Invocation, Workplace
from tests.chaos.journal import wait_for_begin
from tests.chaos.subject import reference_of
from tests.faults.support import FLOW, assert_clear, assert_recovers, run_flow

LOCKED = r"(?i)locked"
IMPATIENT = Path(__file__).with_name("impatient.py")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def used(place: Workplace) -> Workplace:
    """A store that is there already."""
    ended = run_flow(place)
    assert ended.code == 0, ended.text
    return place


@contextmanager
def locked(place: Workplace) -> Iterator[sqlite3.Connection]:
    """Hold the write lock as another program would."""
    db = sqlite3.connect(
        place.home / "asyncflow.db", timeout=30, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.close()


def started(place: Workplace, *args: str) -> Invocation:
    """Start the flow in a command that waits two seconds for a lock instead of sixty."""
    run_id_file = str(place.root / "run-id")
    return place.start(
        "run", str(FLOW), "--run-id-file", run_id_file, *args, program=(sys.executable, str(IMPATIENT))
    )


def test_a_lock_held_for_a_while_only_costs_that_while(used: Workplace) -> None:
    # Given another process that writes for three seconds
    with locked(used) as db:
        release = threading.Timer(3.0, lambda: db.execute("ROLLBACK"))
        release.start()
        # When a run is started meanwhile, Then it waits and ends well
        ended = run_flow(used)
        release.join()
    assert ended.code == 0, ended.text
    assert ended.seconds > 2.5


def test_readers_do_not_wait_for_a_writer(used: Workplace) -> None:
    with locked(used):
        ended = used.run("runs")
    assert ended.code == 0, ended.text
    assert ended.seconds < 5


def test_a_lock_held_for_ever_refuses_a_new_run_by_name(used: Workplace) -> None:
    with locked(used):
        ended = started(used).wait(60)
    assert_clear(ended, LOCKED)


def test_a_lock_held_for_ever_stops_a_run_loudly_and_it_goes_on_after(
    place: Workplace, tmp_path: Path
) -> None:
    # Given a run at work
    slow = ("--seconds", "0.5")
    invocation = started(place, *slow, "--max-workers", "1")
    wait_for_begin(place.journal, "work")
    # When another process takes the write lock and keeps it
    with locked(place):
        ended = invocation.wait(60)
    # Then the run stops, says why, and tells how to go on
    assert_clear(ended, LOCKED, r"asyncflow resume 1\b")
    status = place.run("runs", "--json")
    assert '"interrupted"' in status.stdout, status.text
    # And it does go on
    assert_recovers(place, reference_of(FLOW, tmp_path / "reference", options=slow), after=ended)
