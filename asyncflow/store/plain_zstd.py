"""zstd where `zstandard` has no compiled module for the interpreter: the system's own library, by ctypes.

`libzstd.so.1` is in every image made of Debian, Ubuntu, Fedora, RHEL or Amazon Linux: their package managers need it.
Where it is missing, too, frames are written that hold their content as it is, and none can be read but such.
Source: RFC 8878; https://facebook.github.io/zstd/zstd_manual.html.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from asyncflow.errors import StoreError

__all__ = ["compressed", "decompress_into"]

_NAMES = ("libzstd.so.1", "libzstd.1.dylib")
_LEVEL, _CHECKSUM = 100, 201
"""Parameters of a compression."""
_MAGIC = b"\x28\xb5\x2f\xfd"
_SIZED = 0xE0
"""Head of a frame with 8 bytes of length, in one segment, without a checksum."""
_HEAD_BYTES = len(_MAGIC) + 1 + 8
_BLOCK_BYTES = 128 << 10


def compressed(buffers: Sequence[bytes | bytearray | memoryview], *, level: int) -> bytes:
    """Return a content as one frame, with a checksum if it is compressed."""
    data = b"".join(buffers)
    library = _library()
    if library is None:
        return _as_it_is(data)
    context = library.ZSTD_createCCtx()
    try:
        library.ZSTD_CCtx_setParameter(context, _LEVEL, level)
        library.ZSTD_CCtx_setParameter(context, _CHECKSUM, 1)
        target = ctypes.create_string_buffer(library.ZSTD_compressBound(len(data)))
        size = library.ZSTD_compress2(context, target, len(target), data, len(data))
    finally:
        library.ZSTD_freeCCtx(context)
    _check(library, size)
    return target.raw[:size]


def decompress_into(frame: bytes | bytearray | memoryview, target: memoryview) -> int:
    """Write a frame's content into writable memory; return its length.

    Raises:
        ValueError: It is damaged, or longer than the memory.
        StoreError: There is nothing here that could read it.
    """
    data = bytes(frame)
    library = _library()
    if library is None:
        return _read_as_it_is(data, target)
    place = (ctypes.c_char * len(target)).from_buffer(target)
    try:
        size: int = library.ZSTD_decompress(place, len(target), data, len(data))
    finally:
        del place
    _check(library, size)
    return size


def _check(library: Any, size: int) -> None:  # Any: functions of a shared library
    if library.ZSTD_isError(size):
        name: bytes = library.ZSTD_getErrorName(size)
        raise ValueError(name.decode())


@cache
def _library() -> Any:  # Any: functions of a shared library; None: there is none
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
            "ZSTD_createCCtx": (pointer, ()),
            "ZSTD_freeCCtx": (size, (pointer,)),
            "ZSTD_CCtx_setParameter": (size, (pointer, ctypes.c_int, ctypes.c_int)),
            "ZSTD_compressBound": (size, (size,)),
            "ZSTD_compress2": (size, (pointer, pointer, size, ctypes.c_char_p, size)),
            "ZSTD_decompress": (size, (pointer, size, ctypes.c_char_p, size)),
            "ZSTD_isError": (ctypes.c_uint, (size,)),
            "ZSTD_getErrorName": (ctypes.c_char_p, (size,)),
        }
        for function, (result, arguments) in signatures.items():
            found = getattr(library, function)
            found.restype, found.argtypes = result, arguments
        return library
    return None


def _as_it_is(data: bytes) -> bytes:
    """Return a frame of blocks that are not compressed."""
    pieces = [_MAGIC, bytes((_SIZED,)), struct.pack("<Q", len(data))]
    starts = range(0, len(data), _BLOCK_BYTES) or range(1)
    for start in starts:
        block = data[start : start + _BLOCK_BYTES]
        is_last = start + _BLOCK_BYTES >= len(data)
        pieces += (struct.pack("<I", len(block) << 3 | is_last)[:3], block)
    return b"".join(pieces)


def _read_as_it_is(frame: bytes, target: memoryview) -> int:
    if frame[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it is no zstd frame")
    filled, at, is_last = 0, _HEAD_BYTES, frame[len(_MAGIC)] != _SIZED
    is_plain = not is_last
    while is_plain and not is_last:
        head = int.from_bytes(frame[at : at + 3], "little")
        is_last, is_plain, length = bool(head & 1), not head & 6, head >> 3
        block = frame[at + 3 : at + 3 + length]
        if len(block) != length or filled + length > len(target):
            raise ValueError("its blocks do not fit")
        if is_plain:
            target[filled : filled + length] = block
            filled, at = filled + length, at + 3 + length
    if not is_plain:
        raise StoreError(
            "What is stored is compressed with zstd, and nothing here can read that",
            hint="Install zstandard in the image, or the system's libzstd (Alpine: `apk add zstd-libs`).",
        )
    return filled
