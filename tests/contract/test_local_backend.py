"""The local backend keeps the contract, with a fork per attempt and with a fresh interpreter per attempt."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from asyncflow.backends.local import Zygote
from asyncflow.machine.facts import WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Failed
from tests.contract.backend_suite import FLOW_FILE, BackendSuite, Bench, ends, of
from tests.contract.local_bench import forked, local_bench, make_store


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = forked()
    yield zygote
    zygote.kill()
    zygote.close()


class TestLocalFork(BackendSuite):
    @pytest.fixture
    async def bench(self, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        bench = local_bench(zygote, make_store(tmp_path))
        yield bench
        await bench.aclose()


class TestLocalSpawn(BackendSuite):
    @pytest.fixture
    async def bench(self, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        bench = local_bench(zygote, make_store(tmp_path), isolation="spawn")
        yield bench
        await bench.aclose()

    async def test_many_attempts_at_once_each_end_once(self, bench: Bench) -> None:
        attempts = [await bench.launch("succeed", task) for task in range(1, 5)]
        await bench.until_ended(*attempts)
        assert len(bench.facts) == 8


@pytest.fixture
def async_zygote() -> Iterator[Zygote]:
    zygote = forked(FLOW_FILE.with_name("async_behaviours.py"))
    yield zygote
    zygote.kill()
    zygote.close()


class TestLocalAsync(BackendSuite):
    @pytest.fixture
    async def bench(self, async_zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        bench = local_bench(async_zygote, make_store(tmp_path))
        bench.is_async = True
        yield bench
        await bench.aclose()

    async def test_attempts_of_one_task_are_told_apart(self, bench: Bench) -> None:
        first = await bench.launch("fail", 1, 0)
        second = await bench.launch("succeed", 1, 1)
        facts = await bench.until_ended(first, second)
        told = (of(facts, first)[-1], of(facts, second)[-1])
        assert [isinstance(fact, WorkerReported) and isinstance(fact.outcome, Failed) for fact in told] == [
            True,
            False,
        ]

    async def test_force_ends_an_attempt_that_ignores_being_asked(self, bench: Bench) -> None:
        other = await bench.launch("sleep", 2)
        attempt = await bench.launch("ignore_signals")
        await bench.until_started(attempt)
        await bench.until_printed(attempt, b"ready\n")
        await bench.backend.stop(attempt, force=False)
        await bench.backend.stop(attempt, force=True)
        lost = (await bench.until_ended(attempt))[-1]
        assert isinstance(lost, WorkerLost)
        assert "did not end when its task was cancelled" in lost.reason
        assert [fact.attempt for fact in ends(bench.facts)] == [attempt]
        await bench.backend.stop(other, force=False)
        await bench.until_ended(other)

    async def test_an_attempt_that_is_asked_to_stop_before_it_has_begun_does_not_begin(
        self, bench: Bench
    ) -> None:
        other = await bench.launch("sleep", 1)
        await bench.until_started(other)
        attempt = await bench.launch("sleep", 2)
        await bench.backend.stop(attempt, force=False)
        reported = (await bench.until_ended(attempt))[-1]
        assert isinstance(reported, WorkerReported)
        assert isinstance(reported.outcome, Failed)
        assert "asked the task to stop" in reported.outcome.error.message

    async def test_the_worker_of_an_attempt_that_was_given_up_gets_no_other(self, bench: Bench) -> None:
        attempt = await bench.launch("ignore_signals")
        await bench.until_started(attempt)
        await bench.backend.stop(attempt, force=True)
        await bench.until_ended(attempt)
        later = await bench.launch("succeed", 2)
        await bench.until_ended(later)
        pids = [fact.pid for fact in bench.facts if isinstance(fact, WorkerStarted)]
        assert len(set(pids)) == 2

    async def test_a_killed_worker_loses_what_is_in_it_and_the_next_attempt_gets_another(
        self, bench: Bench
    ) -> None:
        sleeping = await bench.launch("sleep", 1)
        await bench.until_started(sleeping)
        killed = await bench.launch("kill_itself", 2)
        facts = await bench.until_ended(sleeping, killed)
        assert all(isinstance(of(facts, one)[-1], WorkerLost) for one in (sleeping, killed))
        later = await bench.launch("succeed", 3)
        assert isinstance((await bench.until_ended(later))[-1], WorkerReported)

    async def test_attempts_launched_while_a_dead_zygote_is_replaced_end_all_the_same(
        self, bench: Bench, async_zygote: Zygote
    ) -> None:
        sleeping = await bench.launch("sleep", 1)
        await bench.until_started(sleeping)
        attempts = [Attempt(task, 0) for task in range(2, 102)]

        async def launch_all() -> None:
            for attempt in attempts:
                await bench.launch("succeed", attempt.task)
                await anyio.sleep(0.01)

        os.kill(async_zygote.pid, signal.SIGKILL)
        async with anyio.create_task_group() as group:
            group.start_soon(launch_all)
            await bench.until_ended(sleeping, *attempts)
        lost = [fact for fact in ends(bench.facts) if isinstance(fact, WorkerLost)]
        assert all(fact.is_our_fault for fact in lost)
        assert isinstance(of(bench.facts, attempts[-1])[-1], WorkerReported)
