"""The log of an attempt: both streams in one file, each line stamped with when it was read and where it came from.

A line is `<seconds since the epoch, UTC, 6 decimals> <o|e>[+] <text>`. `o` is stdout, `e` is stderr; `+` says that
the text is a piece without a newline at its end: the next line of the same stream goes on where it stops. The text is
the task's own bytes, whatever they are; only the newline has a meaning. A file that is still written to may end in the
middle of a line, which is then not yet read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from asyncflow.errors import StoreError
from asyncflow.store.failures import read_failure, write_failure
from asyncflow.store.files import publish, temporary, write_all

__all__ = ["STDERR", "STDOUT", "LogLine", "parse", "read_log", "scrub_log", "stamp", "stamp_piece"]

STDOUT = "stdout"
STDERR = "stderr"

_CODES = {STDOUT: b"o", STDERR: b"e"}
_STREAMS = {b"o": (STDOUT, True), b"e": (STDERR, True), b"o+": (STDOUT, False), b"e+": (STDERR, False)}
_READ_BYTES = 1 << 20


class LogLine(NamedTuple):
    """One line of a task, or a piece of a very long one."""

    at: float
    """When it was read from the task, seconds since the epoch."""
    stream: str
    """`stdout` or `stderr`."""
    text: bytes
    """Without the newline. Any bytes."""
    is_whole: bool
    """False: the text has no newline at its end, and the stream's next line goes on with it."""
    end: int
    """Position in the file after this line; where to read on from."""


def stamp(chunk: bytes, at: float, stream: str) -> bytes:
    """Return whole lines of a task as lines of its log; `chunk` is not empty and ends with a newline."""
    prefix = b"%.6f %s " % (at, _CODES[stream])
    lines = chunk.replace(b"\n", b"\n" + prefix)
    return prefix + lines[: -len(prefix)]


def stamp_piece(piece: bytes, at: float, stream: str) -> bytes:
    """Return a part of a line, without its newline, as a line of the log."""
    return b"%.6f %s+ %s\n" % (at, _CODES[stream], piece)


def parse(lines: Iterable[bytes], *, position: int = 0) -> Iterator[LogLine]:
    """Read lines of a log; what is not stamped as it should be is taken as text of stdout.

    Args:
        lines: Each with its newline.
        position: Where the first one begins in its file.
    """
    at = 0.0
    for line in lines:
        position += len(line)
        stamped, _, rest = line.rstrip(b"\n").partition(b" ")
        code, has_text, text = rest.partition(b" ")
        known = _STREAMS.get(code)
        try:
            at = float(stamped)
        except ValueError:
            known = None
        if known is None or not has_text:
            yield LogLine(at, STDOUT, line.rstrip(b"\n"), True, position)
        else:
            yield LogLine(at, known[0], text, known[1], position)


def read_log(path: str, *, position: int = 0) -> Iterator[LogLine]:
    """Yield what a log holds from a position on; nothing if the task has printed nothing (there is no file then).

    To follow a log, call again with the `end` of the last line; a line still being written is left for that call.
    Memory is bounded whatever the file's size. Raises StoreError if the file cannot be read.
    """
    try:
        with open(path, "rb", buffering=_READ_BYTES) as file:
            file.seek(position)
            yield from parse(_finished(file), position=position)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(error, path) from error


def _finished(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out a last line that has no newline yet."""
    return (line for line in lines if line.endswith(b"\n"))


def _unreadable(error: OSError, path: str) -> StoreError:
    return read_failure(error, path, "A task's log")


def scrub_log(root: str, path: str, streams: Collection[str]) -> bool:
    """Write a log anew, with one line that says so in place of all that these streams had; False: there is no log.

    Raises StoreError.
    """
    try:
        if not os.path.exists(path):
            return False
        fd, written = temporary(root)
        try:
            write_all(fd, list(_scrubbed(path, streams)))
        finally:
            os.close(fd)
        publish(written, path)
    except OSError as error:
        raise write_failure(error, path, "A log") from error
    return True


def _scrubbed(path: str, streams: Collection[str]) -> Iterator[bytes]:
    hidden: dict[str, None] = {}
    for line in read_log(path):
        if line.stream not in streams:
            yield (
                stamp(line.text + b"\n", line.at, line.stream)
                if line.is_whole
                else stamp_piece(line.text, line.at, line.stream)
            )
        elif line.stream not in hidden:
            hidden[line.stream] = None
            yield stamp(f"[REDACTED {line.stream}]\n".encode(), line.at, line.stream)
