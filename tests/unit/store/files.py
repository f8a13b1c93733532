"""Looks at a store's files from outside."""

from __future__ import annotations

from pathlib import Path

from asyncflow.store.local import LocalStore


def blob_files(store: LocalStore) -> list[Path]:
    """Every file under `blobs/`."""
    return sorted(path for path in Path(store.root, "blobs").rglob("*") if path.is_file())


def temporary_files(store: LocalStore) -> list[Path]:
    """Every file left in `tmp/`."""
    return sorted(Path(store.root, "tmp").glob("*"))
