"""Finds the store's directory, or makes it."""

from __future__ import annotations

import os

from asyncflow.errors import StoreError
from asyncflow.store.failures import write_failure
from asyncflow.store.layout import BLOBS, RUNS, STORE_DIRECTORY, TEMPORARY, temporary_directory
from asyncflow.store.replica import given_store, make_replica

__all__ = ["HOME_VARIABLE", "find_home", "make_home"]

HOME_VARIABLE = "ASYNCFLOW_HOME"
"""Environment variable that names the store's directory itself."""

_PARTS = (BLOBS, RUNS, TEMPORARY)


def find_home(start: str | None = None, *, is_named: bool = True) -> str | None:
    """Return the absolute path of the store that commands read: the one that is named, else the nearest `.asyncflow`.

    The search goes upwards from `start` (None: the working directory). None means there is no store yet.
    What names it is `ASYNCFLOW_STORE` (a bucket: then its replica here, made if it is missing) or `ASYNCFLOW_HOME`.
    With `is_named` False no variable is looked at.
    Raises StoreError if what is named or found is there and is not a directory, UserError if it is no address.
    """
    named = _named() if is_named else None
    if named:
        return _directory(named) if os.path.lexists(named) else None
    directory = os.path.abspath(start or os.getcwd())
    while True:
        path = os.path.join(directory, STORE_DIRECTORY)
        if os.path.lexists(path):
            return _directory(path)
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def make_home(start: str | None = None, *, at: str | None = None) -> str:
    """Return the absolute path of a store that can be written: the one `find_home` finds, else a new one, mode 0700.

    A new one is made where the environment says, else in `start` (None: the working directory). With `at`, the store is
    that directory, found or made.
    Raises StoreError if it cannot be made or is read-only.
    """
    path = at or find_home(start)
    if path is None:
        path = _named() or os.path.abspath(os.path.join(start or os.getcwd(), STORE_DIRECTORY))
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        for part in _PARTS:
            if not os.path.isdir(f"{path}/{part}"):
                os.makedirs(f"{path}/{part}", mode=0o700, exist_ok=True)
    except OSError as error:
        raise write_failure(error, path, "The store's directory") from error
    if not os.access(temporary_directory(path), os.W_OK | os.X_OK):
        raise StoreError(
            "The store's directory cannot be written to: it is read-only or belongs to somebody else.",
            where=path,
            hint=f"Make it writable (`ls -ld {path}`), or set {HOME_VARIABLE} to a directory that is.",
        )
    return path


def _named() -> str | None:
    """Return the store that the environment names: itself, in Metaflow's words where it lies, or a bucket's replica."""
    store = given_store()
    if store is not None:
        return make_replica(store) if "://" in store else store
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return os.path.abspath(os.path.expanduser(named))
    root = os.environ.get("METAFLOW_DATASTORE_SYSROOT_LOCAL")
    return os.path.join(os.path.abspath(os.path.expanduser(root)), STORE_DIRECTORY) if root else None


def _directory(path: str) -> str:
    if os.path.isdir(path):
        return path
    raise StoreError(
        "The store's directory is not a directory.",
        where=path,
        hint=f"Move that file away, or set {HOME_VARIABLE} to a directory.",
    )
