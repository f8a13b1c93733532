"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

from asyncflow.store.digests import Buffer
from asyncflow.store.layout import temporary_directory

__all__ = ["publish", "temporary", "unlink_quietly", "write_all"]

_MODE = 0o600
_MOST_AT_ONCE = 512
_counter = itertools.count()


def temporary(root: str) -> tuple[int, str]:
    """Open a new file in the store's `tmp/` for reading and writing; return its descriptor and path.

    The name tells the process and is random, so writers in other processes, hosts and forks never meet.
    Raises OSError.
    """
    name = f"{os.getpid()}.{next(_counter)}.{os.urandom(6).hex()}"
    path = f"{temporary_directory(root)}/{name}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, _MODE), path
    except FileNotFoundError:
        os.makedirs(temporary_directory(root), mode=0o700, exist_ok=True)
        return os.open(path, flags, _MODE), path


def publish(temporary_path: str, path: str) -> None:
    """Give a finished file its name, replacing what has it; makes the directory if that is missing. Raises OSError."""
    try:
        os.rename(temporary_path, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.rename(temporary_path, path)


def write_all(fd: int, buffers: Sequence[Buffer]) -> None:
    """Write every byte of the buffers, straight from their memory. Raises OSError."""
    pending: list[Buffer] = []
    for buffer in buffers:
        if len(buffer):
            pending.append(buffer)
        if len(pending) == _MOST_AT_ONCE:
            _drain(fd, pending)
            pending = []
    _drain(fd, pending)


def _drain(fd: int, pending: list[Buffer]) -> None:
    """Write at most `_MOST_AT_ONCE` buffers, however the kernel cuts them: one call takes at most 2 GiB."""
    while pending:
        written = os.writev(fd, pending)
        done = 0
        while done < len(pending) and written >= len(pending[done]):
            written -= len(pending[done])
            done += 1
        del pending[:done]
        if written and pending:
            pending[0] = memoryview(pending[0])[written:]


def unlink_quietly(path: str) -> None:
    """Remove a temporary file if it is there; a file that cannot be removed is left for `asyncflow doctor`."""
    try:
        os.unlink(path)
    except OSError:
        return
