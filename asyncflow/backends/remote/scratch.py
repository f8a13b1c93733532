"""Where a worker on another machine works: a store of its own, made for one attempt, in front of the run's store.

Of a store in a bucket it is a small replica: blobs are fetched when they are read, and what the attempt leaves is sent
there. Of a directory that this machine sees, too, the blobs are that store's own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncflow.errors import StoreError, UserError
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.directory import DirectoryObjects
from asyncflow.store.layout import BLOBS, RUNS, TEMPORARY, blob_path, remote_path, shared_directory
from asyncflow.store.local import LocalStore
from asyncflow.store.manifests import decode_manifest
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.s3.keys import blob_key
from asyncflow.store.sweep import digests_of

__all__ = ["Scratch", "open_scratch", "split_spec_url"]

AnyObjects = BlockingObjects | DirectoryObjects
_FILE = "file://"
_RUNS = "/runs/"
_SHARED = shared_directory("")


def split_spec_url(url: str) -> tuple[str, str]:
    """Return the store's URL and the key of the spec object in it. Raises UserError if it is none."""
    store, found, rest = url.rpartition(_RUNS)
    if not found or not rest or "://" not in store:
        raise UserError(
            f"'{url}' is no address of what a worker is to do",
            hint="It is like s3://bucket/prefix/runs/42/specs/NAME; schedulers make it.",
        )
    return store, f"runs/{rest}"


class Scratch:
    """One attempt's store.

    Args:
        objects: The run's store.
        root: The directory, made.
        sends_blobs: Blobs that the attempt makes have to be sent to the run's store.
    """

    def __init__(self, objects: AnyObjects, root: str, *, sends_blobs: bool) -> None:
        self.objects = objects
        self.root = root
        self.store = LocalStore(root)
        self._sends_blobs = sends_blobs

    def receive(self, manifests: Mapping[ManifestKey, bytes]) -> None:
        """Lay down the manifests that the attempt starts from. Raises StoreError."""
        for key, body in manifests.items():
            self.store.keep_manifest(*key, body)

    def send_blobs(self, manifest: bytes) -> None:
        """Send the blobs that the attempt has made, side by side. Raises StoreError."""
        if not self._sends_blobs:
            return
        try:
            named = dict.fromkeys(digests_of(decode_manifest(manifest)))
        except ValueError as error:
            raise StoreError(f"The attempt's manifest is damaged: {error}") from error
        made = [digest for digest in named if os.path.exists(blob_path(self.root, digest))]

        def send(digest: str) -> None:
            self.objects.put_file(blob_key(digest), blob_path(self.root, digest), only_new=True)

        together: Callable[[Callable[[str], Any], Sequence[str]], Any] = self.objects.together
        together(send, made)

    def remove(self) -> None:
        """Remove it."""
        self.objects.close()
        shutil.rmtree(self.root, ignore_errors=True)


def open_scratch(store_url: str) -> Scratch:
    """Make a store for one attempt in front of the store at that URL, `s3://...` or `file://...`.

    Raises:
        UserError: It is no such URL.
        StoreError: It cannot be made, or the store cannot be reached.
    """
    if store_url.startswith(_FILE):
        return _beside(store_url.removeprefix(_FILE))
    objects = BlockingObjects(parse_url(store_url))
    root = _directory(os.environ.get("ASYNCFLOW_TEMPDIR") or None)
    for part in (BLOBS, RUNS, TEMPORARY):
        os.makedirs(f"{root}/{part}", mode=0o700)
    with open(remote_path(root), "w", encoding="utf-8") as file:
        file.write(store_url)
    return Scratch(objects, root, sends_blobs=True)


def _beside(path: str) -> Scratch:
    """Make a scratch store whose blobs are those of the store whose `shared/` that is."""
    if not path.endswith(_SHARED) or not os.path.isdir(path):
        raise UserError(f"There is no store at {path}", hint="Is the scheduler's file system mounted here?")
    home = path.removesuffix(_SHARED)
    root = _directory(f"{home}/{TEMPORARY}")
    os.makedirs(f"{root}/{RUNS}", mode=0o700)
    os.symlink(f"{home}/{BLOBS}", f"{root}/{BLOBS}")
    os.symlink(f"{home}/{TEMPORARY}", f"{root}/{TEMPORARY}")
    return Scratch(DirectoryObjects(path), root, sends_blobs=False)


def _directory(parent: str | None) -> str:
    try:
        return tempfile.mkdtemp(prefix="asyncflow-task-", dir=parent)
    except OSError as error:
        raise StoreError(
            f"There is no directory to work in: {error.strerror}",
            hint="Set TMPDIR, or give the task more disk.",
        ) from error
