"""`@slurm`: what a step may ask of the cluster."""

from __future__ import annotations

import re
import shlex
from typing import Any, ClassVar

from asyncflow.flow.decorators.base import StepDecorator, decorate
from asyncflow.records import record

__all__ = ["Slurm", "flags_of", "slurm"]

OURS = (
    "array", "comment", "error", "help", "input", "job-name", "no-requeue", "output", "parsable", "requeue",
    "test-only", "usage", "version", "wait", "wrap",
)  # fmt: skip
"""Flags of sbatch that this package gives itself, or that would change what it answers."""
OURS_SHORT = ("-a", "-e", "-h", "-i", "-J", "-o", "-V", "-W")
_TIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}")
_WORDS = (
    "partition",
    "account",
    "qos",
    "reservation",
    "constraint",
    "nodelist",
    "exclude",
    "gpu_type",
    "export",
)


@record(slots=False)
class Slurm(StepDecorator):
    """The step runs as a job of a Slurm cluster."""

    name: ClassVar[str] = "slurm"
    cpu: Any = 1
    """Cores."""
    memory: Any = None
    """MB. None: the partition's default."""
    gpu: Any = None
    gpu_type: str | None = None
    """Such as `a100`. None: any."""
    disk: Any = None
    """MB of local disk that the node must have."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    constraint: str | None = None
    """Features that the node must have, such as `intel&gpu`."""
    nodelist: str | None = None
    """The only node that will do."""
    exclude: str | None = None
    """Nodes that will not do."""
    time: Any = None
    """Slurm's own limit, as Slurm writes it: minutes, `2:30:00`, `1-12`. None: from @timeout, if there is one."""
    export: str = "ALL"
    """Which variables of the scheduler's environment jobs see, as Slurm writes it."""
    extra: Any = None
    """More flags of sbatch: a text as on a command line, or a list."""

    def __post_init__(self) -> None:
        for attribute in ("cpu", "memory", "gpu", "disk"):
            if getattr(self, attribute) is not None:
                self.number(attribute, at_least=0 if attribute == "gpu" else 1)
        for attribute in _WORDS:
            value = getattr(self, attribute)
            if value is not None and not (isinstance(value, str) and value and value.isprintable()):
                self.refuse(attribute, "a name")
        if self.gpu_type is not None and not self.gpu:
            self.refuse("gpu_type", "of use without gpu")
        if self.time is not None and not _TIME.fullmatch(str(self.time)):
            self.refuse("time", "a time as Slurm writes it: 90 (minutes), 2:30:00, 1-12")
        try:
            flags = flags_of(self.extra)
        except ValueError:
            self.refuse("extra", "flags of sbatch, as on a command line")
        for flag in flags:
            if flag.startswith(OURS_SHORT) and not flag.startswith("--"):
                self.refuse("extra", f"possible: {flag} is not the step's to give")
            if flag.removeprefix("--").partition("=")[0] in OURS and flag.startswith("--"):
                self.refuse("extra", f"possible: {flag} is not the step's to give")


def slurm(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Run the step as a job of a Slurm cluster."""
    return decorate(Slurm, method, attributes)


def flags_of(extra: object) -> list[str]:
    """Return flags given as a text or a list. Raises ValueError if they are neither."""
    if extra is None:
        return []
    if isinstance(extra, str):
        return shlex.split(extra)
    if isinstance(extra, (list, tuple)):
        return [str(flag) for flag in extra]
    raise ValueError("neither a text nor a list")
