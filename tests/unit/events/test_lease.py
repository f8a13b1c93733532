"""A run has one living driver; a dead one is noticed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.database import create_schema
from asyncflow.events.lease import STALE_S, Lease, Owner, acquire, heartbeat, is_alive, leases, release

AT = 1000.0


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        create_schema(opened)
        yield opened


def lease_of(owner: Owner, heartbeat_at: float = AT) -> Lease:
    return Lease(
        run=1,
        owner=owner.id,
        host=owner.host,
        boot=owner.boot,
        pid=owner.pid,
        process_start=owner.process_start,
        acquired_at=AT,
        heartbeat_at=heartbeat_at,
    )


@pytest.fixture
def ended() -> Owner:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(Owner.of_this_process(), pid=child.pid)
    child.communicate()
    return owner


def test_a_living_driver_keeps_others_out(db: sqlite3.Connection) -> None:
    one, other = Owner.of_this_process(), Owner.of_this_process()
    acquire(db, 1, one, AT)

    with pytest.raises(RunIsElsewhere) as caught:
        acquire(db, 1, other, AT + 10 * STALE_S)

    assert f"process {os.getpid()} on {one.host}" in caught.value.message
    assert "asyncflow cancel 1" in caught.value.hint
    assert leases(db)[1].owner == one.id


def test_the_holder_may_take_it_again_and_another_run_is_free(db: sqlite3.Connection) -> None:
    one, other = Owner.of_this_process(), Owner.of_this_process()
    acquire(db, 1, one, AT)
    acquire(db, 1, one, AT + 1)
    acquire(db, 2, other, AT)

    assert {run: lease.owner for run, lease in leases(db).items()} == {1: one.id, 2: other.id}


def test_a_released_lease_is_free(db: sqlite3.Connection) -> None:
    one, other = Owner.of_this_process(), Owner.of_this_process()
    acquire(db, 1, one, AT)
    release(db, 1, other)
    assert leases(db)[1].owner == one.id

    release(db, 1, one)
    acquire(db, 1, other, AT)

    assert leases(db)[1].owner == other.id


def test_a_dead_driver_is_replaced_at_once(db: sqlite3.Connection, ended: Owner) -> None:
    acquire(db, 1, ended, AT)

    acquire(db, 1, Owner.of_this_process(), AT)

    assert leases(db)[1].pid == os.getpid()


def test_a_process_id_that_was_given_away_again_is_not_the_driver() -> None:
    owner = replace(Owner.of_this_process(), process_start="1")

    assert not is_alive(lease_of(owner), AT)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = replace(Owner.of_this_process(), pid=child.pid, process_start=began)
    try:
        assert is_alive(lease_of(owner), AT)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has collected it

        assert not is_alive(lease_of(owner), AT)
    finally:
        child.communicate()


def test_after_a_restart_of_the_machine_every_driver_is_dead() -> None:
    assert not is_alive(lease_of(replace(Owner.of_this_process(), boot="another")), AT)


@pytest.mark.parametrize(
    "elsewhere", [{"host": "another"}, {"boot": ""}], ids=["another machine", "a platform that does not tell"]
)
def test_elsewhere_a_sign_of_life_counts(elsewhere: dict[str, str]) -> None:
    lease = lease_of(replace(Owner.of_this_process(), pid=1, **elsewhere))

    assert is_alive(lease, AT + STALE_S)
    assert not is_alive(lease, AT + STALE_S + 0.1)


def test_a_heartbeat_is_recorded(db: sqlite3.Connection) -> None:
    owner = Owner.of_this_process()
    acquire(db, 1, owner, AT)

    heartbeat(db, 1, owner, AT + 5)

    assert leases(db)[1].heartbeat_at == AT + 5
    assert leases(db)[1].acquired_at == AT


def test_a_driver_whose_lease_was_taken_hears_so_at_its_next_heartbeat(
    db: sqlite3.Connection, ended: Owner
) -> None:
    acquire(db, 1, ended, AT)
    acquire(db, 1, Owner.of_this_process(), AT)

    with pytest.raises(RunIsElsewhere, match=f"held by process {os.getpid()}"):
        heartbeat(db, 1, ended, AT + 5)


def test_a_heartbeat_without_lease_is_refused(db: sqlite3.Connection) -> None:
    with pytest.raises(RunIsElsewhere, match="held by nobody"):
        heartbeat(db, 1, Owner.of_this_process(), AT)
