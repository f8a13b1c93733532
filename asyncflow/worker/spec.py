"""What a worker is told: once about the run, then about each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.records import field, record

__all__ = ["CacheSpec", "RunSpec", "TaskSpec"]


class CacheSpec(NamedTuple):
    """What is known beforehand of what a task's result is made of (@cache)."""

    base: str
    """Digest of the step's code and settings."""
    code: str
    """The blob that tells them."""
    ignore: tuple[str, ...] = ()
    """What it may read without that it counts."""
    files: tuple[tuple[str, str], ...] = ()
    """Files that count, each with what tells whether it has changed since."""


@record
class RunSpec:
    """What is the same for every attempt of a run."""

    run: int
    flow: str
    """Class name of the flow."""
    flow_file: str
    """Absolute path of the file that defines it."""
    store_root: str
    """Absolute path of the store's directory."""
    parameters: ManifestKey
    """Manifest of the pseudo step `_parameters`: parameters, constants, graph."""
    user: str
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    """Shown by `current`; empty: all runs."""
    looks_in_namespace: bool = False
    """The namespace was asked for: the client looks in it, too, in the run's tasks."""
    origin_run: int | None = None
    environment: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Environment variables by step (@environment)."""
    project: dict[str, str | bool] = field(default_factory=dict[str, str | bool])
    """What `current` shows of the project that the run belongs to; empty: it belongs to none."""
    triggers: tuple[dict[str, Any], ...] = ()  # Any: JSON-like
    """What started the run, as recorded with it; empty: a person or a program did."""


@record
class TaskSpec:
    """One attempt. Mirrors the machine's `Launch`."""

    run: int
    attempt: Attempt
    step: str
    inputs: Sequence[ManifestKey]
    """One manifest; for a join one per branch in index order, perhaps none."""
    split: ManifestKey | None = None
    """For a join: manifest of the split task whose scope it closes. None: the step is no join."""
    index: int | None = None
    """Position among its siblings when its parent is the split itself, else None."""
    width: int | None = None
    frames: tuple[Frame, ...] = ()
    iteration: int = 0
    catches: bool = False
    fallback: ErrorInfo | None = None
    timeout_s: float | None = None
    max_retries: int = 0
    is_async: bool = False
    """Runs on the event loop of a worker that it shares with others."""
    memory_factor: float = 1.0
    """How much more memory it is to ask for than its step says, on a platform that counts it."""
    cache: CacheSpec | None = None
    """None: nobody will take over its result."""
