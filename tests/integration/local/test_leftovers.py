"""No process and no descriptor outlives its attempt, whatever the attempt did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from asyncflow.backends.local import Zygote
from asyncflow.machine.facts import WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Failed
from tests.contract.backend_suite import Bench, ends
from tests.integration.local.support import descriptors, is_alive, pids_in, wait_until_dead


@pytest.mark.parametrize("step", ["leave_daemon", "leave_children"])
async def test_what_a_step_leaves_behind_is_dead_when_its_end_is_told(bench: Bench, step: str) -> None:
    attempt = await bench.launch(step)
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerReported)
    pids = pids_in(bench.sink.text(attempt))
    assert pids
    assert not any(map(is_alive, pids))


async def test_what_a_crashed_step_leaves_behind_is_dead_when_its_end_is_told(bench: Bench) -> None:
    attempt = await bench.launch("leave_and_crash")
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerLost)
    assert end.exit_code == -signal.SIGUSR1
    assert not any(map(is_alive, pids_in(bench.sink.text(attempt))))


async def test_leftovers_of_one_attempt_are_not_looked_for_among_another_s(bench: Bench) -> None:
    other = await bench.launch("leave_and_sleep", 1)
    await bench.until_started(other)
    await bench.until_printed(other, b"ready\n")
    await bench.until_ended(await bench.launch("leave_daemon", 2))
    pids = pids_in(bench.sink.text(other))
    assert len(pids) == 4
    assert all(map(is_alive, pids))


@pytest.mark.parametrize("step", ["leave_and_sleep"])
async def test_force_kills_everything_below_an_attempt(bench: Bench, step: str) -> None:
    attempt = await bench.launch(step)
    await bench.until_started(attempt)
    await bench.until_printed(attempt, b"ready\n")
    await bench.backend.stop(attempt, force=True)
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerLost)
    assert "as it was told to" in end.reason
    assert not any(map(is_alive, pids_in(bench.sink.text(attempt))))


async def test_a_stop_raised_where_it_cannot_be_is_raised_again(bench: Bench) -> None:
    attempt = await bench.launch("swallow_stop")
    await bench.until_started(attempt)
    await bench.until_printed(attempt, b"ready\n")
    await bench.backend.stop(attempt, force=False)
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerReported)
    assert isinstance(end.outcome, Failed)
    assert "asked the task to stop" in end.outcome.error.message


async def test_closing_kills_what_runs_with_all_below_it(bench: Bench, zygote: Zygote) -> None:
    attempt = await bench.launch("leave_and_sleep")
    await bench.until_started(attempt)
    await bench.until_printed(attempt, b"ready\n")
    pids = [*pids_in(bench.sink.text(attempt)), zygote.pid]
    await bench.aclose()
    assert len(pids) == 5
    assert not any(map(is_alive, pids))


async def test_two_hundred_tasks_leave_no_descriptor_here_nor_in_the_zygote(
    bench: Bench, zygote: Zygote
) -> None:
    await bench.until_ended(await bench.launch("silent", 1))
    here, there = descriptors(), len(os.listdir(f"/proc/{zygote.pid}/fd"))
    for first in range(2, 202, 50):  # each of them has the memory of the tests' own process
        tasks = range(first, first + 50)
        await bench.until_ended(*[await bench.launch("close_sys_stdout", task) for task in tasks])
    assert len(ends(bench.facts)) == 201
    assert (descriptors(), len(os.listdir(f"/proc/{zygote.pid}/fd"))) == (here, there)


async def test_a_stopped_launch_that_was_not_sent_yet_ends_too(bench: Bench) -> None:
    attempts = [await bench.launch("silent", task) for task in range(1, 60)]
    last = Attempt(59, 0)
    await bench.backend.stop(last, force=False)
    await bench.until_ended(*attempts)
    (end,) = (fact for fact in ends(bench.facts) if fact.attempt == last)
    assert isinstance(end, WorkerLost)
    assert "before its process was started" in end.reason


def test_where_the_kernel_does_not_see_to_it_a_task_watches_its_parent() -> None:
    """As on macOS: the parent is killed, and the child, in a group of its own, notices the end of a pipe."""
    code = """
import os, sys, time
from asyncflow.backends.local.child import watch_parent
reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(writer)
    os.setpgid(0, 0)
    watch_parent(reader)
    time.sleep(600)
sys.stdout.write(f"pid {pid}\\n")
sys.stdout.flush()
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = pids_in(parent.stdout.readline())
        assert [is_alive(pid) for pid in pids] == [True]
        parent.kill()
        assert wait_until_dead(pids) == []
