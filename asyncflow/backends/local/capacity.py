"""What this machine, or the container we are in, has to offer."""

from __future__ import annotations

import os
import re
import resource
import sys

__all__ = ["cpu_count", "default_isolation", "gpu_count", "memory_mb", "raise_descriptor_limit"]

_CGROUPS = "/sys/fs/cgroup"
_MB = 1 << 20
_DESCRIPTORS = 1 << 16


def default_isolation() -> str:
    """Return `fork`, or `spawn` on a system whose frameworks do not survive a fork."""
    return "spawn" if sys.platform == "darwin" else "fork"


def raise_descriptor_limit() -> None:
    """Let this process hold as many descriptors as it may: three for each attempt in flight."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cpu_count(cgroups: str = _CGROUPS) -> float:
    """Return the cores this process may use: its affinity, or its cgroup's quota if that is less."""
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    else:
        cores = float(os.cpu_count() or 1)
    return min([cores, *_quotas(cgroups)])


def memory_mb(cgroups: str = _CGROUPS) -> float:
    """Return the memory this process may use, MiB: the machine's, or its cgroup's limit if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [int(text) for text in _cgroup_files(cgroups, "memory.max", "memory") if text.isdigit()]
    limits += [
        int(text) for text in _cgroup_files(cgroups, "memory.limit_in_bytes", "memory") if text.isdigit()
    ]
    return min([total, *limits]) / _MB


def gpu_count(devices: str = "/dev") -> float:
    """Return the GPUs this process may use: those `CUDA_VISIBLE_DEVICES` names, else NVIDIA's device files."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip()]
        return float(len(names[: names.index("-1")] if "-1" in names else names))
    try:
        return float(sum(re.fullmatch(r"nvidia\d+", name) is not None for name in os.listdir(devices)))
    except OSError:
        return 0.0


def _quotas(cgroups: str) -> list[float]:
    quotas: list[float] = []
    for text in _cgroup_files(cgroups, "cpu.max", "cpu"):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    for text in _cgroup_files(cgroups, "cpu.cfs_quota_us", "cpu"):
        periods = _cgroup_files(cgroups, "cpu.cfs_period_us", "cpu")
        if text.isdigit() and periods and periods[0].isdigit() and int(periods[0]):
            quotas.append(int(text) / int(periods[0]))
    return [quota for quota in quotas if quota > 0]


def _cgroup_files(cgroups: str, name: str, controller: str) -> list[str]:
    """Return the contents of a file in our cgroup and in all above it, as far as it is there (v2 and v1)."""
    found: list[str] = []
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = f"{cgroups}/{controllers}" if controllers else cgroups
        while True:
            text = _read(f"{root}{path if path != '/' else ''}/{name}").strip()
            if text:
                found.append(text)
            if path in ("/", ""):
                break
            path = os.path.dirname(path)
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
