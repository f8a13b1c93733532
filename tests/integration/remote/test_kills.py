"""A scheduler that is killed loses no job and asks for none twice. `make remote-kills` does it with 200 jobs."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos.processes import wait_until_gone
from tests.integration.remote.kills import kill_a_scheduler
from tests.integration.remote.machines import Cluster, kill, until

pytestmark = pytest.mark.slow


def test_jobs_go_on_while_there_is_no_scheduler(beside: Cluster) -> None:
    told = kill_a_scheduler(beside, width=8, at=8, clean=False)

    assert told.problems == []
    assert (told.in_flight, told.ended_meanwhile) == (8, 4)


def test_a_clean_machine_takes_jobs_over(cluster: Cluster) -> None:
    told = kill_a_scheduler(cluster, width=6, at=6, clean=True)

    assert told.problems == []
    assert (told.in_flight, told.ended_meanwhile) == (6, 3)


def test_the_same_machine_takes_jobs_over_that_had_not_all_been_asked_for(cluster: Cluster) -> None:
    told = kill_a_scheduler(cluster, width=6, at=1, clean=False)

    assert told.problems == []
    assert told.in_flight >= 1


def test_a_driver_that_was_thought_dead_leaves_its_jobs_to_the_next(cluster: Cluster) -> None:
    """It is stopped for so long that another machine takes over, and then goes on."""
    first = cluster.machine("first")
    asleep = first.start("run", first.flow("wide"), "--width", "3", "--with", "process")
    until(lambda: len(cluster.journal()) == 3, "its jobs run")
    os.kill(asleep.pid, signal.SIGSTOP)
    try:
        cluster.let_lease_age(1)
        second, pieces = cluster.machine("second"), len(cluster.objects("/stream/"))
        going_on = second.start("resume", "1", "--file", second.flow("wide"))
        until(lambda: len(cluster.objects("/stream/")) > pieces, "the run was taken over")
    finally:
        os.kill(asleep.pid, signal.SIGCONT)
    lost = first.end_of(asleep)
    cluster.open("all")
    ended = second.end_of(going_on)

    assert lost.code not in (0, 70), lost.stderr
    assert "Traceback" not in lost.stderr
    assert ended.code == 0, ended.stdout + ended.stderr
    assert sorted(cluster.journal()) == ["work 0 0", "work 1 0", "work 2 0"]
    assert len(cluster.job_directories()) == 6
    assert second.artifact("WideFlow/1/end/6", "total") == 5


def test_jobs_of_a_run_that_nobody_goes_on_with_are_reaped(beside: Cluster) -> None:
    machine = beside.machine("a")
    running = machine.start("run", machine.flow("wide"), "--width", "3", "--with", "process")
    until(lambda: len(beside.journal()) == 3, "its jobs run")
    while_it_runs = machine.run("reap", "--backend", "process", "--all")
    kill(running)

    at_once = machine.run("reap", "--backend", "process")
    shown = machine.run("reap", "--backend", "process", "--all", "--dry-run")
    left = len(beside.living_jobs())
    reaped = machine.run("reap", "--backend", "process", "--all")

    assert "No orphans" in while_it_runs.stderr
    assert "No orphans" in at_once.stderr, "the run may yet be gone on with"
    assert "the run is interrupted" in shown.stdout
    assert left == 3
    assert "Removed" in reaped.stderr
    assert wait_until_gone(beside.mark, 15) == []
