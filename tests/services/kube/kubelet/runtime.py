"""What a runtime is: it starts containers, each told by a `Launch`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.services.kube.logs import Log
from tests.services.kube.objects import Object

OOM_EXIT = 137


class CannotStart(Exception):
    """A container that could not be started: its command is missing, not executable, or refused by the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder or file of the host that the container sees at a path."""

    path: str
    source: Path
    read_only: bool = False
    in_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A container to start."""

    id: str
    """Unique on this machine."""
    pod: Object
    container: Object
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    """The pod's own, on the host."""
    mounts: tuple[Mount, ...]
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Names the pod can look up, and their addresses."""
    log: Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a container ended."""

    code: int
    was_oom: bool = False


class Running(Protocol):
    """A started container."""

    async def wait(self) -> Exit:
        """Wait until it has ended and all its output is in the log."""
        ...

    async def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        ...

    async def kill(self) -> None:
        """End it (SIGKILL), with all its processes."""
        ...


class Runtime(Protocol):
    """Starts containers."""

    async def start(self, launch: Launch) -> Running:
        """Start a container.

        Raises:
            CannotStart: It cannot be started.
        """
        ...
