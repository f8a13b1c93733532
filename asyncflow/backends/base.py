"""What the scheduler asks of a place where tasks run. A backend reports facts and decides nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from asyncflow.machine.facts import Fact
from asyncflow.machine.ids import Attempt
from asyncflow.records import record
from asyncflow.worker.spec import TaskSpec

__all__ = ["Backend", "Capabilities", "LogSink"]


@record
class Capabilities:
    """What a backend can do, as data."""

    name: str
    survives_driver: bool
    """Attempts live on when the driver dies, and can be adopted."""
    shares_filesystem: bool
    """Workers see the scheduler's files."""
    cpu: float | None = None
    """Cores that declared resources may add up to. None: not limited here."""
    memory_mb: float | None = None
    gpu: float | None = None


class LogSink(Protocol):
    """Where a backend shows what tasks print, as it comes. The log files are the backend's own business."""

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """Take whole lines (each ends with a newline) of `stream`, `stdout` or `stderr`. Never blocks."""
        ...

    async def wait_ready(self) -> None:
        """Wait until the sink can take more; a backend calls it before it reads on. Safe to cancel."""
        ...


class Backend(Protocol):
    """Where attempts run. One instance serves one driver; every method is called on its event loop."""

    @property
    def capabilities(self) -> Capabilities:
        """What this backend can do."""
        ...

    async def launch(self, spec: TaskSpec) -> None:
        """Start an attempt. Repeating it for an attempt that is known changes nothing.

        Raises `PlatformError` if it cannot be started; the driver turns that into `WorkerLost`.
        """
        ...

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask (SIGTERM) or force (SIGKILL) an attempt to end, with every process it started.

        An unknown attempt is not an error. The end itself arrives as a fact.
        """
        ...

    def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts, in batches, until `aclose`. Consumed once."""
        ...

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """After a driver's restart: say of each attempt in flight whether it lives, reported, or is lost."""
        ...

    async def aclose(self) -> None:
        """Kill what still runs, release everything. Bounded in time; safe to call twice."""
        ...
