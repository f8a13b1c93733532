"""What an attempt leaves behind: its artifacts by name, how it hands on, how it ended. One file an attempt."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MANIFEST_VERSION", "ArtifactRecord", "ErrorRecord", "FrameRecord", "Items", "Manifest"]

MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord:
    """One artifact as stored: its bytes inlined here, or in the blob named by the digest."""

    digest: str
    """BLAKE3-160 of the serialized, uncompressed bytes, hex. Equal digests mean equal content."""
    size_bytes: int
    """Serialized, before compression."""
    type: str
    """Dotted name of the Python type."""
    encoding: str
    """Name of the serializer that made the bytes, such as `pickle5`."""
    inline: bytes | None = None
    """The stored bytes when they are small; None: they are in the blob."""
    is_new: bool = False
    """Made or changed by this attempt, not inherited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """The items of a foreach, each serialized on its own in one blob, so that a child reads only its own."""

    digest: str
    """The blob: the items one after another, then their offsets."""
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRecord:
    """One level of the foreach stack a task stands in. A static split's level has no items."""

    split_step: str
    variable: str | None
    """The foreach variable's name, None for a static split or a gang."""
    index: int
    width: int
    items: Items | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecord:
    """The exception that ended (or was caught in) the attempt. Same fields as the machine's ErrorInfo."""

    type: str
    message: str
    traceback: str = ""
    bases: tuple[str, ...] = ()
    is_retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything one attempt left behind. Written once, by rename, as the attempt's last act."""

    version: int = MANIFEST_VERSION
    flow: str
    run: int
    step: str
    task: int
    attempt: int
    is_ok: bool
    """True: the step succeeded, or @catch took its failure."""
    caught: ErrorRecord | None = None
    error: ErrorRecord | None = None
    artifacts: dict[str, ArtifactRecord] = field(default_factory=dict[str, ArtifactRecord])
    """Every artifact visible after the attempt, inherited ones included, by name, in order of assignment."""
    frames: tuple[FrameRecord, ...] = ()
    """The foreach stack the task stands in, outermost first."""
    next: tuple[str, ...] = ()
    """Target steps of `self.next`."""
    width: int | None = None
    """For a foreach or gang: how many children."""
    items: Items | None = None
    variable: str | None = None
    """For a foreach: the variable's name."""
    chosen: str | None = None
    """For a switch: the target taken."""
    iteration: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    host: str = ""
    pid: int = 0
