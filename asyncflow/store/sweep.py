"""Removes blobs that no manifest names, beside tasks that write new ones, and takes any kill.

A task stores its artifacts first and names them in its manifest last; what is already there it does not write again.
So a blob that nobody names may be about to be named. Two things keep it safe: what was written since a time before
which all who write now began is left alone; and who finds a blob there already touches it under a shared lock, while
the sweep looks at the time and removes under the exclusive one. Both are released by the kernel when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import contextmanager

from asyncflow.errors import StoreError
from asyncflow.records import record
from asyncflow.store.failures import write_failure
from asyncflow.store.layout import blob_path, gc_lock_path, run_directory, temporary_directory
from asyncflow.store.manifest import Manifest
from asyncflow.store.manifests import decode_manifest
from asyncflow.store.packs import Pack

__all__ = [
    "Swept",
    "digests_of",
    "named_digests",
    "one_sweep",
    "remove_run_directory",
    "run_directories",
    "sweep_blobs",
    "sweep_temporary",
]

_TOGETHER = 256
"""Blobs looked at under one lock."""


@record(frozen=False)
class Swept:
    """What was removed, or would be."""

    files: int = 0
    size_bytes: int = 0

    def count(self, size_bytes: int) -> None:
        """Count one file."""
        self.files += 1
        self.size_bytes += size_bytes


@contextmanager
def one_sweep(root: str) -> Generator[None]:
    """Keep a second sweep out. Raises StoreError if there is one already."""
    fd = _lock_file(root, "sweep")
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(
                f"The store {root} is being cleaned by another process", hint="Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(fd)


def named_digests(root: str, runs: Iterable[int]) -> set[bytes]:
    """Return the digests of all blobs that manifests of these runs name. Blocks: reads every manifest.

    Raises:
        StoreError: A manifest is of a newer release, so that it is not known what it names; or cannot be read.
    """
    found: set[bytes] = set()
    for run in runs:
        directory = run_directory(root, run)
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            continue
        for name in names:
            if name.endswith(".manifests"):
                _note_pack(f"{directory}/{name}", found)
    return found


def sweep_blobs(
    root: str, digests: Iterable[str], named: Container[bytes], *, before: float, is_dry: bool
) -> Swept:
    """Remove the blobs that are not named and were written, or used again, before a time; seconds since the epoch."""
    swept = Swept()
    batch: list[str] = []

    def finish() -> None:
        with _locked(root):
            for path in batch:
                _remove_if_old(path, before, swept, is_dry=is_dry)
        batch.clear()

    for digest in digests:
        if bytes.fromhex(digest) not in named:
            batch.append(blob_path(root, digest))
            if len(batch) >= _TOGETHER:
                finish()
    finish()
    return swept


def sweep_temporary(root: str, *, before: float, is_dry: bool) -> Swept:
    """Remove files that somebody began to write and never will finish."""
    swept = Swept()
    directory = temporary_directory(root)
    for name in _names(directory):
        path = f"{directory}/{name}"
        if not os.path.isdir(path):
            _remove_if_old(path, before, swept, is_dry=is_dry)
    return swept


def run_directories(root: str) -> list[int]:
    """Return the runs that have a directory."""
    return [int(name) for name in _names(f"{root}/runs") if name.isdigit()]


def remove_run_directory(root: str, run: int, *, is_dry: bool) -> Swept:
    """Remove a run's manifests and logs; nothing may refer to them any more. Raises StoreError."""
    swept = Swept()
    directory = run_directory(root, run)
    for place, _, names in os.walk(directory):
        for name in names:
            swept.count(_size(f"{place}/{name}"))
    if is_dry:
        return swept
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        pass  # another sweep was quicker
    except OSError as error:
        raise write_failure(error, directory, f"The directory of run {run}") from error
    return swept


def _note_pack(path: str, found: set[bytes]) -> None:
    pack = Pack(path)
    try:
        bodies = pack.bodies()
        for body in bodies:
            found.update(bytes.fromhex(digest) for digest in digests_of(decode_manifest(body)))
    except ValueError as error:
        raise StoreError(
            f"A manifest in {path} cannot be read, so it is not known what it names: {error}",
            hint="Nothing was removed. Is the store of a newer release? Else: asyncflow doctor",
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}", hint="Nothing was removed.") from error


def digests_of(manifest: Manifest) -> Iterator[str]:
    """Yield the digests of the blobs that a manifest names."""
    for artifact in manifest.artifacts.values():
        if artifact.inline is None:
            yield artifact.digest
    if manifest.items is not None:
        yield manifest.items.digest
    if manifest.code is not None:
        yield manifest.code
    for card in manifest.cards:
        if card.inline is None:
            yield card.digest
    for frame in manifest.frames:
        if frame.items is not None:
            yield frame.items.digest


def _remove_if_old(path: str, before: float, swept: Swept, *, is_dry: bool) -> None:
    try:
        status = os.stat(path)
        if status.st_mtime >= before:
            return
        if not is_dry:
            os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_failure(error, path, "What nobody needs") from error
    swept.count(status.st_size)


@contextmanager
def _locked(root: str) -> Generator[None]:
    fd = _lock_file(root, "blobs")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _lock_file(root: str, name: str) -> int:
    path = gc_lock_path(root, name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
