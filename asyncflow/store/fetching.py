"""Brings blobs of a store in a bucket here, when they are read: into the replica's cache, which has a size limit.

The bytes are those of a blob's file, so what reads them checks them against their digest as it does any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from asyncflow.errors import StoreError
from asyncflow.settings import setting
from asyncflow.store.failures import write_failure
from asyncflow.store.files import publish, temporary, unlink_quietly
from asyncflow.store.layout import cache_directory, cached_blob_path
from asyncflow.store.replica import remote_url
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.s3.keys import blob_key

__all__ = [
    "CACHE_LIMIT_VARIABLE",
    "cache_limit_bytes",
    "fetch_blob",
    "fetch_blobs",
    "objects_of",
    "trim_cache",
]

CACHE_LIMIT_VARIABLE = "CACHE_LIMIT_MB"
"""Setting: how large the cache of a replica may become."""
_DEFAULT_LIMIT_MB = 20_000
_TRIM_TO = 0.8
_LOOK_AFTER = 0.05
"""The cache's size is looked at again after this share of the limit was fetched."""


class _Cached(NamedTuple):
    used_at: float
    size_bytes: int
    path: str


class _Process:
    """What this process has opened; a fork opens its own."""

    pid = 0
    objects: dict[str, BlockingObjects] = {}  # noqa: RUF012 - there is one
    fetched_bytes: dict[str, int] = {}  # noqa: RUF012 - there is one


def objects_of(root: str) -> BlockingObjects | None:
    """Return the bucket's objects of which a home is a replica, one client a process; None: it is none.

    Raises StoreError or UserError if it cannot be opened.
    """
    if _Process.pid != os.getpid():
        _Process.pid, _Process.objects, _Process.fetched_bytes = os.getpid(), {}, {}
    known = _Process.objects.get(root)
    if known is not None:
        return known
    url = remote_url(root)
    if url is None:
        return None
    opened = _Process.objects[root] = BlockingObjects(parse_url(url))
    return opened


def fetch_blob(root: str, digest: str) -> str | None:
    """Bring a blob here; return its path, or None if the store is not in a bucket or the blob is not there.

    Several processes may fetch the same blob at once. Raises StoreError.
    """
    objects = objects_of(root)
    if objects is None:
        return None
    path = cached_blob_path(root, digest)
    try:
        fd, written = temporary(root)
        os.close(fd)
        try:
            info = objects.get_file(blob_key(digest), written)
            if info is None:
                return None
            publish(written, path)
        finally:
            unlink_quietly(written)
    except OSError as error:
        raise write_failure(error, path, f"Blob {digest}, fetched from {objects.url},") from error
    _note(root, info.size_bytes, path)
    return path


def fetch_blobs(root: str, digests: Iterator[str]) -> None:
    """Bring blobs here side by side, those that are not here yet; what is missing is left out. Raises StoreError."""
    objects = objects_of(root)
    wanted = [one for one in dict.fromkeys(digests) if not os.path.exists(cached_blob_path(root, one))]
    if objects is not None:
        objects.together(lambda digest: fetch_blob(root, digest), wanted)


def cache_limit_bytes() -> int:
    """Return how large a replica's cache may become. Raises StoreError if the setting is no number."""
    given = setting(CACHE_LIMIT_VARIABLE)
    try:
        return int(float(given) * (1 << 20)) if given else _DEFAULT_LIMIT_MB << 20
    except ValueError:
        raise StoreError(
            f"ASYNCFLOW_{CACHE_LIMIT_VARIABLE}={given} is no number of megabytes", hint="Such as 20000."
        ) from None


def trim_cache(root: str, limit_bytes: int, *, keep: str = "") -> int:
    """Remove the blobs that were not used for the longest time, if all are more than that; return how many bytes.

    What is in use stays readable: who has a file open or mapped keeps it. `keep`, the path of one that is about to be
    opened, is not removed, however large it is.
    """
    found = sorted(_cached(root))
    total = sum(one.size_bytes for one in found)
    removed = 0
    if total <= limit_bytes:
        return 0
    for one in found:
        if total - removed <= limit_bytes * _TRIM_TO:
            break
        if one.path == keep:
            continue
        unlink_quietly(one.path)
        removed += one.size_bytes
    return removed


def _note(root: str, size_bytes: int, path: str) -> None:
    """Count what was fetched, and look now and then whether the cache has become too large."""
    limit = cache_limit_bytes()
    fetched = _Process.fetched_bytes.get(root, limit) + size_bytes
    if fetched >= limit * _LOOK_AFTER:
        trim_cache(root, limit, keep=path)
        fetched = 0
    _Process.fetched_bytes[root] = fetched


def _cached(root: str) -> Iterator[_Cached]:
    directory = cache_directory(root)
    try:
        prefixes = os.listdir(directory)
    except FileNotFoundError:
        return
    for prefix in prefixes:
        with os.scandir(f"{directory}/{prefix}") as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                yield _Cached(max(status.st_atime, status.st_mtime), status.st_size, entry.path)
