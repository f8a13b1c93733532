"""A task, the zygote, the scheduler: each is killed, and nothing lives on, and what was lost is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.backends.local import Zygote, exec_zygote, sweep_orphans
from asyncflow.backends.local.orphans import RUN_VARIABLE, mark_of
from asyncflow.errors import PlatformError
from asyncflow.flow.load import load_flow
from asyncflow.machine.facts import WorkerLost, WorkerReported, WorkerStarted
from asyncflow.store.local import LocalStore
from tests.contract.backend_suite import Bench, ends
from tests.contract.local_bench import RUN, forked, local_bench, make_store
from tests.integration.local.support import NASTY, is_alive, pids_in, wait_until_dead

ROOT = Path(__file__).parents[3]


class Scheduler:
    """A scheduler that runs `leave_and_sleep` twice, or a step of another name once."""

    def __init__(self, root: str, step: str = "") -> None:
        steps = [step] if step else ["leave_and_sleep"] * 2
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.local.scheduler", root, *steps],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        text = self.read_until("all ready")
        self.zygote, *self.below = pids_in(text.encode())
        assert len(self.below) == (1 if step else 8)

    def read_until(self, end: str) -> str:
        assert self.process.stdout is not None
        text = ""
        while end not in text:
            line = self.process.stdout.readline()
            assert line, f"the scheduler is gone: {text}"
            text += line
        return text

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for pid in wait_until_dead([self.zygote, *self.below]):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def scheduler(root: str) -> Iterator[Scheduler]:
    scheduler = Scheduler(root)
    yield scheduler
    scheduler.close()


def test_nothing_outlives_a_killed_scheduler(scheduler: Scheduler) -> None:
    scheduler.process.kill()
    assert wait_until_dead([scheduler.zygote, *scheduler.below]) == []


def test_nothing_outlives_a_scheduler_whose_zygote_is_killed_too(scheduler: Scheduler, root: str) -> None:
    # Stopped first, so that neither can do anything for the other.
    os.kill(scheduler.zygote, signal.SIGSTOP)
    scheduler.process.send_signal(signal.SIGSTOP)
    scheduler.process.kill()
    os.kill(scheduler.zygote, signal.SIGKILL)
    scheduler.process.wait()
    sweep_orphans(root, RUN)
    marked = [pid for pid in scheduler.below if is_alive(pid)]
    # What has neither mark (another program, with no environment) cannot be known any more.
    assert len(marked) <= 2
    for pid in marked:
        os.kill(pid, signal.SIGKILL)


def test_a_task_that_prints_on_when_its_scheduler_is_dead_does_not_fail_of_it(root: str) -> None:
    scheduler = Scheduler(root, "talk_on")
    try:
        os.kill(scheduler.zygote, signal.SIGSTOP)  # it would kill the task
        scheduler.process.kill()
        scheduler.process.wait()
        assert wait_until_dead(scheduler.below) == [], "what it prints fails: nobody reads it"
        assert not LocalStore(root).has_manifest(RUN, 1, 0), "a resume runs it again"
    finally:
        os.kill(scheduler.zygote, signal.SIGCONT)
        scheduler.close()


def test_a_scheduler_whose_zygote_is_killed_loses_its_attempts_and_goes_on(scheduler: Scheduler) -> None:
    os.kill(scheduler.zygote, signal.SIGKILL)
    text = scheduler.read_until("again")
    assert text.splitlines() == ["WorkerLost True", "WorkerLost True", "again WorkerReported"]
    assert not any(map(is_alive, scheduler.below))
    scheduler.process.communicate("")
    assert scheduler.process.returncode == 0


async def test_a_killed_task_is_lost_and_nobody_else(bench: Bench) -> None:
    victim = await bench.launch("leave_and_sleep", 1)
    await bench.until_started(victim)
    await bench.until_printed(victim, b"ready\n")
    pids = pids_in(bench.sink.text(victim))
    # Only now: while nobody takes facts, a task that prints much would hold back what the victim prints.
    other = await bench.launch("print_many", 2)
    os.kill(pids[0], signal.SIGKILL)
    await bench.until_ended(victim, other)
    lost, reported = sorted(ends(bench.facts), key=lambda fact: fact.attempt)
    assert isinstance(lost, WorkerLost)
    assert lost.exit_code == -9
    assert "perhaps out of memory" in lost.reason
    assert not lost.is_our_fault
    assert isinstance(reported, WorkerReported)
    assert not any(map(is_alive, pids))


async def test_an_attempt_that_had_its_manifest_when_its_zygote_died_counts_as_done(
    bench: Bench, zygote: Zygote, root: str
) -> None:
    done = await bench.launch("silent", 1)
    await bench.until_ended(done)
    manifest = LocalStore(root).read_manifest(RUN, *done)
    running = await bench.launch("leave_and_sleep", 2)
    await bench.until_started(running)
    await bench.until_printed(running, b"ready\n")
    LocalStore(root).write_manifest(manifest._replace(task=2))  # as if it had come that far
    os.kill(zygote.pid, signal.SIGKILL)
    end = (await bench.until_ended(running))[-1]
    assert isinstance(end, WorkerReported)
    assert end.outcome.usage.ended_at == manifest.ended_at


async def test_launches_on_their_way_to_a_killed_zygote_are_all_told_of(bench: Bench, zygote: Zygote) -> None:
    os.kill(zygote.pid, signal.SIGKILL)
    attempts = [await bench.launch("silent", task) for task in range(1, 81)]
    await bench.until_ended(*attempts)
    assert len(ends(bench.facts)) == 80
    assert all(isinstance(fact, WorkerReported) or fact.is_our_fault for fact in ends(bench.facts))
    assert any(isinstance(fact, WorkerReported) for fact in ends(bench.facts))


async def test_a_zygote_killed_again_and_again_is_replaced_each_time(bench: Bench, zygote: Zygote) -> None:
    for task in range(1, 4):
        lost = await bench.launch("leave_and_sleep", 2 * task)
        await bench.until_started(lost)
        os.kill(zygote.pid, signal.SIGKILL)
        assert isinstance((await bench.until_ended(lost))[-1], WorkerLost)
        reported = await bench.launch("silent", 2 * task + 1)
        assert isinstance((await bench.until_ended(reported))[-1], WorkerReported)


async def test_a_zygote_that_cannot_load_the_flow_ends_the_driver_with_a_clear_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "soon_gone.py"
    file.write_text(NASTY.read_text())
    flow_class = load_flow(str(file))
    file.unlink()
    bench = local_bench(exec_zygote(flow_class), make_store(tmp_path))
    await bench.launch("silent")
    with pytest.raises(PlatformError, match="ended with exit code 1 before it was ready"):
        await bench.until(lambda facts: False)
    await bench.aclose()
    assert "soon_gone.py does not exist" in capfd.readouterr().err


async def test_a_zygote_started_by_exec_does_as_a_forked_one(root: str) -> None:
    bench = local_bench(exec_zygote(load_flow(str(NASTY))), root)
    attempt = await bench.launch("finish_late")
    facts = await bench.until_ended(attempt)
    assert [type(fact) for fact in facts] == [WorkerStarted, WorkerReported]
    assert bench.sink.text(attempt) == b"from a thread\nfrom atexit\n"
    await bench.aclose()


def test_a_sweep_kills_what_bears_the_run_s_mark_and_nothing_else(root: str) -> None:
    def sleeper(mark: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_VARIABLE: mark})

    ours = sleeper(mark_of(root, RUN))
    others = [sleeper(mark_of(root, RUN + 1)), sleeper(mark_of(root + "2", RUN)), sleeper("")]
    try:
        assert sweep_orphans(root, RUN) == 1
        assert ours.wait(5) == -signal.SIGKILL
        assert [other.poll() for other in others] == [None] * 3
    finally:
        for process in [ours, *others]:
            process.kill()
            process.wait()


def test_a_sweep_that_finds_nothing_takes_no_time(root: str) -> None:
    begin = time.monotonic()
    assert sweep_orphans(root, RUN) == 0
    assert time.monotonic() - begin < 0.5


async def test_adopting_waits_for_what_the_dead_driver_left(scheduler: Scheduler, root: str) -> None:
    zygote = forked(NASTY)
    bench = local_bench(zygote, root)
    scheduler.process.kill()
    attempts = [bench.spec("leave_and_sleep", task).attempt for task in (1, 2)]
    facts = await bench.backend.adopt(attempts)
    assert not any(map(is_alive, scheduler.below))
    assert [isinstance(fact, WorkerLost) and fact.is_our_fault for fact in facts] == [True, True]
    await bench.aclose()
