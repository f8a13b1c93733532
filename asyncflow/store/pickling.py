"""Pickle protocol 5 with out-of-band buffers: arrays, frames and long bytes go to the file from where they lie.

A content without such buffers is the plain pickle stream (first byte 0x80). Otherwise:

    4 bytes   magic `AF5` and a zero byte
    4 bytes   number of buffers n
    8 bytes   length of the pickle stream
    n x 16    offset and length of each buffer, from the start of the content
    the pickle stream, then the buffers, each at a multiple of 64

All integers are little-endian.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

from asyncflow.store.digests import Buffer

__all__ = ["ALIGNMENT", "Watch", "join_parts", "pickle_parts", "taken_apart", "unpickle", "watch_names"]

ALIGNMENT = 64
_MAGIC = b"AF5\0"
_HEAD = struct.Struct("<4sIQ")
_PLAIN = 0x80
_SCALARS = frozenset((int, float, bool, type(None)))
_IN_BAND_BELOW = 512
"""Shorter buffers stay in the pickle stream: the table entry and the padding would cost more than the copy."""


class Watch:
    """The classes and functions that values of this process are made of, as their pickles name them."""

    __slots__ = ("modules", "names")

    def __init__(self) -> None:
        self.modules = frozenset(sys.modules)
        """Those that were imported before the first value was loaded."""
        self.names: set[tuple[str, str]] = set()
        """Module and qualified name."""


_watches: list[Watch] = []
"""None or one: it is kept for as long as the process lives."""


def watch_names() -> Watch:
    """Note from now on which classes and functions values are made of; returns all that was noted yet."""
    if not _watches:
        _watches.append(Watch())
    return _watches[0]


class _WatchingUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:  # Any: a class or function
        _watches[0].names.add((module, name))
        return super().find_class(module, name)


class _Sink:
    """What the pickler writes to: keeps its chunks as they are; a long bytes object is passed without a copy."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Buffer], object]) -> None:
        self.write = write


def pickle_parts(value: object) -> list[Buffer]:
    """Serialize a value; return the content in pieces, which still share memory with the value.

    Raises whatever the value's own pickling code raises.
    """
    if type(value) in _SCALARS:
        return [pickle.dumps(value, 5)]
    chunks: list[Buffer] = []
    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer out of band; a true answer leaves it in the stream."""
        try:
            raw = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if len(raw) < _IN_BAND_BELOW:
            return True
        buffers.append(raw)
        return False

    sink: Any = _Sink(chunks.append)  # Any: the stubs know no sink that keeps buffers
    pickle.Pickler(sink, 5, buffer_callback=keep).dump(value)
    return join_parts(chunks, buffers) if buffers else chunks


def join_parts(chunks: list[Buffer], buffers: list[memoryview]) -> list[Buffer]:
    """Return header, pickle stream and aligned buffers as the pieces of one content."""
    pickled = sum(map(len, chunks))
    offset = _HEAD.size + 16 * len(buffers) + pickled
    table: list[int] = []
    tail: list[Buffer] = []
    for raw in buffers:
        padding = -offset % ALIGNMENT
        if padding:
            tail.append(bytes(padding))
        offset += padding
        table += (offset, len(raw))
        tail.append(raw)
        offset += len(raw)
    head = _HEAD.pack(_MAGIC, len(buffers), pickled) + struct.pack(f"<{len(table)}Q", *table)
    return [head, *chunks, *tail]


def unpickle(view: memoryview) -> Any:  # Any: the user's object
    """Rebuild a value from its content; arrays in it use the memory of `view`, and are writable if that is.

    Raises ValueError if the content is damaged, and whatever the value's own code raises.
    """
    stream, buffers = taken_apart(view)
    if _watches:
        return _WatchingUnpickler(io.BytesIO(stream), buffers=buffers).load()
    return pickle.loads(stream, buffers=buffers)  # the store holds what the user's own tasks wrote


def taken_apart(view: memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return the pickle stream of a content, and its out-of-band buffers. Raises ValueError if it is damaged."""
    if not view or view[0] == _PLAIN:
        return view, []
    if len(view) < _HEAD.size:
        raise ValueError("it is cut off")
    magic, count, pickled = _HEAD.unpack_from(view)
    start = _HEAD.size + 16 * count
    if magic != _MAGIC or start + pickled > len(view):
        raise ValueError("it does not begin as a pickle does")
    table = struct.unpack_from(f"<{2 * count}Q", view, _HEAD.size)
    pieces = [view[offset : offset + length] for offset, length in zip(table[::2], table[1::2], strict=True)]
    return view[start : start + pickled], pieces
