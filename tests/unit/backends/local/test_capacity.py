"""What the machine offers, as far as its files and variables tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncflow.backends.local import capacity


def own_cgroup() -> str:
    """Return the path of this process's unified cgroup, or of the first one there is."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return lines[0].split(":", 2)[2]


def make_cgroup(root: Path, name: str, text: str) -> None:
    """Write a file where version 2 has it, and where version 1 has it for every controller."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        directory = root / controllers / path.lstrip("/") if controllers else root / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


needs_cgroups = pytest.mark.skipif(not os.path.exists("/proc/self/cgroup"), reason="no cgroups here")


def test_there_is_at_least_one_core_and_some_memory() -> None:
    assert 1 <= capacity.cpu_count() <= (os.cpu_count() or 1)
    assert capacity.memory_mb() > 16


def test_without_cgroups_the_machine_itself_counts(tmp_path: Path) -> None:
    assert capacity.cpu_count(str(tmp_path)) == len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 20)
    assert capacity.memory_mb(str(tmp_path)) == total


@needs_cgroups
def test_a_cpu_quota_counts(tmp_path: Path) -> None:
    make_cgroup(tmp_path, "cpu.max", "50000 100000\n")
    assert capacity.cpu_count(str(tmp_path)) == 0.5


@needs_cgroups
def test_no_quota_is_no_limit(tmp_path: Path) -> None:
    make_cgroup(tmp_path, "cpu.max", "max 100000\n")
    make_cgroup(tmp_path, "memory.max", "max\n")
    assert capacity.cpu_count(str(tmp_path)) == len(os.sched_getaffinity(0))
    assert capacity.memory_mb(str(tmp_path)) > 16


@needs_cgroups
def test_a_memory_limit_counts(tmp_path: Path) -> None:
    make_cgroup(tmp_path, "memory.max", f"{64 << 20}\n")
    assert capacity.memory_mb(str(tmp_path)) == 64


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("0", 1), ("0,1,3", 3), ("-1", 0), ("0,-1,1", 1), ("GPU-abc, GPU-def", 2)]
)
def test_visible_devices_are_the_gpus(monkeypatch: pytest.MonkeyPatch, visible: str, count: int) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert capacity.gpu_count() == count


def test_device_files_are_the_gpus_when_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert capacity.gpu_count(str(tmp_path)) == 2
    assert capacity.gpu_count(str(tmp_path / "missing")) == 0
