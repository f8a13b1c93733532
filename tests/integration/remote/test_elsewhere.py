"""Steps that run as jobs of a platform: with a store that the jobs see, and with one in a bucket."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.remote.machines import Cluster, Machine, until

pytestmark = pytest.mark.slow


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest) -> Cluster:
    """A cluster with either kind of store."""
    name = {"directory": "beside", "bucket": "cluster"}[request.param]
    return request.getfixturevalue(name)


def words(machine: Machine) -> None:
    (machine.place.root / "words.txt").write_text("one two")


@pytest.mark.timeout(180)
def test_every_kind_of_step_makes_what_it_makes_here(place: Cluster) -> None:
    machine = place.machine("a")
    words(machine)

    here = machine.run("run", machine.flow("kinds"), "--factor", "2")
    there = machine.run("run", machine.flow("kinds"), "--factor", "2", "--with", "process")

    assert here.code == 0, here.stderr
    assert there.code == 0, there.stdout[-3000:] + there.stderr
    assert len(place.job_directories()) == 17
    assert place.living_jobs() == []
    ours, theirs = machine.digests(1), machine.digests(2)
    assert theirs == ours
    assert machine.artifact("KindsFlow/2/end/17", "made") == ["oonn", "ttww"]
    printed = machine.ok("logs", "2")
    assert printed.count("letter ") == 4
    assert "made ['oonn', 'ttww'] ['left', 'right'] 0" in printed


def test_failures_are_caught_and_tried_again_as_here(beside: Cluster) -> None:
    machine = beside.machine("a")

    ended = machine.run("run", machine.flow("mishaps"), "--with", "process")

    assert ended.code == 0, ended.stdout[-3000:] + ended.stderr
    assert [line for line in beside.journal() if line.startswith("flaky")] == [
        "flaky 0",
        "flaky 1",
        "flaky 2",
    ]
    assert [line for line in beside.journal() if line.startswith("killed")] == ["killed 0", "killed 1"]
    problems = machine.artifact("MishapsFlow/1/join/7", "problems")
    assert "what is missing" in problems["raises"]
    assert "3" in problems["exits"]
    assert "TimeoutException" in problems["slow"]
    assert "about to be killed" in machine.ok("logs", "1/killed", "--attempt", "0")
    assert beside.living_jobs() == []


def test_what_a_job_prints_is_seen_while_it_runs(cluster: Cluster) -> None:
    machine = cluster.machine("a")
    running = machine.start("run", machine.flow("gated"), "--with", "process")
    cluster.wait_journal("first begins")

    until(lambda: "first prints" in machine.ok("logs", "1"), "the living job's output")
    cluster.open("first")
    cluster.open("second")
    ended = machine.end_of(running)

    assert ended.code == 0, ended.stderr
    assert ended.stdout.count("second prints") == 1


def test_a_run_that_is_cancelled_leaves_no_job(beside: Cluster) -> None:
    machine = beside.machine("a")
    running = machine.start("run", machine.flow("gated"), "--with", "process")
    beside.wait_journal("first begins")

    machine.ok("cancel", "1")
    ended = machine.end_of(running)

    assert ended.code != 0
    assert machine.status(1) == "cancelled"
    assert beside.living_jobs() == []


def test_a_failed_run_is_resumed_with_its_jobs_results(beside: Cluster) -> None:
    machine = beside.machine("a")
    for gate in ("first", "second", "fail"):
        beside.open(gate)

    failed = machine.run("run", machine.flow("gated"), "--with", "process")
    (beside.root / "journal.fail").unlink()
    resumed = machine.run("resume", "1", "--with", "process")

    assert failed.code == 1
    assert "told to fail" in failed.stdout + failed.stderr
    assert resumed.code == 0, resumed.stderr
    assert beside.journal().count("first begins") == 1
    assert len(beside.job_directories()) == 3 + 2
    assert machine.artifact("GatedFlow/2/second/3", "two") == 2


def test_a_job_that_is_terminated_says_so_and_is_tried_again(beside: Cluster) -> None:
    machine = beside.machine("a")
    running = machine.start(
        "run", machine.flow("gated"), "--with", "process", "--with", "retry:times=1,minutes_between_retries=0"
    )
    beside.wait_journal("first begins")
    (job,) = beside.living_jobs()

    os.killpg(int((job / "group").read_text()), signal.SIGTERM)
    beside.wait_journal("first begins", 2)
    beside.open("first")
    beside.open("second")
    ended = machine.end_of(running)

    assert ended.code == 0, ended.stdout + ended.stderr
    assert len(beside.job_directories()) == 5
    printed = machine.ok("logs", "1/first", "--attempt", "0")
    assert "first prints" in printed
    assert "TaskStopped" in machine.errors(1, 2)[0]


def test_a_flow_that_workers_cannot_import_fails_with_the_reason(beside: Cluster) -> None:
    machine = beside.machine("a")
    path = machine.place.root / machine.flow("small")
    guard = f"if not os.path.exists({str(machine.place.root / 'here')!r}):\n    import no_such_module\n"
    path.write_text(path.read_text().replace("import os\n", f"import os\n{guard}", 1))
    (machine.place.root / "here").touch()
    running = machine.start("run", "small.py", "--with", "process", "--with", "retry:times=3")
    until(
        lambda: beside.job_directories() or (machine.place.root / ".asyncflow" / "shared" / "runs").exists(),
        "it runs",
    )
    (machine.place.root / "here").unlink()

    ended = machine.end_of(running)

    assert ended.code == 1, ended.stdout + ended.stderr
    assert "no_such_module" in ended.stdout + ended.stderr
