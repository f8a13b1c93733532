"""Files as a compressed archive whose bytes depend on their names and contents alone.

An archive is made of parts, each a gzip member of its own: what seldom changes is compressed once and kept. Times,
owners and the order in which a directory lists its files leave no trace.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["END", "Member", "write_part"]

_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Of a gzip member: deflate, no time, no name, no operating system."""
_LEVEL = 6
_CHUNK_BYTES = 1 << 20
_BLOCK = tarfile.BLOCKSIZE

END = b"\0" * (2 * _BLOCK)
"""What a tar ends with."""


class Member(NamedTuple):
    """A file of an archive."""

    name: str
    data: bytes
    is_executable: bool = False


def write_part(write: Callable[[bytes], object], members: Iterable[Member], *, is_last: bool) -> None:
    """Write files as one part of an archive, in the order in which they come."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum, length = 0, 0
    write(_HEAD)
    for piece in _tar(members, is_last=is_last):
        checksum = zlib.crc32(piece, checksum)
        length += len(piece)
        packed = packer.compress(piece)
        if packed:
            write(packed)
    write(packer.flush())
    write(checksum.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little"))


def _tar(members: Iterable[Member], *, is_last: bool) -> Iterable[bytes]:
    for member in members:
        info = tarfile.TarInfo(member.name)
        info.size = len(member.data)
        info.mode = 0o755 if member.is_executable else 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        yield member.data
        yield b"\0" * (-len(member.data) % _BLOCK)
    if is_last:
        yield END
