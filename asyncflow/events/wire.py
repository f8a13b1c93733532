"""msgpack as the codec wants it: arrays as tuples, lone surrogates kept, damage told as one kind of error."""

# msgpack ships no types; this file is the one place that knows it.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

__all__ = ["Damaged", "array_header", "pack", "split", "unpack"]


class Damaged(ValueError):
    """The bytes are not msgpack, or not of the expected shape."""


# Lone surrogates occur in what tasks print and raise; they must survive.
_packer = msgpack.Packer(autoreset=True, unicode_errors="surrogatepass")

pack: Callable[[object], bytes] = _packer.pack
"""Return a value as bytes. Raises TypeError, ValueError or OverflowError for what msgpack cannot hold.

Not safe to call from two threads at once without the interpreter lock; one call never gives it up.
"""

array_header: Callable[[int], bytes] = _packer.pack_array_header
"""Return the bytes that announce an array of so many values."""


def unpack(data: bytes) -> tuple[Any, ...]:  # Any: whatever the bytes say
    """Return the array that the bytes hold, arrays in it as tuples.

    Raises:
        Damaged: The bytes are not one whole msgpack array.
    """
    try:
        values = msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass", strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Damaged(str(error) or type(error).__name__) from error
    if not isinstance(values, tuple):
        raise Damaged(f"a {type(values).__name__} where an array belongs")
    return values


def split(data: bytes) -> list[bytes]:
    """Cut an array, known to be whole, into the bytes of its values."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data), unicode_errors="surrogatepass")
    unpacker.feed(data)
    spans: list[bytes] = []
    for _ in range(unpacker.read_array_header()):
        start = unpacker.tell()
        unpacker.skip()
        spans.append(data[start : unpacker.tell()])
    return spans
