"""Compiled modules without what only a debugger reads.

The loader of Linux looks at a file's segments; sections (symbols of the linker, lines of the source) lie behind them
and may be missing. Wheels come with them: zstandard's module is 11.6 MB, of which 0.96 MB are loaded.
Source: System V ABI, chapters 4 and 5 (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html).
"""

from __future__ import annotations

import struct

__all__ = ["stripped"]

_IDENTITY = b"\x7fELF\x02\x01"
"""64 bits, little-endian: what x86_64 and aarch64 are."""
_HEADER_BYTES = 64
_SEGMENT = struct.Struct("<IIQQQQQQ")


def stripped(data: bytes) -> bytes:
    """Return a shared library cut off behind its last segment; anything else as it is."""
    if len(data) < _HEADER_BYTES or not data.startswith(_IDENTITY):
        return data
    (segments_at,) = struct.unpack_from("<Q", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 54)
    if entry_bytes != _SEGMENT.size or segments_at + count * entry_bytes > len(data):
        return data
    end = _HEADER_BYTES
    for at in range(segments_at, segments_at + count * entry_bytes, entry_bytes):
        _, _, offset, _, _, size_bytes, _, _ = _SEGMENT.unpack_from(data, at)
        end = max(end, offset + size_bytes)
    if end > len(data):
        return data
    cut = bytearray(data[:end])
    struct.pack_into("<Q", cut, 40, 0)  # where sections begin
    struct.pack_into("<HH", cut, 60, 0, 0)  # how many, and which has their names
    return bytes(cut)
