"""What this machine has for tasks to share: cores, memory, GPUs, as far as this process may use them."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Capacity", "machine_capacity"]

_CGROUP_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NVIDIA = "/proc/driver/nvidia/gpus"


class Capacity(NamedTuple):
    """What there is."""

    cpu: float
    memory_mb: float | None
    """None: the platform does not tell."""
    gpu: float


def machine_capacity() -> Capacity:
    """Look at the machine, and at the limits this process runs under."""
    return Capacity(_cores(), _memory_mb(), _gpus())


def _cores() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _memory_mb() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
    for path in _CGROUP_MEMORY:
        try:
            with open(path, encoding="ascii") as file:
                limit = file.read().strip()
        except OSError:
            continue
        if limit.isdigit():
            total = min(total, int(limit))
    return total / (1 << 20)


def _gpus() -> float:
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        return float(len([name for name in shown.split(",") if name.strip() not in ("", "-1")]))
    try:
        return float(len(os.listdir(_NVIDIA)))
    except OSError:
        return 0.0
