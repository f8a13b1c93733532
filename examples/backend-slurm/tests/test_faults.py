"""What goes wrong with clusters: each test lets it happen to a real Slurm, and sees that it did."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import apart
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from asyncflow_slurm import script
from asyncflow_slurm.platform import Pace
from asyncflow_slurm.provider import SlurmProvider
from cluster import Cluster, missing, require

from asyncflow.backends.remote.platform import EndReason, Phase
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from asyncflow.testing.platform_suite import BEAT, COUNT, PlatformBench

FAST = Pace(shortest_s=0.2, longest_s=1.0, grace_s=2.0, closing_s=5.0)
WAIT_TO_GO = 'while [ ! -e "$SCRATCH/go" ]; do sleep 0.1; done'


def bench_on(directory: Path, *, patience_s: float = 60, is_shared: bool = True) -> PlatformBench:
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    shared = directory / "shared" if is_shared else Path("none")
    provider = SlurmProvider(shared, pace=FAST, patience_s=patience_s)
    return PlatformBench(provider=provider, scratch=scratch, refusable=lambda job: job)


class Client:
    """Stands before one of Slurm's commands and spoils its next calls; notes all."""

    def __init__(self, directory: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory / f"client-{name}"
        self._directory.mkdir()
        self._path = self._directory / name
        self._real = shutil.which(name)
        monkeypatch.setenv("PATH", f"{self._directory}:{os.environ['PATH']}")
        self.let_pass()

    def let_pass(self) -> None:
        self._write("")

    def fail(self, message: str, *, times: int, is_done_first: bool) -> None:
        """Let calls fail with a message, after they have been carried out or instead."""
        (self._directory / "left").write_text("x" * times)
        done = f'{self._real} "$@" > /dev/null 2>&1;' if is_done_first else ""
        self._write(
            f"if [ -s {self._directory}/left ]; then truncate -s -1 {self._directory}/left; "
            f"{done} echo spoilt >> {self._directory}/spoilt; echo '{message}' >&2; exit 1; fi"
        )

    def refuse_arrays(self, message: str) -> None:
        """Let requests for arrays be refused."""
        self._write(
            f'case "$*" in *--array=*) echo spoilt >> {self._directory}/spoilt; echo "{message}" >&2; exit 1;; esac'
        )

    @property
    def calls(self) -> int:
        return self._count("calls")

    @property
    def spoilt(self) -> int:
        return self._count("spoilt")

    def _count(self, name: str) -> int:
        path = self._directory / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def _write(self, first: str) -> None:
        beside = self._path.with_suffix(".new")
        looks = f'case "$*" in *--test-only*) exec {self._real} "$@";; esac'  # asks for nothing
        noted = f"echo called >> {self._directory}/calls"
        beside.write_text(f'#!/bin/sh\n{looks}\n{noted}\n{first}\nexec {self._real} "$@"\n')
        beside.chmod(0o755)
        beside.rename(self._path)


LOST_ANSWER = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"


@pytest.mark.parametrize("is_shared", [True, False], ids=["shared files", "nothing shared"])
async def test_a_job_whose_answer_was_lost_is_not_asked_for_again(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    sbatch = Client(tmp_path, "sbatch", monkeypatch)
    bench = bench_on(tmp_path, is_shared=is_shared)
    jobs = bench.jobs(COUNT, range(4))
    sbatch.fail(LOST_ANSWER, times=1, is_done_first=True)
    async with bench.open() as site:
        assert list(await site.submit(*jobs)) == []
        ends = await site.until_ended(*(job.attempt for job in jobs))
    assert sbatch.spoilt == 1
    assert sbatch.calls == 1
    assert [end.reason for end in ends] == [EndReason.SUCCEEDED] * 4
    assert bench.lines("count") == ["ran"] * 4


async def test_a_request_that_did_not_reach_the_cluster_is_made_again(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = Client(tmp_path, "sbatch", monkeypatch)
    bench = bench_on(tmp_path)
    sbatch.fail(LOST_ANSWER, times=2, is_done_first=False)
    async with bench.open() as site:
        end = await site.run(bench.job(COUNT))
    assert (sbatch.spoilt, sbatch.calls) == (2, 3)
    assert end.reason is EndReason.SUCCEEDED
    assert bench.lines("count") == ["ran"]


async def test_a_second_job_for_an_attempt_runs_nothing(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a request was carried out so late that it was made again."""
    bench = bench_on(tmp_path)
    job = bench.job(COUNT + WAIT_TO_GO)
    place = tmp_path / "shared" / bench.owner / str(bench.run)
    text = script.script([job], place, FAST.grace_s)
    async with bench.open() as site:
        await site.submit(job)
        await site.until_running(job.attempt)
        flags = script.flags([job], FAST.grace_s)
        second = (await anyio.run_process(["sbatch", *flags], input=text.encode())).stdout.decode().strip()
        with anyio.fail_after(30):
            while not slurm.ask("squeue", "-h", "-t", "FAILED", "-j", second):  # noqa: ASYNC110 - Slurm tells nobody
                await anyio.sleep(0.1)
        (bench.scratch / "go").touch()
        (end,) = await site.until_ended(job.attempt)
    assert end.reason is EndReason.SUCCEEDED
    assert bench.lines("count") == ["ran"]


async def test_a_quota_that_is_used_up_makes_jobs_wait(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = Client(tmp_path, "sbatch", monkeypatch)
    bench = bench_on(tmp_path)
    message = "sbatch: error: AssocMaxSubmitJobLimit"
    sbatch.fail(message, times=3, is_done_first=False)
    async with bench.open() as site:
        end = await site.run(bench.job(COUNT))
    assert sbatch.spoilt == 3
    assert end.reason is EndReason.SUCCEEDED
    assert "submit" in site.told[0].note
    assert bench.lines("count") == ["ran"]


async def test_an_array_above_a_quota_is_asked_for_in_parts(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = Client(tmp_path, "sbatch", monkeypatch)
    sbatch.refuse_arrays("sbatch: error: AssocMaxSubmitJobLimit")
    bench = bench_on(tmp_path)
    jobs = bench.jobs(COUNT, range(5))
    async with bench.open() as site:
        assert list(await site.submit(*jobs)) == []
        ends = await site.until_ended(*(job.attempt for job in jobs))
    assert sbatch.spoilt == 4
    assert {end.reason for end in ends} == {EndReason.SUCCEEDED}
    assert bench.lines("count") == ["ran"] * 5


async def test_jobs_go_on_while_the_controller_is_away(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch = Client(tmp_path, "sbatch", monkeypatch)
    bench = bench_on(tmp_path)
    job, other = bench.job(WAIT_TO_GO + "; exit 4"), bench.job("exit 5", task=2)
    async with bench.open() as site:
        await site.submit(job)
        await site.until_running(job.attempt)
        slurm.stop_controller()
        try:
            (bench.scratch / "go").touch()
            async with anyio.create_task_group() as group:
                group.start_soon(site.submit, other)
                group.start_soon(site.until_ended, job.attempt, other.attempt)
                with anyio.fail_after(30):
                    while sbatch.calls < 2:  # noqa: ASYNC110 - as above
                        await anyio.sleep(0.1)
                slurm.start_controller()
        finally:
            slurm.start_controller()
        ends = await site.until_ended(job.attempt, other.attempt)
    assert sbatch.calls >= 2
    assert [end.exit_code for end in ends] == [4, 5]


async def test_a_controller_that_stays_away_is_told(slurm: Cluster, tmp_path: Path) -> None:
    bench = bench_on(tmp_path, patience_s=3)
    async with bench.open() as site:
        slurm.stop_controller()
        try:
            with pytest.raises(PlatformError, match="has not answered for 3 s"):
                await site.submit(bench.job("exit 0"))
        finally:
            slurm.start_controller()


async def test_one_look_tells_of_all_jobs_and_one_request_asks_for_them(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch, squeue = Client(tmp_path, "sbatch", monkeypatch), Client(tmp_path, "squeue", monkeypatch)
    bench = bench_on(tmp_path)
    jobs = bench.jobs(COUNT, range(40))
    with anyio.fail_after(60):
        async with bench.open() as site:
            await site.submit(*jobs)
            began = anyio.current_time()
            await site.until_ended(*(job.attempt for job in jobs))
            looks = (anyio.current_time() - began) / FAST.shortest_s
    assert sbatch.calls == 1
    assert squeue.calls <= looks + 3
    assert bench.lines("count") == ["ran"] * 40


SCHEDULER = """
import sys, anyio
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_faults import bench_on, WAIT_TO_GO
from asyncflow.records import replace
async def main():
    bench = replace(bench_on(Path(sys.argv[1])), owner=sys.argv[2])
    jobs = bench.jobs('echo ran >> "$SCRATCH/count"; ' + WAIT_TO_GO + '; exit 9', range(10))
    async with bench.open() as site:
        over = bench.job("exit 6", task=50)
        await site.submit(over)
        await site.submit(*jobs)
        await site.until_ended(over.attempt)
        await site.until_running(*(job.attempt for job in jobs))
        print("all run", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


async def test_after_a_killed_scheduler_nothing_is_lost_and_nothing_runs_twice(
    slurm: Cluster, tmp_path: Path
) -> None:
    owner, here = "0123abcd", Path(__file__).parent
    command = [sys.executable, "-c", SCHEDULER, str(tmp_path), owner, str(here), str(here.parent)]
    async with await anyio.open_process(command, stderr=None) as scheduler:
        assert scheduler.stdout is not None
        said = BufferedByteReceiveStream(scheduler.stdout)
        assert await said.receive_until(b"\n", 100) == b"all run"
        scheduler.send_signal(signal.SIGKILL)
    bench = replace(bench_on(tmp_path), owner=owner)
    attempts = [Attempt(task, 0) for task in range(1, 11)]
    async with bench.open() as site:
        found = await site.platform.find([*attempts, Attempt(50, 0), Attempt(51, 0)])
        assert [seen.phase for seen in found] == [Phase.RUNNING] * 10 + [Phase.ENDED]
        (bench.scratch / "go").touch()
        ends = await site.until_ended(*attempts, Attempt(50, 0))
    assert [end.exit_code for end in ends] == [9] * 10 + [6]
    assert bench.lines("count") == ["ran"] * 10


class TestForgetful:
    """A cluster that shows jobs only as long as they run, and has no accounting."""

    @pytest.fixture(scope="class")
    @classmethod
    def forgetful(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
        require(missing())
        cluster = Cluster(tmp_path_factory.mktemp("slurm"), min_job_age_s=2)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()

    @pytest.mark.parametrize("is_shared", [True, False], ids=["shared files", "nothing shared"])
    async def test_how_a_forgotten_job_ended_is_read_from_its_file(
        self, forgetful: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool
    ) -> None:
        monkeypatch.setenv("SLURM_CONF", str(forgetful.configuration))
        bench = bench_on(tmp_path, is_shared=is_shared)
        job = bench.job(WAIT_TO_GO + "; echo last words; exit 3")
        async with bench.open() as site:
            await site.submit(job)
            await site.until_running(job.attempt)
            (bench.scratch / "go").touch()
            with anyio.fail_after(120):
                while forgetful.ask("squeue", "-h", "-t", "all", "-u", "root"):  # noqa: ASYNC110 - as above
                    await anyio.sleep(0.5)
            (end,) = await site.until_ended(job.attempt)
        if is_shared:
            assert (end.reason, end.exit_code, end.message) == (EndReason.FAILED, 3, "last words")
        else:
            assert end.reason is EndReason.LOST
            assert "left the queue without a word" in end.message


class TestApart:
    """A cluster of three hosts."""

    @pytest.fixture
    def hosts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[apart.ClusterApart]:
        require(apart.missing())
        directory = tmp_path / "slurm"
        directory.mkdir()
        hosts = apart.ClusterApart(directory)
        try:
            hosts.start()
            for name, value in hosts.environment().items():
                monkeypatch.setenv(name, value)
            yield hosts
        finally:
            hosts.stop()

    async def test_a_job_on_a_node_that_is_cut_off_is_lost_and_the_next_attempt_runs_on_the_other(
        self, hosts: apart.ClusterApart, tmp_path: Path
    ) -> None:
        bench = replace(bench_on(tmp_path), longest_s=90.0)
        jobs = [
            replace(job, options={**job.options, "nodelist": f"n{number}"})
            for number, job in enumerate([bench.job(BEAT), bench.job(BEAT, task=2)], start=1)
        ]
        async with bench.open() as site:
            for job in jobs:
                await site.submit(job)
            await site.until_running(*(job.attempt for job in jobs))
            hosts.cut_off(2)
            (lost,) = await site.until_ended(jobs[1].attempt)
            assert lost.reason is EndReason.LOST
            assert lost.reason.is_our_fault
            assert "NODE_FAIL" in lost.message
            assert site.phase(jobs[0].attempt) is Phase.RUNNING
            again = bench.job("exit 0", task=2, number=1)
            end = await site.run(again)
            assert end.reason is EndReason.SUCCEEDED
            assert {seen.metadata.get("slurm-node") for seen in site.told if seen.end == end} == {"n1"}
