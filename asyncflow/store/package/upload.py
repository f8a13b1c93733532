"""Puts a package where workers fetch it from: below the store's prefix, under its digest, once."""

from __future__ import annotations

from typing import NamedTuple

from asyncflow.store.objects import Objects
from asyncflow.store.package.build import Package
from asyncflow.store.s3.keys import code_key

__all__ = ["Uploaded", "upload_package"]


class Uploaded(NamedTuple):
    """Where a package lies."""

    url: str
    was_sent: bool
    """False: it was there already."""


async def upload_package(objects: Objects, package: Package) -> Uploaded:
    """Store a package unless it is there; return its address. Asks with one request, sends with one more.

    Raises:
        StoreError: The bucket refuses, or cannot be reached.
    """
    key = code_key(package.digest)
    was_sent = await objects.put_file(key, package.path, only_new=True)
    return Uploaded(f"{objects.url}/{key}", was_sent)
