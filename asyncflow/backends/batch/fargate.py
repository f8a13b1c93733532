"""Which sizes Fargate knows, and what it cannot do. Pure.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from __future__ import annotations

from asyncflow.backends.batch.options import Options

__all__ = ["complaint", "size_complaint"]

_GB = 1024
_MEMORY_MB: dict[float, tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    0.5: (1024, 2048, 3072, 4096),
    1: tuple(range(2 * _GB, 8 * _GB + 1, _GB)),
    2: tuple(range(4 * _GB, 16 * _GB + 1, _GB)),
    4: tuple(range(8 * _GB, 30 * _GB + 1, _GB)),
    8: tuple(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16: tuple(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
    32: (60 * _GB, *range(64 * _GB, 240 * _GB + 1, 8 * _GB), 244 * _GB),
}
"""Cores to memory. 32 cores are taken more widely than the page says: what it lists there, and the steps between."""


def complaint(options: Options) -> tuple[str, str] | None:
    """Return the first option that Fargate cannot heed, and why; None: it can heed them all."""
    for option, is_given in _cannot(options).items():
        if is_given:
            return option, "Fargate cannot do that; use a queue of EC2 instances"
    if not options.execution_role:
        return "execution_role", "Fargate needs one, to fetch the image and to write logs"
    found = size_complaint(options.cpu, options.memory_mb)
    return ("memory" if options.cpu in _MEMORY_MB else "cpu", found) if found else None


def size_complaint(cpu: float, memory_mb: int) -> str:
    """Say why Fargate has no such size, with the nearest that it has; empty: it has it."""
    memories = _MEMORY_MB.get(cpu)
    if memories is None:
        known = ", ".join(f"{one:g}" for one in _MEMORY_MB)
        return f"Fargate has no jobs of {cpu:g} cores, but of {known}"
    if memory_mb in memories:
        return ""
    more = next((one for one in memories if one >= memory_mb), memories[-1])
    return (
        f"Fargate has no jobs of {cpu:g} cores with {memory_mb} MB, but with {memories[0]} to {memories[-1]} MB; "
        f"the nearest is {more}"
    )


def _cannot(options: Options) -> dict[str, bool]:
    return {
        "gpu": options.gpu > 0,
        "privileged": options.privileged,
        "host_volumes": bool(options.host_volumes),
        "shared_memory": options.shared_memory_mb is not None,
        "max_swap": options.max_swap_mb is not None,
        "swappiness": options.swappiness is not None,
        "use_tmpfs": options.tmpfs_path is not None,
        "inferentia": options.neuron > 0,
        "efa": options.efa > 0,
    }
