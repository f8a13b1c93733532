"""A window on the log of an attempt, of any size: lines by their position in the file, nothing is ever read as a whole.

A position is the offset of a line's first byte. The file is mapped, so opening 2 GB costs nothing; it may grow.
"""

from __future__ import annotations

import itertools
import mmap
import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from asyncflow.store.logfile import STDERR, parse
from asyncflow.text import visible_bytes

__all__ = ["LINE_BYTES", "LogFile", "Shown"]

LINE_BYTES = 4096
"""Of a longer line the beginning is shown."""
_CHUNK = 1 << 20
_STAMP = re.compile(rb"[0-9.]+ [oe]\+? ")


class Shown(NamedTuple):
    """One line, ready for the screen."""

    position: int
    at: float
    """When it was printed; 0 when that is not known."""
    is_error: bool
    """Printed to stderr."""
    text: str
    """Nothing in it is obeyed by a terminal."""
    cut_bytes: int
    """How much of the line is not shown."""


class LogFile:
    """The lines of a log file, which may not be there yet.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self.end = 0
        """Where the last whole line ends."""
        self.refresh()

    def refresh(self) -> bool:
        """Look whether the file has grown; tell whether it has. A line still being written is left for later."""
        try:
            size = os.path.getsize(self.path)
        except OSError:
            return False
        mapped = 0 if self._map is None else len(self._map)
        if size == 0 or size == mapped:
            return False
        self.close()
        with open(self.path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        before = self.end
        self.end = self._map.rfind(b"\n") + 1
        return self.end != before

    def close(self) -> None:
        """Let go of the file."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def line_at(self, position: int) -> Shown | None:
        """Return the line that begins at a position, None at the end."""
        data = self._map
        if data is None or not 0 <= position < self.end:
            return None
        stop = data.find(b"\n", position, min(self.end, position + LINE_BYTES))
        cut = 0
        if stop < 0:
            stop = min(self.end, position + LINE_BYTES)
            cut = self.next_of(position) - 1 - stop
        raw = data[position:stop]
        found = next(parse([raw + b"\n"]))
        text = visible_bytes(found.text).decode("utf-8", "backslashreplace").expandtabs(8)
        return Shown(position, found.at, found.stream == STDERR, text, max(0, cut))

    def next_of(self, position: int) -> int:
        """Return the position of the line after this one; `end` after the last."""
        data = self._map
        if data is None or position >= self.end:
            return self.end
        stop = data.find(b"\n", position, self.end)
        return self.end if stop < 0 else stop + 1

    def before(self, position: int) -> int:
        """Return the position of the line before this one; 0 for the first."""
        data = self._map
        if data is None or position <= 0:
            return 0
        return data.rfind(b"\n", 0, min(position, self.end) - 1) + 1

    def start_of(self, offset: int) -> int:
        """Return the position of the line that an offset is in."""
        data = self._map
        if data is None:
            return 0
        return data.rfind(b"\n", 0, max(0, min(offset, self.end))) + 1

    def back(self, position: int, count: int) -> int:
        """Return the position `count` lines earlier, or 0."""
        for _ in range(count):
            if position <= 0:
                break
            position = self.before(position)
        return position

    def find(
        self, pattern: re.Pattern[bytes], position: int, *, backwards: bool, is_stopped: Callable[[], bool]
    ) -> int | None:
        """Return the position of the next line (or the one before) with a match, from a line on; None if there is none.

        Blocking: reads the file in pieces of a megabyte until there is one, or until it is stopped.
        """
        pieces = self._pieces_back(position) if backwards else self._pieces(position)
        for start, piece in pieces:
            if is_stopped():
                return None
            found = list(itertools.islice(_lines_with(pattern, piece), None if backwards else 1))
            if found:
                return start + found[-1]
        return None

    def matches(self, pattern: re.Pattern[bytes], position: int, most: int) -> Iterator[list[int]]:
        """Yield positions of lines with a match, a list for each megabyte, at most `most` in all.

        The same line stands in one list once. Blocking.
        """
        for start, piece in self._pieces(position):
            found = [start + offset for offset in itertools.islice(_lines_with(pattern, piece), most)]
            yield found
            most -= len(found)
            if most <= 0:
                return

    def _pieces(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield whole lines, a megabyte or one line at a time, from a position on."""
        data = self._map
        while data is not None and position < self.end:
            stop = data.rfind(b"\n", position, min(self.end, position + _CHUNK)) + 1
            stop = stop or min(self.next_of(position), self.end)
            yield position, data[position:stop]
            position = stop

    def _pieces_back(self, position: int) -> Iterator[tuple[int, bytes]]:
        data = self._map
        while data is not None and position > 0:
            start = self.start_of(max(0, position - _CHUNK)) if position > _CHUNK else 0
            start = min(start, self.before(position))
            yield start, data[start:position]
            position = start


def _lines_with(pattern: re.Pattern[bytes], piece: bytes) -> Iterator[int]:
    """Yield the offsets of lines whose text (or whose stamp, together with it) matches, each once."""
    at = 0
    while (hit := pattern.search(piece, at)) is not None:
        start = piece.rfind(b"\n", 0, hit.start()) + 1
        stop = piece.find(b"\n", hit.start())
        stop = len(piece) if stop < 0 else stop
        stamp = _STAMP.match(piece, start, stop)
        if stamp is None or hit.end() > stamp.end() or pattern.search(piece[stamp.end() : stop]):
            yield start
        at = stop + 1
        if at > len(piece):
            return
