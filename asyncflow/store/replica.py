"""The directory here that stands for a store in a bucket: a replica, in the user's cache.

It is a home like any other, and all that runs and reads works on it. What is recorded in it is copied to the bucket by
the run's driver (`runtime.mirror`), what others recorded is copied from there (`client.catching_up`), and a blob that
is not here is fetched when it is read (`store.fetching`). So it may be removed whenever nothing runs.
"""

from __future__ import annotations

import os
import re

from asyncflow.errors import StoreError, UserError
from asyncflow.store.digests import digest_of
from asyncflow.store.failures import read_failure, write_failure
from asyncflow.store.files import publish, temporary, write_all
from asyncflow.store.layout import BLOBS, RUNS, TEMPORARY, owner_path, remote_path

__all__ = [
    "CACHE_VARIABLE",
    "STORE_VARIABLE",
    "given_store",
    "keep_owner",
    "make_replica",
    "new_owner",
    "owner_of",
    "remote_url",
    "replica_directory",
    "see_nobody_owns",
]

STORE_VARIABLE = "ASYNCFLOW_STORE"
"""Environment variable that names the store: a directory, or `s3://bucket/prefix`."""
CACHE_VARIABLE = "ASYNCFLOW_CACHE_DIR"
"""Environment variable that names the directory of replicas."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OWNER_DIGITS = 8


def given_store() -> str | None:
    """Return what the environment names as the store: a URL of a bucket or a path; None: nothing.

    Raises:
        UserError: Metaflow's variables ask for a bucket and do not say which, or for another kind of store.
    """
    given = os.environ.get(STORE_VARIABLE)
    if given:
        if given.startswith("s3:") and "://" not in given:
            raise UserError(f"'{given}' is no address in a bucket", hint="Write it like s3://bucket/prefix")
        return given if "://" in given else os.path.abspath(os.path.expanduser(given))
    kind = os.environ.get("METAFLOW_DEFAULT_DATASTORE") or "local"
    if kind == "local":
        return None
    if kind != "s3":
        raise UserError(
            f"METAFLOW_DEFAULT_DATASTORE={kind} is no kind of store that asyncflow has",
            hint="There are `local` and `s3`.",
        )
    root = os.environ.get("METAFLOW_DATASTORE_SYSROOT_S3")
    if not root:
        raise UserError(
            "The store is to be in a bucket (METAFLOW_DEFAULT_DATASTORE=s3), and nothing says in which",
            hint=f"Set METAFLOW_DATASTORE_SYSROOT_S3=s3://bucket/prefix, or {STORE_VARIABLE} or --store to that.",
        )
    return root


def replica_directory(url: str) -> str:
    """Return the absolute path of the directory that stands for the store at that URL. It may not be there."""
    base = os.environ.get(CACHE_VARIABLE)
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "asyncflow")
    name = _UNSAFE.sub("-", url.partition("://")[2]).strip("-")[:60]
    return os.path.join(os.path.abspath(base), "stores", f"{name}-{_digest(url)}")


def make_replica(url: str) -> str:
    """Return the absolute path of the directory that stands for the store at that URL; made if it is not there.

    Raises:
        UserError: It is no address in a bucket.
        StoreError: The directory cannot be made.
    """
    from asyncflow.store.s3.address import parse_url  # for those who have a bucket

    url = parse_url(url).url
    root = replica_directory(url)
    marker = remote_path(root)
    try:
        for part in ("", BLOBS, RUNS, TEMPORARY):
            os.makedirs(f"{root}/{part}", mode=0o700, exist_ok=True)
        if not os.path.exists(marker):
            fd, written = temporary(root)
            try:
                write_all(fd, [url.encode()])
            finally:
                os.close(fd)
            publish(written, marker)
    except OSError as error:
        raise write_failure(error, root, f"The replica of {url}") from error
    return root


def remote_url(root: str) -> str | None:
    """Return the URL of the bucket's store that a home stands for; None: the home is the store itself.

    Raises StoreError if that cannot be read.
    """
    path = remote_path(root)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            raise read_failure(error, path, "The replica's address") from error
        raise StoreError("The replica's address is damaged", where=path, hint=f"Remove {root}") from error


def owner_of(root: str) -> str:
    """Return 8 hex digits that tell a store from others, the same on every machine for a store in a bucket.

    A store in a directory is given them now if it has none; of a replica they are known once the bucket was asked
    (`keep_owner`).

    Raises:
        StoreError: They cannot be read, or nothing was ever run in the bucket that this is a replica of.
    """
    known = _read_owner(root)
    if known is None and remote_url(root) is not None:
        raise StoreError(
            f"Nothing was ever run in {remote_url(root)}",
            hint="Is it the right one? See --store and ASYNCFLOW_STORE.",
        )
    return known if known is not None else keep_owner(root, new_owner())


def new_owner() -> str:
    """Make up digits for a store."""
    return os.urandom(_OWNER_DIGITS // 2).hex()


def keep_owner(root: str, owner: str) -> str:
    """Note whose replica a directory is; return that.

    Raises:
        StoreError: It is another store's: the bucket was emptied, or is another one of that name.
    """
    known = _read_owner(root)
    if known is None:
        try:
            fd, written = temporary(root)
            try:
                write_all(fd, [owner.encode()])
            finally:
                os.close(fd)
            try:
                os.link(written, owner_path(root))
            finally:
                os.unlink(written)
        except FileExistsError:
            pass  # another process was quicker
        except OSError as error:
            raise write_failure(error, owner_path(root), "The store's owner") from error
        known = _read_owner(root) or owner
    if known != owner and remote_url(root) is not None:
        raise _another_store(root)
    return known


def see_nobody_owns(root: str) -> None:
    """See that a replica may be of a bucket that has no owner. Raises StoreError: it had one, and was emptied."""
    if _read_owner(root) is not None:
        raise _another_store(root)


def _another_store(root: str) -> StoreError:
    return StoreError(
        f"{remote_url(root)} is another store than the one that {root} is a replica of: it was emptied since, or "
        "another server has that name",
        hint=f"Nothing in a replica is needed once it is in the bucket. Remove it: rm -r {root}",
    )


def _read_owner(root: str) -> str | None:
    path = owner_path(root)
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("The store's owner cannot be read", where=path, hint="asyncflow doctor") from error


def _digest(text: str) -> str:
    data = text.encode()
    return digest_of([data], len(data))[:_OWNER_DIGITS]
