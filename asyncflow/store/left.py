"""What an attempt in a container left in the bucket, in one object: its manifest, and the end of what it printed.

`AFL1`, a checksum, then one msgpack array; fields beyond those a reader knows are skipped.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import msgpack

__all__ = ["Left", "decode_left", "encode_left"]

_MAGIC = b"AFL1"


class Left(NamedTuple):
    """What one attempt left."""

    manifest: bytes
    """As it lies in a pack; empty: the attempt left none, and `problem` says why."""
    log: bytes = b""
    """What comes behind the pieces of its log, stamped as a log's file is."""
    stamps: tuple[int, ...] = ()
    """When each piece of its log that is in the bucket was written (`s3.keys.LogKey.at_ms`), in order."""
    problem: str = ""
    """What went wrong in the worker, for people; the step's own failure is in the manifest."""
    reason: str = ""
    """A word for it, such as `terminated` or `killed`; empty: the attempt ended by itself."""
    metadata: Mapping[str, str] = {}
    """What the worker knows of its place, recorded with the task."""


def encode_left(left: Left) -> bytes:
    """Return it as the bytes of an object."""
    body: bytes = msgpack.packb(left)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode_left(data: bytes) -> Left:
    """Read it. Raises ValueError saying what is wrong with it."""
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin as what an attempt leaves does")
    body = data[8:]
    if zlib.crc32(body).to_bytes(4, "little") != data[4:8]:
        raise ValueError("its checksum does not match")
    try:
        left = Left(*msgpack.unpackb(body)[: len(Left._fields)])
        return left._replace(stamps=tuple(left.stamps))
    except (TypeError, IndexError, msgpack.UnpackException) as error:
        raise ValueError(f"it cannot be read ({error})") from error
