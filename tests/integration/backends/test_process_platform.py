"""Processes of the platform of processes live on when their scheduler is killed, and the next one finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asyncflow.backends.remote.platform import EndReason, Phase
from asyncflow.errors import UserError
from asyncflow.flow.decorators.attached import parse_spec
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from asyncflow.testing.platform_suite import BEAT, PlatformBench
from asyncflow.testing.process_platform import ProcessPlatform, ProcessProvider
from tests.contract.test_process_platform import process_bench, too_large

OWNER = "0123abcd"
SCHEDULER = """
import sys, anyio
from pathlib import Path
from asyncflow.records import replace
from tests.contract.test_process_platform import process_bench

async def main():
    bench = replace(process_bench(Path(sys.argv[1]), has_array=True), owner=sys.argv[2])
    wait = 'until [ -e "$SCRATCH/go" ]; do sleep 0.05; done; '
    jobs = bench.jobs('echo ran >> "$SCRATCH/count"; ' + wait + "exit 9", range(20))
    async with bench.open() as site:
        await site.submit(*jobs)
        await site.run(bench.job("exit 6", task=50))
        await site.until_running(*(job.attempt for job in jobs))
        await site.until_written("count", lines=20)
        print("all run", flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture
def bench(tmp_path: Path) -> PlatformBench:
    return process_bench(tmp_path, has_array=True)


@pytest.mark.slow
async def test_after_a_killed_scheduler_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCHEDULER, str(tmp_path), OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as scheduler:  # noqa: ASYNC220 - nothing else runs
        assert scheduler.stdout is not None
        assert scheduler.stdout.readline() == "all run\n"
        scheduler.kill()
    scratch = tmp_path / "scratch"
    bench = PlatformBench(
        provider=ProcessProvider(tmp_path / "jobs"), scratch=scratch, refusable=too_large, owner=OWNER
    )
    attempts = [Attempt(task, 0) for task in range(1, 21)]
    async with bench.open() as site:
        found = await site.platform.find([*attempts, Attempt(50, 0), Attempt(51, 0)])
        assert [seen.phase for seen in found] == [Phase.RUNNING] * 20 + [Phase.ENDED]
        (scratch / "go").touch()
        ends = await site.until_ended(*attempts, Attempt(50, 0))
    assert [end.exit_code for end in ends] == [9] * 20 + [6]
    assert bench.lines("count") == ["ran"] * 20


async def test_a_job_can_be_lost_as_with_its_node(bench: PlatformBench) -> None:
    async with bench.open() as site:
        job = bench.job(BEAT)
        await site.submit(job)
        await site.until_written("beats")
        assert isinstance(site.platform, ProcessPlatform)
        await site.platform.lose(job.attempt)
        (end,) = await site.until_ended(job.attempt)
    assert end.reason is EndReason.LOST
    assert end.reason.is_our_fault


async def test_a_command_that_is_not_there_is_told_like_an_image_without_it(bench: PlatformBench) -> None:
    async with bench.open() as site:
        end = await site.run(replace(bench.job(""), command=("no-such-command", "x")))
    assert (end.reason, end.message) == (EndReason.IMAGE, "no-such-command: No such file or directory")


async def test_jobs_that_follow_each_other_are_one_request(bench: PlatformBench) -> None:
    async with bench.open() as site:
        await site.submit(*bench.jobs("exit 0", [0, 1, 2, 5, 7, 8]))
        assert isinstance(site.platform, ProcessPlatform)
        assert site.platform.requests == [3, 1, 2]


def test_what_is_too_large_for_the_machine_is_said_before_a_run(bench: PlatformBench) -> None:
    (request,) = bench.context().steps
    large = replace(request, size=too_large(bench.job("")).size, where="flow.py:7")
    with pytest.raises(
        UserError, match="Step work cannot run as a process here: it wants 1e\\+06 cores"
    ) as told:
        bench.provider.check([large], {})
    assert told.value.where == "flow.py:7"
    with pytest.raises(UserError, match="is a gang"):
        bench.provider.check([replace(request, gang=True)], {})


def test_its_decorator_is_known_to_with() -> None:
    assert parse_spec("process:cpu=2").attributes() == {"cpu": 2, "memory": None, "gpu": None}
