"""Says that a blob which is there already is used again, so that a sweep leaves it alone."""

from __future__ import annotations

import fcntl
import os

from asyncflow.store.layout import gc_lock_path

__all__ = ["touch_blob"]


def touch_blob(root: str, path: str) -> bool:
    """Note that a blob is used again; False: it was removed meanwhile, and has to be written.

    Raises OSError.
    """
    lock = gc_lock_path(root, "blobs")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(lock, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(lock), mode=0o700, exist_ok=True)
        fd = os.open(lock, flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.utime(path)
    except FileNotFoundError:
        return False
    finally:
        os.close(fd)
    return True
