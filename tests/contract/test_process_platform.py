"""The platform of processes keeps the contract of platforms, with arrays and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.backends.remote.platform import Job, Size
from asyncflow.records import replace
from asyncflow.testing.platform_suite import PlatformBench, PlatformSuite
from asyncflow.testing.process_platform import ProcessProvider


def too_large(job: Job) -> Job:
    return replace(job, size=Size(cpu=1e6))


def process_bench(directory: Path, *, has_array: bool) -> PlatformBench:
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    provider = ProcessProvider(directory / "jobs", has_array=has_array)
    return PlatformBench(provider=provider, scratch=scratch, refusable=too_large)


class TestProcessPlatform(PlatformSuite):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> PlatformBench:
        return process_bench(tmp_path, has_array=True)


class TestProcessPlatformWithoutArrays(PlatformSuite):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> PlatformBench:
        return process_bench(tmp_path, has_array=False)
