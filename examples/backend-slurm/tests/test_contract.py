"""A real Slurm keeps the contract of platforms: with a file system that nodes share with the scheduler, and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncflow_slurm.platform import Pace
from asyncflow_slurm.provider import SlurmProvider
from cluster import Cluster

from asyncflow.backends.remote.platform import Job
from asyncflow.records import replace
from asyncflow.testing.platform_suite import PlatformBench, PlatformSuite

FAST = Pace(shortest_s=0.2, longest_s=1.0, grace_s=5.0, closing_s=10.0)


def without_its_partition(job: Job) -> Job:
    return replace(job, options={**job.options, "partition": "nowhere"})


def slurm_bench(directory: Path, shared: Path) -> PlatformBench:
    scratch = directory / "scratch"
    scratch.mkdir()
    provider = SlurmProvider(shared, pace=FAST, patience_s=30)
    return PlatformBench(provider=provider, scratch=scratch, refusable=without_its_partition)


class TestSlurm(PlatformSuite):
    @pytest.fixture
    def bench(self, slurm: Cluster, tmp_path: Path) -> PlatformBench:
        return slurm_bench(tmp_path, tmp_path / "shared")


class TestSlurmWithoutSharedFiles(PlatformSuite):
    @pytest.fixture
    def bench(self, slurm: Cluster, tmp_path: Path) -> PlatformBench:
        return slurm_bench(tmp_path, Path("none"))
