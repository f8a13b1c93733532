"""Looks for commits that a damaged write-ahead log holds and SQLite does not see.

SQLite takes the log as far as its checksums hold and drops what follows without a word: right after a power cut,
when the end is a commit that was never finished; wrong when a byte in the middle was damaged, as whole commits that
were acknowledged would be lost silently. The difference can be seen: behind the first bad frame there are frames of
the same generation (equal salts) that end a commit.

Source: the file format of the write-ahead log, https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["LostCommits", "count_good_frames", "find_lost_commits", "set_aside"]

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = (0x377F0682, 0x377F0683)


_LOOKS = 5
_PAUSE_S = 0.01


class LostCommits(NamedTuple):
    """What cannot be read any more."""

    frames: int
    """Pages behind the damage; a guess if the log's header is damaged."""
    commits: int
    """Transactions that end behind the damage, at least."""


def find_lost_commits(database: str, count_good: Callable[[], int]) -> LostCommits | None:
    """Look behind the part of the write-ahead log that SQLite accepts.

    What another process appends meanwhile is no loss: commits are listed first and counted then, and what looks lost
    is looked at again.

    Args:
        database: Path of the database; the log is beside it.
        count_good: Tells how many frames SQLite accepts: the second number that `PRAGMA wal_checkpoint` gives.
            Negative: it cannot say now.

    Returns:
        What is lost, None if the log is whole or was cut short in its last commit.

    Blocking: reads 24 bytes a frame; some 5 ms for a log of 8 MB.
    """
    lost = None
    for look in range(_LOOKS):
        if look:
            time.sleep(_PAUSE_S)
        generation = _header(database)
        listed = _list_commits(database)
        good = count_good()
        if good < 0 or _header(database) != generation:
            lost = None  # another process copied the log back, or began it anew: who lives has lost nothing
        elif isinstance(listed, LostCommits):
            lost = listed
        else:
            behind = [frame for frame in listed if frame > good]
            if not behind:
                return None
            lost = LostCommits(frames=behind[-1] - good, commits=len(behind))
    return lost


def _header(database: str) -> bytes:
    try:
        with open(f"{database}-wal", "rb") as file:
            return file.read(_HEADER.size)
    except FileNotFoundError:
        return b""


def _list_commits(database: str) -> list[int] | LostCommits:
    """List the frames, counted from 1, that end a commit of the log's generation, checksums aside."""
    try:
        fd = os.open(f"{database}-wal", os.O_RDONLY)
    except FileNotFoundError:
        return []
    try:
        header = os.pread(fd, _HEADER.size, 0)
        size = os.fstat(fd).st_size
        if len(header) < _HEADER.size or not any(header):
            return []
        if not _is_whole(header):
            return LostCommits(frames=max(1, size // 4096), commits=1)
        _, _, page_size, _, salt_1, salt_2, _, _ = _HEADER.unpack(header)
        step = _FRAME.size + page_size
        commits: list[int] = []
        for number, offset in enumerate(range(_HEADER.size, size - step + 1, step), 1):
            frame = os.pread(fd, _FRAME.size, offset)
            if len(frame) < _FRAME.size:
                break  # another process cut the log short just now
            page, committed_size, frame_salt_1, frame_salt_2, _, _ = _FRAME.unpack(frame)
            if committed_size and page and (frame_salt_1, frame_salt_2) == (salt_1, salt_2):
                commits.append(number)
        return commits
    finally:
        os.close(fd)


def _is_whole(header: bytes) -> bool:
    """Tell whether SQLite accepts the log's header: if not, it takes the whole log for empty."""
    magic, _, page_size, _, _, _, sum_1, sum_2 = _HEADER.unpack(header)
    if magic not in _MAGIC or not 512 <= page_size <= 65536:
        return False
    return _checksum(">" if magic & 1 else "<", header[:24], (0, 0)) == (sum_1, sum_2)


def _checksum(order: str, data: bytes, start: tuple[int, int]) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    first, second = start
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def count_good_frames(database: str) -> int:
    """Count the frames that SQLite would accept, without opening the database; 0 if there is no log.

    Costs some 0.1 ms a frame: for a diagnosis, not for every start.
    """
    try:
        with open(f"{database}-wal", "rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or not _is_whole(header):
                return 0
            magic, _, page_size, _, salt_1, salt_2, *sums = _HEADER.unpack(header)
            order = ">" if magic & 1 else "<"
            total, good = (sums[0], sums[1]), 0
            number = 0
            while len(frame := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
                number += 1
                page, committed_size, frame_salt_1, frame_salt_2, sum_1, sum_2 = _FRAME.unpack_from(frame)
                total = _checksum(order, frame[:8], total)
                total = _checksum(order, frame[_FRAME.size :], total)
                if not page or (frame_salt_1, frame_salt_2) != (salt_1, salt_2) or total != (sum_1, sum_2):
                    break
                if committed_size:
                    good = number
            return good
    except FileNotFoundError:
        return 0


def set_aside(database: str) -> str:
    """Copy the write-ahead log to a name that nothing else uses; return it. The log itself is left as it is."""
    number = 1
    while os.path.exists(copy := f"{database}-wal.damaged-{number}"):
        number += 1
    shutil.copyfile(f"{database}-wal", copy)
    return copy
