"""Turns what the operating system says about a file into a `StoreError` that tells what is lost and what to do."""

from __future__ import annotations

import errno
import os

from asyncflow.errors import StoreError

__all__ = ["damaged", "missing", "read_failure", "write_failure"]

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "it is too big",
}
_REFUSED = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
}


def write_failure(error: OSError, path: str, what: str) -> StoreError:
    """Return the error for a file that could not be written; nothing of it is left in the store."""
    if error.errno in _FULL:
        why = _FULL[error.errno]
        hint = f"Free some space (`df -h {_existing(path)}`), then go on with `asyncflow resume RUN`."
    elif error.errno in _REFUSED:
        why = _REFUSED[error.errno]
        hint = f"Make it writable (`ls -ld {path}`), or set ASYNCFLOW_HOME to a directory that is."
    else:
        why = error.strerror or str(error)
        hint = "Check the store with `asyncflow doctor`, then go on with `asyncflow resume RUN`."
    return StoreError(f"{what} could not be written: {why}. It is lost.", where=path, hint=hint)


def _existing(path: str) -> str:
    """Return the nearest part of a path that is there, so that it can be asked about."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def read_failure(error: OSError, path: str, what: str) -> StoreError:
    """Return the error for a file that is there and could not be read."""
    why = _REFUSED.get(error.errno or 0) or error.strerror or str(error)
    return StoreError(
        f"{what} could not be read: {why}.",
        where=path,
        hint="Check the file's owner and mode, or the store with `asyncflow doctor`.",
    )


def missing(path: str, what: str) -> StoreError:
    """Return the error for a file that should be there and is not."""
    return StoreError(
        f"{what} is missing from the store: it was deleted or never written.",
        where=path,
        hint="Run the step that makes it again: `asyncflow resume RUN STEP`.",
    )


def damaged(path: str, what: str, why: str, *, is_shared: bool = False) -> StoreError:
    """Return the error for bytes that are not those that were written; `is_shared`: others lie in the same file."""
    again = (
        "run the step that makes it again: `asyncflow resume RUN STEP`. `asyncflow doctor` looks for more."
    )
    return StoreError(
        f"{what} is damaged: {why}.",
        where=path,
        hint=f"{again[0].upper()}{again[1:]}" if is_shared else f"Delete that file and {again}",
    )
