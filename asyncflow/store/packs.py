"""Packs: the manifests of a thousand tasks in one file that is only ever appended to.

A file of its own for each manifest costs a task the creation of a file and a rename (a fifth of all time of a run of a
thousand tasks where many files had been deleted shortly before), and a join as many opened files as it has inputs.

**Writing.** A record is one `write` on a descriptor opened with O_APPEND: the kernel finds the end and writes there
without letting another writer in between, so any number of processes append at once. A record is a header (magic, task,
attempt, length of the body, checksum of these) and a body, the manifest's bytes with a checksum of their own. A body of
no bytes takes a manifest back. The last record of an attempt counts.

**What can go wrong.** A writer that is killed, or has no room, in mid-write leaves the beginning of a record, and the
next one begins right behind it. So a reader believes no length whose body's checksum is wrong: it goes on at the next
magic. Nothing is ever cut off or repaired, as another process may append at that moment. What looks like the beginning
of a record at the end of a file may be being written: it is looked at again when the file has grown, and records behind
it count already.

**Not for NFS.** O_APPEND is not atomic there between hosts: writers would overwrite each other. All writers of a pack
are on one machine; a writer on another one must have a pack of another name.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asyncflow.store.manifests import MAGIC

__all__ = ["Entry", "Pack", "append", "sealed"]

_MAGIC = b"AFPR"
_HEADER = struct.Struct("<4sQIII")
"""Magic, task, attempt, length of the body, CRC-32 of all these."""
_HEADER_BYTES = _HEADER.size
_UNCHECKED_BYTES = 8
"""Of a body: the manifest's own magic and checksum."""
_CHUNK_BYTES = 1 << 22
_TRIES = 3


def sealed(task: int, attempt: int, body: bytes) -> bytes:
    """Return a record: the body of a manifest (`encode_manifest`), or no bytes to take it back."""
    head = _HEADER.pack(_MAGIC, task, attempt, len(body), 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little") + body


def append(path: str, record: bytes) -> None:
    """Append a record to a pack, or several, in one piece; makes file and directory if they are missing.

    Raises:
        OSError: It could not be written, or not all of it. What is there then, no reader takes for a manifest.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, flags, 0o600)
    try:
        for _ in range(_TRIES):  # what cut a write short is said by the next one
            if os.write(fd, record) == len(record):
                return
    finally:
        os.close(fd)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


class Entry(NamedTuple):
    """Where the body of an attempt's manifest lies."""

    offset: int
    length: int
    """0: the manifest was taken back."""
    is_whole: bool
    """False: the body is cut off or damaged."""


class Pack:
    """Reads a pack, and remembers where what lies; each look reads only what was appended since. May be forked."""

    __slots__ = ("_before", "_entries", "_inode", "_scanned", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._entries: dict[tuple[int, int], Entry] = {}
        """By task and attempt."""
        self._scanned = 0
        """Everything before this offset is in `_entries`."""
        self._inode = 0
        self._before: frozenset[tuple[int, int]] | None = None
        """What was there when `was_there_before` was first asked."""

    def find(self, task: int, attempt: int) -> Entry | None:
        """Say where an attempt's manifest lies; None if there is none. Raises OSError."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return self._find(fd, task, attempt)
        finally:
            os.close(fd)

    def read(self, task: int, attempt: int) -> bytes | None:
        """Return the bytes of an attempt's manifest, damaged ones as they are; None if there are none.

        Raises OSError.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            entry = self._find(fd, task, attempt)
            return None if entry is None else os.pread(fd, entry.length, entry.offset)
        finally:
            os.close(fd)

    def read_all(self, keys: Sequence[tuple[int, int]]) -> list[bytes | None]:
        """Return the bytes of manifests by task and attempt, as `read` does of one. Raises OSError."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return [None] * len(keys)
        try:
            self._catch_up(fd)
            entries = [self._entries.get(key) for key in keys]
            return [os.pread(fd, one.length, one.offset) if one and one.length else None for one in entries]
        finally:
            os.close(fd)

    def bodies(self) -> Iterator[bytes]:
        """Yield the bytes of every attempt's manifest that is whole. Raises OSError."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self._catch_up(fd)
            for entry in self._entries.values():
                if entry.length and entry.is_whole:
                    yield os.pread(fd, entry.length, entry.offset)
        finally:
            os.close(fd)

    def was_there_before(self, task: int, attempt: int) -> bool:
        """Say whether there was a manifest of the attempt when this was first asked of the pack. Raises OSError.

        For a driver, which asks before it launches: what its own attempts leave comes later and is not looked at.
        """
        if self._before is None:
            self.find(0, 0)
            self._before = frozenset(key for key, entry in self._entries.items() if entry.length)
        return (task, attempt) in self._before

    def _find(self, fd: int, task: int, attempt: int) -> Entry | None:
        self._catch_up(fd)
        entry = self._entries.get((task, attempt))
        return None if entry is None or entry.length == 0 else entry

    def _catch_up(self, fd: int) -> None:
        """Read what was appended since the last look."""
        status = os.fstat(fd)
        size = status.st_size
        if status.st_ino != self._inode or size < self._scanned:  # another file of that name
            self._entries, self._scanned, self._inode = {}, 0, status.st_ino
        length = _CHUNK_BYTES
        while self._scanned < size:
            data = os.pread(fd, length, self._scanned)
            is_end = self._scanned + len(data) >= size
            scanned = self._take(data, self._scanned, is_end=is_end)
            if is_end or not data:
                self._scanned = scanned
                return
            length = length * 2 if scanned == self._scanned else _CHUNK_BYTES  # one record larger than that
            self._scanned = scanned

    def _take(self, data: bytes, base: int, *, is_end: bool) -> int:
        """Take over the records in a piece of the file, from `base` on.

        Returns how far it need not be read again.
        """
        done: int | None = None
        at = 0
        while at < len(data):
            head = _header(data, at)
            if head is None:
                found = data.find(_MAGIC, at + 1)
                if found < 0:
                    rest = max(at, len(data) - _HEADER_BYTES + 1)  # a header may begin there and go on later
                    return base + (rest if done is None else done)
                at = found
                continue
            task, attempt, length = head
            begin, end = at + _HEADER_BYTES, at + _HEADER_BYTES + length
            at = begin
            if end > len(data):
                if done is None:
                    done = begin - _HEADER_BYTES  # it goes on in the next piece, or is being written
                if not is_end:
                    break
                continue
            is_whole = _is_whole(data, begin, end)
            self._note((task, attempt), Entry(base + begin, length, is_whole))
            if is_whole:
                at = end
        return base + (at if done is None else done)

    def _note(self, key: tuple[int, int], entry: Entry) -> None:
        known = self._entries.get(key)
        if known is None or (entry.offset > known.offset and (entry.is_whole or not known.is_whole)):
            self._entries[key] = entry


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Return task, attempt and length of the body of the record that begins there; None if none does."""
    if len(data) - at < _HEADER_BYTES:
        return None
    magic, task, attempt, length, checksum = _HEADER.unpack_from(data, at)
    if magic != _MAGIC or zlib.crc32(data[at : at + _HEADER_BYTES - 4]) != checksum:
        return None
    return task, attempt, length


def _is_whole(data: bytes, begin: int, end: int) -> bool:
    """Check the body's own magic and checksum."""
    if not data.startswith(MAGIC, begin, end) or end - begin < _UNCHECKED_BYTES:
        return begin == end
    expected = int.from_bytes(data[begin + 4 : begin + _UNCHECKED_BYTES], "little")
    return zlib.crc32(memoryview(data)[begin + _UNCHECKED_BYTES : end]) == expected
