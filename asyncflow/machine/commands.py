"""Commands: what the machine asks for. Each is the image of one recorded intent and is safe to repeat."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.records import record

__all__ = ["Command", "Launch", "Stop"]


@record
class Launch:
    """Start an attempt."""

    attempt: Attempt
    step: str
    inputs: Sequence[ManifestKey]
    """Manifests the task starts from: one; for a join one per branch in index order, perhaps none."""
    split: ManifestKey | None = None
    """For a join: manifest of the split task whose scope it closes."""
    index: int | None = None
    """Position among its siblings when its parent is the split itself, else None."""
    width: int | None = None
    """How many siblings, `index` included."""
    frames: tuple[Frame, ...] = ()
    iteration: int = 0
    catches: bool = False
    """A failure of this attempt is to be taken by @catch: no retry is left."""
    fallback: ErrorInfo | None = None
    """Run no user code; record this failure as caught."""
    timeout_s: float | None = None
    max_retries: int = 0
    is_async: bool = False
    """The step shares an event loop with others of its kind."""
    memory_factor: float = 1.0
    """How much more memory a remote attempt is to ask for than its step says."""


@record
class Stop:
    """Ask (SIGTERM) or force (SIGKILL) an attempt to stop. Its end is told by a fact as ever."""

    attempt: Attempt
    force: bool = False


Command = Launch | Stop
