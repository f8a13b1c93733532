"""What an attempt leaves behind: its artifacts by name, how it hands on, how it ended. One file an attempt.

Named tuples, because msgpack writes them as they are: in a freshly forked process, where each page touched costs 3 us,
building a manifest of frozen dataclasses and taking it apart again was a third of an empty step. The order of the
fields is the order in the record: a new field is appended with a default, none is ever moved, retyped or removed.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "MANIFEST_VERSION",
    "PARAMETERS_STEP",
    "ArtifactRecord",
    "CardRecord",
    "ErrorRecord",
    "FrameRecord",
    "Items",
    "Manifest",
]

MANIFEST_VERSION = 1
PARAMETERS_STEP = "_parameters"
"""The pseudo step whose one task has a run's parameters and constants."""


class ArtifactRecord(NamedTuple):
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


class Items(NamedTuple):
    """The items of a foreach, each serialized on its own in one blob, so that a child reads only its own."""

    digest: str
    """The blob: the items one after another, then their offsets."""
    width: int


class FrameRecord(NamedTuple):
    """One level of the foreach stack a task stands in. A static split's level has no items."""

    split_step: str
    variable: str | None
    """The foreach variable's name, None for a static split or a gang."""
    index: int  # pyright: ignore[reportIncompatibleMethodOverride] - nobody searches a frame as a tuple
    width: int
    items: Items | None = None


class ErrorRecord(NamedTuple):
    """The exception that ended (or was caught in) the attempt. Same fields as the machine's ErrorInfo."""

    type: str
    message: str
    traceback: str = ""
    bases: tuple[str, ...] = ()
    is_retryable: bool = True
    leaves: tuple[tuple[str, ...], ...] = ()


class CardRecord(NamedTuple):
    """One card as stored: what `asyncflow.cards.codec` made of it, inlined here, or in the blob named by the digest."""

    type: str
    id: str
    """Empty: it has none."""
    digest: str
    """Of its bytes, uncompressed."""
    size_bytes: int
    inline: bytes | None = None
    """The stored bytes as artifacts have them; None: they are in the blob."""
    made_at: float = 0.0


class Manifest(NamedTuple):
    """Everything one attempt left behind. Written once, as the attempt's last act."""

    flow: str
    run: int
    step: str
    task: int
    attempt: int
    is_ok: bool
    """True: the step succeeded, or @catch took its failure."""
    artifacts: dict[str, ArtifactRecord] = {}  # noqa: RUF012 - shared by those who give none; nobody changes it
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
    caught: ErrorRecord | None = None
    error: ErrorRecord | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    cpu_s: float = 0.0
    max_rss_bytes: int = 0
    host: str = ""
    pid: int = 0
    version: int = MANIFEST_VERSION
    reads: tuple[str, ...] = ()
    """What the attempt read of what it was given; see `asyncflow.store.reads`."""
    reused: tuple[int, int, int] | None = None
    """Run, task and attempt whose result was taken over (@cache); None: the step ran."""
    code: str | None = None
    """The blob that tells the step's code and settings, of a step with @cache."""
    cards: tuple[CardRecord, ...] = ()
    """In the order of the step's @card."""
