"""Pieces of a run's stream: what its drivers recorded, in order, as it lies in a bucket.

A piece holds batches of events as they are in the log, the manifests of the attempts that ended in them, and what
was added to logs meanwhile. The blobs that those manifests name are in the bucket before the piece is. So whatever
number of pieces there is, counted from the first on, is a run that can be read and gone on with.

A piece is `AFS1`, a checksum, then a zstd frame of one msgpack array; fields beyond those a reader knows are skipped.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import msgpack
import zstandard

__all__ = ["Batch", "KeptManifest", "LogPart", "Piece", "decode_piece", "encode_piece"]

_MAGIC = b"AFS1"
_LEVEL = 1
_MOST_BYTES = 1 << 30
_FIELDS = 3


class Batch(NamedTuple):
    """One row of a run's log."""

    seq: int
    """Number of its first event."""
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - nobody counts in a batch as a tuple
    at: float
    body: bytes
    """As encoded by the log."""


class KeptManifest(NamedTuple):
    """What one attempt left, as it lies in a pack."""

    task: int
    attempt: int
    body: bytes


class LogPart(NamedTuple):
    """What was added to an attempt's log."""

    task: int
    attempt: int
    offset: int
    """Where in the log's file it begins."""
    data: bytes


class Piece(NamedTuple):
    """One piece."""

    batches: tuple[Batch, ...] = ()
    manifests: tuple[KeptManifest, ...] = ()
    logs: tuple[LogPart, ...] = ()


def encode_piece(piece: Piece) -> bytes:
    """Return a piece as the bytes of an object."""
    packed: bytes = msgpack.packb(piece)
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(packed)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode_piece(data: bytes) -> Piece:
    """Read a piece. Raises ValueError saying what is wrong with it."""
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin as a piece of a run does")
    body = data[8:]
    if zlib.crc32(body).to_bytes(4, "little") != data[4:8]:
        raise ValueError("its checksum does not match")
    try:
        packed = zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES)
        batches, manifests, logs = msgpack.unpackb(packed)[:_FIELDS]
        return Piece(
            batches=tuple(Batch(*_first(row, Batch)) for row in batches),
            manifests=tuple(KeptManifest(*_first(row, KeptManifest)) for row in manifests),
            logs=tuple(LogPart(*_first(row, LogPart)) for row in logs),
        )
    except (zstandard.ZstdError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise ValueError(f"it cannot be read ({error})") from error


def _first(row: list[Any], kind: type[NamedTuple]) -> list[Any]:  # Any: what msgpack gives
    return row[: len(kind._fields)]
