"""How an attempt ended, as the worker or the backend tells it. The machine passes most of it through."""

from __future__ import annotations

from typing import NamedTuple

from asyncflow.machine.ids import ManifestKey
from asyncflow.records import record

__all__ = ["OUT_OF_MEMORY", "ArtifactRef", "ErrorInfo", "Failed", "Outcome", "Succeeded", "Usage"]


OUT_OF_MEMORY = "asyncflow.OutOfMemory"
"""What the error of an attempt is called that ran out of its memory."""


class ArtifactRef(NamedTuple):
    """One artifact that an attempt made anew (inherited ones are not repeated)."""

    name: str
    digest: str
    """Content hash of the serialized bytes, hex."""
    size_bytes: int
    """Serialized, before compression."""
    type: str
    """Dotted name of the Python type."""


class ErrorInfo(NamedTuple):
    """Why an attempt failed."""

    type: str
    """Dotted name of the exception class; for a death without exception a word such as `killed`."""
    message: str
    """First lines of the exception's text, bounded to 2,000 characters."""
    traceback: str = ""
    """The user's frames only, bounded to 20,000 characters; empty when no Python code could tell."""
    bases: tuple[str, ...] = ()
    """Dotted names of the class and its bases, for `@retry(on=...)`."""
    is_retryable: bool = True
    """False where another try cannot help (an artifact that cannot be pickled, an invalid transition)."""
    leaves: tuple[tuple[str, ...], ...] = ()
    """For an exception group: dotted names of class and bases of every kind of exception in it, as in `bases`."""


class Usage(NamedTuple):
    """What an attempt used."""

    started_at: float = 0.0
    """When user code began, seconds since the epoch."""
    ended_at: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0


@record
class Succeeded:
    """The attempt has a manifest that says it went well (or that @catch took the failure)."""

    width: int | None = None
    """Items of a foreach or `num_parallel`, else None."""
    chosen: str | None = None
    """Target of a switch, else None."""
    caught: ErrorInfo | None = None
    """The failure that @catch turned into a value, else None."""
    artifacts: tuple[ArtifactRef, ...] = ()
    usage: Usage = Usage()
    reused: ManifestKey | None = None
    """The earlier result that was taken over, so that no code ran; None: the step ran."""


@record
class Failed:
    """The attempt ended with an exception, or with no word at all."""

    error: ErrorInfo
    artifacts: tuple[ArtifactRef, ...] = ()
    """What was set before the exception, if a manifest was written."""
    usage: Usage = Usage()


Outcome = Succeeded | Failed
