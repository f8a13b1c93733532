"""Who takes part in a workload: asyncflow, Metaflow, or a bare loop; each knows how to be started in a clean place."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Contender", "Place", "asyncflow_run", "bare", "metaflow_run"]

ROOT = Path(__file__).resolve().parents[1]

FOREIGN = ("ASYNCFLOW_", "METAFLOW_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED")
"""What the environment of a contender is cleaned of: bytecode is cached for both, as on a user's machine."""

FLOWS = ROOT / "benchmarks" / "flows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and with what a benchmark runs."""

    directory: Path
    """Scratch; every run gets a directory of its own below."""
    metaflow_python: str | None
    """Interpreter of an environment that has Metaflow. None: it does not take part."""
    slots: int = 16
    """`--max-workers` of the flows; Metaflow's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do a workload."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    def environment(self, home: Path) -> dict[str, str]:
        """Return the process environment for a run whose files go below `home`."""
        env = {
            key: value for key, value in os.environ.items() if not key.startswith(("ASYNCFLOW_", "METAFLOW_"))
        }
        env |= {
            "ASYNCFLOW_HOME": str(home / ".asyncflow"),
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(home),
            "METAFLOW_HOME": str(home / ".metaflowconfig"),
            "METAFLOW_USER": "bench",
            "PYTHONPATH": str(ROOT),
        }
        return env | dict(self.env)


def asyncflow_run(
    flow: str, *arguments: str, place: Place, env: Mapping[str, str] | None = None
) -> Contender:
    """`asyncflow run` of one of the flows here."""
    command = [
        asyncflow_command(),
        "run",
        str(flow_file(flow)),
        "--max-workers",
        str(place.slots),
        *arguments,
    ]
    return Contender(name="asyncflow", command=command, env=env or {})


def metaflow_run(flow: str, *arguments: str, place: Place) -> list[Contender]:
    """The same flow with Metaflow's import; none if there is no Metaflow."""
    if place.metaflow_python is None:
        return []
    twin = place.directory / "metaflow_flows" / flow_file(flow).name
    twin.parent.mkdir(parents=True, exist_ok=True)
    twin.write_text(flow_file(flow).read_text().replace("from asyncflow import", "from metaflow import"))
    limits = ["--max-workers", str(place.slots), "--max-num-splits", "10000000"]
    command = [place.metaflow_python, str(twin), "--no-pylint", "run", *limits, *arguments]
    return [Contender(name="metaflow", command=command)]


def bare(*command: str) -> Contender:
    """A bare Python loop, the yardstick."""
    return Contender(name="bare loop", command=[sys.executable, *command])


def flow_file(flow: str) -> Path:
    """Return the file of a flow here, or of one that a workload has written."""
    return Path(flow) if flow.endswith(".py") else FLOWS / f"{flow}.py"


def asyncflow_command() -> str:
    """Return the `asyncflow` of this interpreter's environment."""
    beside = Path(sys.executable).with_name("asyncflow")
    return str(beside) if beside.exists() else shutil.which("asyncflow") or "asyncflow"
