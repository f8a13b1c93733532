"""A run's code as a content of the store: the user's files, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgpack

from asyncflow.errors import StoreError
from asyncflow.store.local import LocalStore

__all__ = ["REDACTED", "read_code", "write_code"]


REDACTED = "[REDACTED]"


def write_code(store: LocalStore, paths: Mapping[str, str], *, hidden: Iterable[str] = ()) -> str:
    """Store files, path by name; return the digest of all. One that cannot be read is left out.

    In place of texts that are to be hidden stands `REDACTED`. Raises StoreError.
    """
    files: dict[str, bytes] = {}
    for name, path in paths.items():
        try:
            with open(path, "rb") as file:
                files[name] = file.read()
        except OSError:
            continue  # removed since it was imported
        for text in hidden:
            files[name] = files[name].replace(text.encode(), REDACTED.encode())
    return store.put_blob([msgpack.packb(files)], what="The run's code")


def read_code(store: LocalStore, digest: str) -> dict[str, bytes]:
    """Return what `write_code` stored. Raises StoreError if it is missing or damaged."""
    try:
        files: dict[str, bytes] = msgpack.unpackb(bytes(store.get_blob(digest, what="The run's code")))
    except ValueError as error:
        raise StoreError(f"The run's code cannot be read: {error}", where=f"blob {digest}") from error
    return files
