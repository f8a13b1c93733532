"""What one machine runs another one sees, goes on with, and changes: they share a bucket and nothing else."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.integration.remote.machines import Cluster, kill, until

pytestmark = pytest.mark.slow


def test_what_ran_on_one_machine_is_read_on_another(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")

    here.ok("run", here.flow("small"))

    assert there.status(1) == "succeeded"
    printed = there.ok("logs", "1")
    assert "start prints" in printed
    assert "the total is 12" in printed
    assert "total" in there.ok("dump", "1/join")
    assert there.artifact("SmallFlow/1/join/5", "total") == 12
    assert there.artifact("SmallFlow/1/start/1", "large") == list(range(100_000))
    assert there.digests(1) == here.digests(1)
    assert len(there.digests(1)) == 5


def test_a_run_is_seen_elsewhere_while_it_goes_on(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")

    until(lambda: there.status(1) == "running", "the run is seen as running")
    until(lambda: "first prints" in there.ok("logs", "1"), "what the living task prints is seen")
    follower = there.start("logs", "1", "--follow")
    cluster.open("first")
    cluster.open("second")
    ended = here.end_of(running)
    followed = there.end_of(follower)

    assert ended.code == 0, ended.stderr
    assert followed.code == 0, followed.stderr
    assert "second prints" in followed.stdout
    assert there.status(1) == "succeeded"


def test_machines_that_start_at_once_give_different_run_ids(cluster: Cluster) -> None:
    machines = [cluster.machine(name) for name in "abc"]
    runs = [machine.start("run", machine.flow("small")) for machine in machines]

    ended = [machine.end_of(run) for machine, run in zip(machines, runs, strict=True)]

    assert [each.code for each in ended] == [0, 0, 0], [each.stderr for each in ended]
    assert len(cluster.objects("^ids/")) == 3
    for machine in machines:
        listed = json.loads(machine.ok("runs", "--json"))
        assert sorted(row["run"] for row in listed) == [1, 2, 3]


def test_runs_of_one_machine_share_what_they_send(cluster: Cluster) -> None:
    machine = cluster.machine("a")
    name = machine.flow("small")
    runs = [machine.start("run", name) for _ in range(4)]

    ended = [machine.end_of(run) for run in runs]

    assert [each.code for each in ended] == [0, 0, 0, 0], [each.stderr for each in ended]


def test_a_clean_machine_goes_on_where_the_first_one_died(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    cluster.open("first")
    cluster.wait_journal("second begins")
    until(lambda: "second prints" in there.ok("logs", "1"), "the second step is in the bucket")
    kill(running)

    cluster.open("second")
    resumed = there.run("resume", "1", "--file", there.flow("gated"))

    assert resumed.code == 0, resumed.stderr
    assert cluster.journal().count("first begins") == 1, "what is recorded as done is not done again"
    assert cluster.journal().count("end") == 1
    assert there.status(1) == "succeeded"
    assert there.artifact("GatedFlow/1/second/3", "two") == 2
    assert here.status(1) == "succeeded"
    assert here.digests(1) == there.digests(1)


def test_what_the_first_machine_had_not_sent_is_void(cluster: Cluster) -> None:
    """The first one is cut off from the bucket, goes on for a while and dies; the second one takes over."""
    here, there = cluster.machine("a"), cluster.machine("b")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    until(lambda: "first prints" in there.ok("logs", "1"), "the first step is in the bucket")
    os.kill(running.pid, signal.SIGSTOP)  # the scheduler hears of nothing any more, and sends nothing
    kill(running)

    cluster.open("first")
    cluster.open("second")
    resumed = there.run("resume", "1", "--file", there.flow("gated"))
    back = here.run("resume", "1", "--file", here.flow("gated"))

    assert resumed.code == 0, resumed.stderr
    assert here.status(1) == "succeeded"
    assert here.digests(1) == there.digests(1)
    assert back.code == 0, back.stderr
    assert here.status(2) == "succeeded", (
        "a run that has ended is not gone on with: a new one takes over its tasks"
    )
    assert cluster.journal().count("first begins") == 2


def test_of_two_that_go_on_at_once_one_wins(cluster: Cluster) -> None:
    here, left, right = (cluster.machine(name) for name in "abc")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    until(lambda: left.status(1) == right.status(1) == "running", "the run is in the bucket")
    kill(running)

    both = [machine.start("resume", "1", "--file", machine.flow("gated")) for machine in (left, right)]
    cluster.wait_journal("first begins", 2)
    loser = until(lambda: next((one for one in both if one.poll() is not None), None), "one gives up")
    winner = both[1 - both.index(loser)]
    lost = left.end_of(loser)
    cluster.open("first")
    cluster.open("second")
    won = left.end_of(winner)

    assert won.code == 0, won.stderr
    assert lost.code != 0
    assert "Run 1" in lost.stderr
    assert "Traceback" not in lost.stderr
    assert cluster.journal().count("first begins") == 2


def test_a_run_is_cancelled_from_another_machine(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    until(lambda: there.status(1) == "running", "the run is in the bucket")

    there.ok("cancel", "1")
    ended = here.end_of(running)

    assert ended.code != 0
    assert "ancel" in ended.stdout + ended.stderr
    assert there.status(1) == "cancelled"
    assert cluster.objects("requests/") == []


def test_tags_are_put_on_from_anywhere(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    until(lambda: there.status(1) == "running", "the run is in the bucket")

    there.ok("tag", "add", "1", "while-it-runs")
    until(lambda: "while-it-runs" in here.ok("tag", "list", "1"), "the driver has heard of the tag")
    cluster.open("first")
    cluster.open("second")
    assert here.end_of(running).code == 0
    there.ok("tag", "add", "1", "after-it-ended")

    told = here.ok("tag", "list", "1")
    assert "while-it-runs" in told
    assert "after-it-ended" in told
    there.ok("tag", "remove", "1", "while-it-runs")
    assert "while-it-runs" not in here.ok("tag", "list", "1")


def test_a_failed_run_is_resumed_elsewhere_with_the_tasks_of_the_first(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b")
    for gate in ("first", "second", "fail"):
        cluster.open(gate)
    failed = here.run("run", here.flow("gated"))
    (cluster.root / "journal.fail").unlink()

    resumed = there.run("resume", "1", "--file", there.flow("gated"))

    assert failed.code == 1
    assert resumed.code == 0, resumed.stderr
    assert cluster.journal().count("first begins") == 1, "its task was taken over"
    third = cluster.machine("c")
    assert third.status(2) == "succeeded"
    assert third.artifact("GatedFlow/2/second/3", "two") == 2
