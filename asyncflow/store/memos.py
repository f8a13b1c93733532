"""Where results lie by what they were made of: for each step's code a file of lines, appended by the tasks themselves.

    memos/<base>        a line a result: KEY RUN TASK ATTEMPT MADE_AT READ READ ...

Each line is written with a line break in front, too, so that one that was cut off spoils no other.

A hint and no more: what a line names is looked at before it is used, a line that cannot be read is skipped, and without
the file everything runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from asyncflow.store.digests import is_digest
from asyncflow.store.failures import write_failure
from asyncflow.store.files import publish, temporary, unlink_quietly, write_all
from asyncflow.store.layout import memo_path, memos_directory

__all__ = ["Memo", "Memos", "forget_runs", "note"]

_LONGEST_LINE = 64 << 10
_MANY_LINES = 5000
_REPEATED = 4
"""A file with so many lines for each result is written anew."""


class Memo(NamedTuple):
    """A result that may be taken over: where its manifest is, and how old it is."""

    run: int
    task: int
    attempt: int
    made_at: float
    """When the task ran whose result it is, seconds since the epoch."""


def note(root: str, base: str, key: str, memo: Memo, reads: Sequence[str]) -> None:
    """Append a result. One that read what has no plain name is not noted. Raises StoreError."""
    line = " ".join((key, *map(str, memo[:3]), f"{memo.made_at:.3f}", *reads))
    if any(len(read.split()) != 1 for read in reads) or len(line) > _LONGEST_LINE:
        return
    path = memo_path(root, base)
    try:
        _append(path, f"\n{line}\n".encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise write_failure(error, path, "What a result was made of") from error


def _append(path: str, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, flags, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


class Memos:
    """Reads the results of one step's code; of a file that grew it reads what is new."""

    def __init__(self, root: str, base: str) -> None:
        self._path = memo_path(root, base)
        self._position = 0
        self._inode = 0
        self._root = root
        self._lines = 0
        self._found: dict[str, Memo] = {}
        self._reads: dict[tuple[str, ...], None] = {}

    def reads(self) -> Iterable[tuple[str, ...]]:
        """Return what tasks with this code read, each set once, the latest first. Blocks."""
        self._refresh()
        return reversed(self._reads)

    def find(self, key: str) -> Memo | None:
        """Return the latest result with that key, as of the last call of `reads`."""
        return self._found.get(key)

    def _refresh(self) -> None:
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._position:
                    self._inode, self._position, self._lines = status.st_ino, 0, 0
                    self._found.clear()
                    self._reads.clear()
                if status.st_size == self._position:
                    return
                file.seek(self._position)
                data = file.read()
        except OSError:
            return  # nothing was noted yet, or it cannot be read: then everything runs
        self._take_all(data)

    def _take_all(self, data: bytes) -> None:
        whole = data.rfind(b"\n") + 1
        self._position += whole
        for line in filter(None, data[:whole].decode("utf-8", "replace").split("\n")):
            self._lines += 1
            self._take(line)
        if self._lines > _MANY_LINES and self._lines > _REPEATED * len(self._found):
            self._lines = 0
            with suppress(OSError):  # it is as good as before
                _rewrite(self._root, self._path, lambda run: True)

    def _take(self, line: str) -> None:
        parsed = _parsed(line)
        if parsed is not None:
            key, memo, reads = parsed
            self._found[key] = memo
            self._reads.pop(reads, None)
            self._reads[reads] = None


def _parsed(line: str) -> tuple[str, Memo, tuple[str, ...]] | None:
    """Read a line; None for one that was cut off or damaged."""
    try:
        key, run, task, attempt, made_at, *reads = line.split(" ")
        if not is_digest(key):
            return None
        return key, Memo(int(run), int(task), int(attempt), float(made_at)), tuple(reads)
    except ValueError:
        return None


def forget_runs(root: str, is_there: Callable[[int], bool]) -> None:
    """Remove the lines of runs that are no more. A line appended meanwhile may be lost: a task more runs, once.

    Raises StoreError.
    """
    directory = memos_directory(root)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        path = f"{directory}/{name}"
        try:
            _rewrite(root, path, is_there)
        except OSError as error:
            raise write_failure(error, path, "What results were made of") from error


def _rewrite(root: str, path: str, is_there: Callable[[int], bool]) -> None:
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines(keepends=True)
    kept: dict[str, str] = {}
    for line in lines:
        parsed = _parsed(line.rstrip("\n"))
        if parsed is not None and is_there(parsed[1].run):
            kept.pop(parsed[0], None)
            kept[parsed[0]] = line
    if not kept:
        os.unlink(path)
    elif len(kept) < len(lines):
        fd, written = temporary(root)
        try:
            write_all(fd, ["".join(kept.values()).encode("utf-8", "backslashreplace")])
            os.close(fd)
            publish(written, path)
        except BaseException:
            unlink_quietly(written)
            raise
