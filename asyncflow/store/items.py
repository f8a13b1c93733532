"""The items of a foreach: each pickled on its own, one after another in one blob, then a table of where each begins.

The blob has the usual header and is never compressed. Its content ends with `width` little-endian 64-bit offsets from
the start of the content. A child reads the header, two entries of the table and its own item, whatever the width.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asyncflow.store.blobs import HEADER_BYTES, header, open_blob, read_header
from asyncflow.store.content import KIND_RAW
from asyncflow.store.digests import DIGEST_BYTES, Buffer, new_hasher
from asyncflow.store.failures import damaged, read_failure, write_failure
from asyncflow.store.files import publish, temporary, unlink_quietly, write_all
from asyncflow.store.layout import blob_path, temporary_directory
from asyncflow.store.manifest import Items
from asyncflow.store.pickling import ALIGNMENT, pickle_parts, unpickle
from asyncflow.store.unpicklable import unpicklable

__all__ = ["item_from", "read_item_bytes", "write_items"]

_FLUSH_BYTES = 1 << 20
_SCALARS = frozenset((int, str, float, bool, type(None)))


def write_items(root: str, iterable: Iterable[object], *, path: str) -> Items:
    """Store the items of any iterable, one at a time; a mapping gives (key, value) tuples.

    Memory is bounded by the largest item, 1 MiB of small ones, and 8 bytes an item. `path` is where the iterable
    stands, such as `self.models`. Raises StoreError if the store refuses, UnpicklableArtifact for an item that cannot
    be pickled, and whatever the iterable itself raises.
    """
    is_mapping = isinstance(iterable, Mapping)
    items: Any = iterable  # Any: the user's keys and values
    iterator: Iterator[object] = iter(items.items() if is_mapping else items)
    file = _ItemFile(root, f"The list of foreach items of {path}")
    try:
        starts = _write_each(file, iterator, path)
        return Items(digest=file.finish(starts), width=len(starts))
    except BaseException:
        file.discard()
        raise


def _write_each(file: _ItemFile, iterator: Iterator[object], path: str) -> array[int]:
    """Write every item; return where each begins in the content."""
    starts = array("Q")
    dumps, add, note = pickle.dumps, file.add, starts.append
    for item in iterator:
        if type(item) in _SCALARS:
            note(file.offset)
            add(dumps(item, 5))
            continue
        try:
            parts = pickle_parts(item)
        except Exception as error:
            raise unpicklable(f"{path}[{len(starts)}]", item, error) from error
        if len(parts) == 1:
            note(file.offset)
            add(parts[0])
        else:
            # The parts share memory with the item, and a generator may use that memory for its next one.
            file.align()
            note(file.offset)
            file.add_now(parts)
    return starts


class _ItemFile:
    """A blob in the making: appends and hashes pieces, 1 MiB at a time. Raises StoreError for the file's errors."""

    __slots__ = ("_fd", "_hasher", "_path", "_pending", "_pending_bytes", "_root", "_what", "offset")

    def __init__(self, root: str, what: str) -> None:
        self._root, self._what = root, what
        self._hasher = new_hasher(0)
        self._pending: list[Buffer] = []
        self._pending_bytes = 0
        self.offset = 0
        try:
            self._fd, self._path = temporary(root)
            write_all(self._fd, [bytes(HEADER_BYTES)])
        except OSError as error:
            raise write_failure(error, temporary_directory(root), what) from error

    def add(self, piece: Buffer) -> None:
        """Append a piece that nobody changes any more."""
        length = len(piece)
        self._pending.append(piece)
        self.offset += length
        self._pending_bytes += length
        if self._pending_bytes >= _FLUSH_BYTES:
            self._flush()

    def add_now(self, pieces: list[Buffer]) -> None:
        """Append pieces and write them before returning."""
        for piece in pieces:
            self._pending.append(piece)
            self.offset += len(piece)
        self._flush(join=False)

    def align(self) -> None:
        """Pad so that buffers aligned within the next item are aligned in the content."""
        self.add(bytes(-self.offset % ALIGNMENT))

    def finish(self, starts: array[int]) -> str:
        """Append the table, name the file by its digest, and return that."""
        self.align()
        if sys.byteorder == "big":
            starts.byteswap()
        self.add_now([memoryview(starts).cast("B")])
        digest = self._hasher.hexdigest(length=DIGEST_BYTES)
        try:
            os.pwrite(self._fd, header(KIND_RAW, self.offset, self.offset), 0)
            os.close(self._fd)
            self._fd = -1
            publish(self._path, blob_path(self._root, digest))
        except OSError as error:
            raise write_failure(error, blob_path(self._root, digest), self._what) from error
        return digest

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._fd >= 0:
            os.close(self._fd)
        unlink_quietly(self._path)

    def _flush(self, *, join: bool = True) -> None:
        pieces = [b"".join(self._pending)] if join else self._pending
        for piece in pieces:
            self._hasher.update(piece)
        try:
            write_all(self._fd, pieces)
        except OSError as error:
            raise write_failure(error, self._path, self._what) from error
        self._pending = []
        self._pending_bytes = 0


def read_item_bytes(
    root: str, items: Items, index: int, *, path: str = "a foreach", most_bytes: int | None = None
) -> bytearray | None:
    """Return the bytes of one item without reading the others; None if they are more than `most_bytes`.

    Raises StoreError naming the item, the digest and the path.
    """
    what = _what(items, index, path)
    file = blob_path(root, items.digest)
    fd = open_blob(root, items.digest, what)
    try:
        _, size = read_header(fd, file, what)
        start, end = _bounds(fd, size, items.width, index)
        if most_bytes is not None and end - start > most_bytes:
            return None
        return _read_exactly(fd, start, end - start)
    except OSError as error:
        raise read_failure(error, file, what) from error
    except ValueError as error:
        raise damaged(file, what, str(error)) from error
    finally:
        os.close(fd)


def item_from(
    root: str, items: Items, index: int, data: bytearray, *, path: str = "a foreach"
) -> Any:  # Any: the user's object
    """Rebuild an item from its bytes, whose memory its arrays use. Raises StoreError if they are damaged."""
    try:
        return unpickle(memoryview(data))
    except (ValueError, EOFError, struct.error, pickle.UnpicklingError) as error:
        raise damaged(blob_path(root, items.digest), _what(items, index, path), str(error)) from error


def _what(items: Items, index: int, path: str) -> str:
    return f"Item {index} of {path} (blob {items.digest})"


def _bounds(fd: int, size: int, width: int, index: int) -> tuple[int, int]:
    """Return where an item begins and ends (padding included) in the content. Raises ValueError."""
    table = size - 8 * width
    if not 0 <= index < width or table < 0:
        raise ValueError(f"it has no item {index} among {width}")
    entries = _read_exactly(fd, table + 8 * index, 16 if index + 1 < width else 8)
    start = int.from_bytes(entries[:8], "little")
    end = int.from_bytes(entries[8:], "little") if len(entries) == 16 else table
    if not start <= end <= table:
        raise ValueError("its table of items is not in order")
    return start, end


def _read_exactly(fd: int, offset: int, length: int) -> bytearray:
    """Return `length` bytes of the content from `offset`. Raises ValueError if the file ends before."""
    target = bytearray(length)
    view = memoryview(target)
    while view:
        count = os.preadv(fd, [view], HEADER_BYTES + offset)
        if count == 0:
            raise ValueError("it is cut off")
        offset += count
        view = view[count:]
    return target
