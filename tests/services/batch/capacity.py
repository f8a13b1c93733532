"""What the compute environments of a queue can hold, by AWS's own table of instance types."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.services.batch.shapes import Plan, Shape
from tests.services.batch.words import TOO_MUCH, TOO_WIDE

USABLE = 0.96
"""Share of an instance's memory that the operating system and the agent leave."""
_OPTIMAL = ("m4", "c4", "r4")


@dataclass(frozen=True, slots=True)
class Host:
    """One kind of instance."""

    vcpus: float
    memory_mib: float
    gpus: int

    def holds(self, shape: Shape) -> bool:
        """Say whether a container fits on an empty one."""
        return shape.vcpus <= self.vcpus and shape.memory_mib <= self.memory_mib and shape.gpus <= self.gpus


_FARGATE = (Host(16, 122_880, 0),)
_UNLIMITED = (Host(float("inf"), float("inf"), 1 << 30),)


class Capacity:
    """How much of each compute environment is taken."""

    def __init__(self) -> None:
        self._used: defaultdict[str, float] = defaultdict(float)

    def place(self, environments: list[Any], plan: Plan) -> Any | None:  # Any: moto's ComputeEnvironment
        """Take room in the first environment that has it; return that, or None."""
        for each in environments:
            if self._fits_now(each, plan):
                self._used[each.arn] += plan.vcpus
                return each
        return None

    def free(self, environment: Any, plan: Plan) -> None:
        """Give room back."""
        self._used[environment.arn] -= plan.vcpus

    def clear(self) -> None:
        """Give all back."""
        self._used.clear()

    def _fits_now(self, environment: Any, plan: Plan) -> bool:
        if environment.state == "DISABLED" or why_never([environment], plan) is not None:
            return False
        return self._used[environment.arn] + plan.vcpus <= most_vcpus(environment)


def why_never(environments: list[Any], plan: Plan) -> str | None:
    """Return why a job will never start in these environments, in Batch's words; None if it may."""
    fitting = [each for each in environments if _all_fit(hosts(each), plan)]
    if not fitting:
        return TOO_MUCH
    if all(plan.vcpus > most_vcpus(each) for each in fitting):
        return TOO_WIDE
    return None


def _all_fit(kinds: tuple[Host, ...], plan: Plan) -> bool:
    return all(any(host.holds(shape) for host in kinds) for shape in plan.shapes)


def most_vcpus(environment: Any) -> float:
    """Return how many vCPUs an environment grows to."""
    if environment.env_type == "UNMANAGED":
        return float("inf")
    return float(environment.compute_resources["maxvCpus"])


def hosts(environment: Any) -> tuple[Host, ...]:
    """Return the kinds of instance an environment may start."""
    if environment.env_type == "UNMANAGED":
        return _UNLIMITED
    resources = environment.compute_resources
    if "FARGATE" in resources["type"]:
        return _FARGATE
    return tuple(host for name in resources["instanceTypes"] for host in _named(name))


@cache
def _named(name: str) -> tuple[Host, ...]:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    families = _OPTIMAL if name == "optimal" else (name,)
    return tuple(
        _host(entry)
        for kind, entry in INSTANCE_TYPES.items()
        if kind == name or kind.partition(".")[0] in families
    )


def _host(entry: dict[str, Any]) -> Host:
    gpus = sum(each.get("Count", 0) for each in entry.get("GpuInfo", {}).get("Gpus", ()))
    return Host(entry["VCpuInfo"]["DefaultVCpus"], entry["MemoryInfo"]["SizeInMiB"] * USABLE, gpus)
