"""Does to one attempt's manifest what a disk or a user may do to it."""

from __future__ import annotations

from pathlib import Path

from asyncflow.store.layout import pack_path
from asyncflow.store.packs import Entry, Pack, append, sealed

__all__ = ["damage_manifest", "lose_manifest", "record_of"]


def record_of(home: str | Path, run: int, task: int, attempt: int = 0) -> tuple[Path, Entry]:
    """Return the pack of a manifest, and where in it the manifest lies."""
    path = pack_path(str(home), run, task)
    entry = Pack(path).find(task, attempt)
    assert entry is not None, f"task {task} of run {run} left no manifest"
    return Path(path), entry


def lose_manifest(home: str | Path, run: int, task: int, attempt: int = 0) -> None:
    """Take a manifest back."""
    path, _ = record_of(home, run, task, attempt)
    append(str(path), sealed(task, attempt, b""))


def damage_manifest(home: str | Path, run: int, task: int, attempt: int = 0, *, at: int = -1) -> None:
    """Change one byte of a manifest."""
    path, entry = record_of(home, run, task, attempt)
    data = bytearray(path.read_bytes())
    data[entry.offset + at % entry.length] ^= 0xFF
    path.write_bytes(data)
