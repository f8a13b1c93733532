"""What is said about a cluster before anything runs on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from asyncflow_slurm import Slurm
from asyncflow_slurm.provider import SlurmProvider
from cluster import Cluster

from asyncflow.backends.remote.platform import Phase, Size
from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest
from asyncflow.errors import PlatformError, UserError
from asyncflow.records import replace
from asyncflow.testing.platform_suite import PlatformBench

CONTEXT = PlatformContext(owner="0123abcd", run=1, user="me")


SMALL = Size()


def asking(size: Size = SMALL, **options: Any) -> PlatformContext:
    request = StepRequest(step="train", options=Slurm(**options).attributes(), size=size)
    return replace(CONTEXT, steps=(request,))


async def about_the_step(context: PlatformContext, shared: Path) -> Finding:
    findings = await SlurmProvider(shared).examine(context)
    return findings[-1]


async def test_a_step_that_fits_is_found_to(slurm: Cluster, tmp_path: Path) -> None:
    finding = await about_the_step(asking(), tmp_path)
    assert finding.is_ok
    assert "in partition main" in finding.told


@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        (Size(), {"partition": "nowhere"}, "Invalid partition name"),
        (Size(memory_mb=1e9), {}, "Requested node configuration is not available"),
        (Size(cpu=500), {}, "Requested node configuration is not available"),
        (Size(gpu=1), {}, "generic resource"),
        (Size(), {"constraint": "blue"}, "Invalid feature specification"),
        (Size(), {"extra": "--no-such-flag"}, "unrecognized option"),
    ],
)
async def test_a_step_that_no_node_can_run_is_found_in_slurm_s_words(
    slurm: Cluster, tmp_path: Path, size: Size, options: dict[str, str], told: str
) -> None:
    finding = await about_the_step(asking(size, **options), tmp_path)
    assert not finding.is_ok
    assert told in finding.told


async def test_what_can_never_run_is_said_when_the_cluster_is_opened(slurm: Cluster, tmp_path: Path) -> None:
    context = asking(partition="nowhere")
    (request,) = context.steps
    context = replace(context, steps=(replace(request, where="flow.py:7"),))
    with pytest.raises(
        UserError, match=r"Step train cannot run on the cluster: .*Invalid partition name"
    ) as told:
        async with SlurmProvider(tmp_path).open(context):
            pass
    assert told.value.where == "flow.py:7"


async def test_what_cannot_run_now_does_not_keep_a_run_from_starting(slurm: Cluster, tmp_path: Path) -> None:
    slurm.ask("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        async with SlurmProvider(tmp_path).open(asking()):
            pass
    finally:
        slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")


async def test_a_directory_that_cannot_be_written_is_found(slurm: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    findings = await SlurmProvider(tmp_path / "file").examine(CONTEXT)
    assert [finding.what for finding in findings if not finding.is_ok] == ["shared directory"]


async def test_a_machine_without_slurm_s_client_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="There is no sbatch on this machine"):
        async with SlurmProvider(tmp_path).open(CONTEXT):
            pass
    (finding,) = await SlurmProvider(tmp_path).examine(CONTEXT)
    assert not finding.is_ok
    assert "login node" in finding.hint


async def test_a_configuration_that_is_not_there_is_told(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "nowhere.conf"))
    with pytest.raises(UserError, match=r"nowhere\.conf cannot be read"):
        async with SlurmProvider(tmp_path).open(CONTEXT):
            pass


async def test_a_cluster_that_does_not_answer_is_told_when_it_is_opened(
    slurm: Cluster, tmp_path: Path
) -> None:
    slurm.stop_controller()
    try:
        with pytest.raises(PlatformError, match=r"The cluster does not answer: .*Unable to contact"):
            async with SlurmProvider(tmp_path).open(CONTEXT):
                pass
    finally:
        slurm.start_controller()


async def test_what_keeps_a_job_from_running_is_a_note(slurm: Cluster, tmp_path: Path) -> None:
    slurm.ask("scontrol", "update", "PartitionName=main", "State=DOWN")
    bench = PlatformBench(
        provider=SlurmProvider(tmp_path / "shared"), scratch=tmp_path, refusable=lambda job: job, longest_s=30
    )
    try:
        async with bench.open() as site:
            job = bench.job("exit 0")
            await site.submit(job)
            await site.until(lambda: any(seen.note == "PartitionDown" for seen in site.told))
            assert site.phase(job.attempt) is Phase.PENDING
            slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
            await site.until_ended(job.attempt)
    finally:
        slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")


async def test_jobs_take_nothing_from_the_job_in_which_their_scheduler_runs(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1000000")
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    bench = PlatformBench(
        provider=SlurmProvider(tmp_path / "shared"), scratch=tmp_path, refusable=lambda job: job
    )
    async with bench.open() as site:
        end = await site.run(bench.job("exit ${SLURM_ARRAY_TASK_ID:-0}"))
    assert end.exit_code == 0
    assert os.environ["SLURM_ARRAY_TASK_ID"] == "3"
