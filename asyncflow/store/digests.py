"""The name of a content: BLAKE3 of its bytes, cut to 160 bits, as 40 hex digits.

Why BLAKE3 and not something of the standard library: the digest stands in the way of every large artifact.
512 MB of float64, two cores with AVX-512: BLAKE2b 0.46 s, SHA-1 0.28 s, BLAKE3 0.078 s (one thread) and 0.042 s
(two), against 0.12 to 0.15 s for the bare write of the same bytes. xxh3 takes 0.02 s and is no cryptographic hash:
two contents with one name would be silent corruption, so it is out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blake3 import blake3
else:
    try:
        from blake3 import blake3
    except ImportError:  # in a container of another Python than the scheduler's
        from asyncflow.store.plain_blake3 import blake3

__all__ = ["DIGEST_BYTES", "Buffer", "digest_of", "is_digest", "new_hasher"]

Buffer = bytes | bytearray | memoryview
"""Contiguous bytes."""

DIGEST_BYTES = 20
_THREADED_FROM = 4 << 20
_HEX = frozenset("0123456789abcdef")


def new_hasher(size_bytes: int) -> blake3:
    """Return a hasher for a content of about that size: more threads for a large one, none left behind.

    The threads are the hasher's own and end with it, so a process may fork before and after.
    """
    if size_bytes < _THREADED_FROM:
        return blake3()
    return blake3(max_threads=min(4, os.cpu_count() or 1))


def digest_of(buffers: Iterable[Buffer], size_bytes: int) -> str:
    """Return the digest of the concatenated buffers, whose lengths add up to `size_bytes`."""
    hasher = new_hasher(size_bytes)
    for buffer in buffers:
        hasher.update(buffer)
    return hasher.hexdigest(length=DIGEST_BYTES)


def is_digest(text: str) -> bool:
    """Say whether the text is a digest, and so safe as part of a path."""
    return len(text) == 2 * DIGEST_BYTES and _HEX.issuperset(text)
