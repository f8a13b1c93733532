"""How large the machines are that a queue may start, as EC2 describes their types, and whether a job fits one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import anyio

from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal
from asyncflow.backends.batch.options import Options
from asyncflow.backends.batch.queues import Queue
from asyncflow.records import record

__all__ = ["InstanceType", "instance_types", "misfit", "read_types"]

_LOG = logging.getLogger(__name__)
_CHOSEN_BY_AWS = frozenset({"optimal", "default_x86_64", "default_arm64"})
"""Families that change with time and region, and that have machines of every size."""
_MOST_VALUES = 200
"""Of one filter. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html"""
_PAGE = 100
_PATIENCE_S = 5.0
"""A run does not wait longer for what it can do without: EC2 may be out of reach where AWS Batch is not."""


@record
class InstanceType:
    """One type of machine."""

    name: str
    cpu: int
    memory_mb: int
    gpu: int

    def holds(self, options: Options) -> bool:
        """Tell whether a job would fit such a machine if it were empty and nothing else ran on it."""
        return options.cpu <= self.cpu and options.memory_mb <= self.memory_mb and options.gpu <= self.gpu


async def instance_types(caller: Caller, queue: Queue) -> Sequence[InstanceType]:
    """Ask EC2 for the types of machines that a queue may start: a call for each hundred of them, for 5 s at most.

    Returns:
        All of them; none if nothing certain is known: Fargate, machines that AWS chooses or does not manage, or EC2
        does not tell, for which it takes the right to ec2:DescribeInstanceTypes.
    """
    patterns = _patterns(queue)
    if not patterns:
        return ()
    try:
        with anyio.fail_after(_PATIENCE_S):
            return await _described(caller, patterns)
    except TimeoutError:
        why = "EC2 does not answer"
    except (Refusal, MayBeDone) as error:
        why = error.problem.code
    _LOG.debug("sizes of the machines of %s are not known: %s", queue.name, why)
    return ()


def read_types(described: Iterable[Mapping[str, Any]]) -> list[InstanceType]:  # Any: EC2's answer
    """Make values of what EC2 says of types of machines."""
    return [
        InstanceType(
            name=str(one["InstanceType"]),
            cpu=int(one["VCpuInfo"]["DefaultVCpus"]),
            memory_mb=int(one["MemoryInfo"]["SizeInMiB"]),
            gpu=_gpus(one),
        )
        for one in described
    ]


def _gpus(described: Mapping[str, Any]) -> int:
    about: Mapping[str, Any] = described.get("GpuInfo") or {}
    return sum(int(one["Count"]) for one in about.get("Gpus") or ())


def misfit(options: Options, queue: str, types: Sequence[InstanceType]) -> tuple[str, str] | None:
    """Return the first option that no machine of a queue can heed, and why; None: one can, or nothing is known."""
    if not types or any(one.holds(options) for one in types):
        return None
    sizes = (
        ("gpu", options.gpu, max(one.gpu for one in types), "GPUs"),
        ("memory", options.memory_mb, max(one.memory_mb for one in types), "MB"),
        ("cpu", options.cpu, max(one.cpu for one in types), "cores"),
    )
    for option, asked, most, unit in sizes:
        if asked > most:
            told = f"{asked:g} {unit}; the largest has {most}" if most else f"any {unit}"
            return option, f"no machine of queue {queue} has {told}"
    asked = f"{options.cpu:g} cores with {options.memory_mb} MB and {options.gpu} GPUs"
    return "memory", f"no machine of queue {queue} has {asked} at once"


async def _described(caller: Caller, patterns: Sequence[str]) -> list[InstanceType]:
    given: dict[str, Any] = {
        "Filters": [{"Name": "instance-type", "Values": patterns}],
        "MaxResults": _PAGE,
    }
    found: list[InstanceType] = []
    while True:
        answer = await caller.try_("describe_instance_types", service="ec2", **given)
        found += read_types(answer.get("InstanceTypes") or [])
        if not answer.get("NextToken"):
            return found
        given["NextToken"] = answer["NextToken"]


def _patterns(queue: Queue) -> list[str]:
    """Return what EC2's filter takes for all types that a queue may start; none: that is not known."""
    names: set[str] = set()
    for machines in queue.machines:
        if not machines.types or _CHOSEN_BY_AWS & set(machines.types):
            return []
        names.update(machines.types)
    patterns = sorted(name if "." in name else f"{name}.*" for name in names)
    return patterns if len(patterns) <= _MOST_VALUES else []
