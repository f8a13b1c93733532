"""A stored content, on its way to or from memory: whole, in one piece, whatever holds it."""

from __future__ import annotations

from typing import Protocol

from asyncflow.store import compression
from asyncflow.store.digests import Buffer

__all__ = ["KIND_RAW", "KIND_ZSTD", "Content", "InlineContent", "inlined"]

KIND_RAW = 0
"""The stored bytes are the content."""
KIND_ZSTD = 1
"""The stored bytes are one zstd frame."""


class Content(Protocol):
    """The serialized bytes of one artifact."""

    @property
    def size_bytes(self) -> int:
        """Length of the content, uncompressed."""
        ...

    def view(self) -> memoryview:
        """Return the content as private writable memory, mapped from the file if large. Raises StoreError."""
        ...

    def read(self) -> bytes:
        """Return the content as a bytes object, without a second copy on the way. Raises StoreError."""
        ...


class InlineContent:
    """A content inlined in a manifest: one byte that tells the kind, then the stored bytes."""

    __slots__ = ("_inline", "size_bytes")

    def __init__(self, inline: bytes, size_bytes: int) -> None:
        self._inline = inline
        self.size_bytes = size_bytes

    def view(self) -> memoryview:
        """Return the content as private writable memory. Raises ValueError if it is damaged."""
        if self._inline[0] == KIND_RAW:
            return memoryview(bytearray(self._inline))[1:]
        return memoryview(bytearray(self.read()))

    def read(self) -> bytes:
        """Return the content. Raises ValueError if it is damaged."""
        stored = self._inline[1:]
        if self._inline[0] == KIND_RAW:
            if len(stored) != self.size_bytes:
                raise ValueError(f"it has {len(stored)} bytes instead of {self.size_bytes}")
            return stored
        return compression.decompressed(stored, self.size_bytes)


def inlined(kind: int, stored: Buffer) -> bytes:
    """Return stored bytes in the form that `InlineContent` reads."""
    return bytes((kind,)) + stored
