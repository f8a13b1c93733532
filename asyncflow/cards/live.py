"""What a running task's cards show: one small file an attempt, replaced as a whole; the protocol for who watches.

    runs/<run>/<task // 1000>/<task>.<attempt>.cards        (`store.layout.live_cards_path`)

- The file is written by the task when `current.card.refresh()` is called, at most every `refresh_interval` seconds;
  calls in between are answered by one write at the end of the interval, so the last state always gets out.
- It is replaced by a rename: a reader sees a whole file, old or new, and never waits. A new one has a new inode;
  `stamp_of` tells cheaply whether there is one. To wait without asking, watch the directory (inotify: IN_MOVED_TO).
- It has all cards of the attempt. `Live.number` grows with each write; each card has the digest of its body, so who
  draws only what changed compares digests, then nodes.
- It is removed when the attempt has left its manifest, which then names the finished cards. An attempt that died
  leaves it: that is what was seen last.
- Of a task on another machine the same file is what its store has: whoever mirrors it writes it by `write_live`.

In a file: `AFL1`, then one msgpack array: version, number, time, cards; a card is the array of `CardRecord` with its
body inline, never in a blob.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import msgpack

from asyncflow.errors import StoreError
from asyncflow.store.failures import read_failure
from asyncflow.store.files import publish, temporary, unlink_quietly, write_all
from asyncflow.store.layout import live_cards_path
from asyncflow.store.manifest import CardRecord

__all__ = ["Live", "Stamp", "read_live", "remove_live", "stamp_of", "write_live"]

_MAGIC = b"AFL1"
_VERSION = 1
_FIELDS = len(CardRecord._fields)


class Live(NamedTuple):
    """What the cards of an attempt show."""

    number: int
    """Counts the writes of the attempt."""
    at: float
    """When it was written, seconds since the epoch."""
    cards: tuple[CardRecord, ...]
    """In the order of the decorators; bodies inline."""


class Stamp(NamedTuple):
    """Which version of the file is there: another stamp means another content."""

    inode: int
    changed_ns: int
    size_bytes: int


def stamp_of(root: str, run: int, task: int, attempt: int) -> Stamp | None:
    """Return which version is there; None: the attempt shows nothing (yet, or any more)."""
    try:
        status = os.stat(live_cards_path(root, run, task, attempt))
    except OSError:
        return None
    return Stamp(status.st_ino, status.st_mtime_ns, status.st_size)


def read_live(root: str, run: int, task: int, attempt: int) -> Live | None:
    """Return what an attempt shows; None: nothing (yet, or any more).

    Raises:
        StoreError: It cannot be read, or is of a newer release.
    """
    path = live_cards_path(root, run, task, attempt)
    what = f"What the cards of task {task} show"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise read_failure(error, path, what) from error
    try:
        return _live(data)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StoreError(f"{what} cannot be read from {path}: {error}") from error


def write_live(root: str, key: tuple[int, int, int], live: Live) -> None:
    """Replace what an attempt (run, task, number) shows. Raises OSError."""
    body: Any = msgpack.packb([_VERSION, live.number, live.at, live.cards])
    fd, path = temporary(root)
    try:
        try:
            write_all(fd, [_MAGIC, body])
        finally:
            os.close(fd)
        publish(path, live_cards_path(root, *key))
    except OSError:
        unlink_quietly(path)
        raise


def remove_live(root: str, key: tuple[int, int, int]) -> None:
    """Remove what an attempt showed; a file that cannot be removed stays and harms nobody."""
    unlink_quietly(live_cards_path(root, *key))


def _live(data: bytes) -> Live:
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin as such a file does")
    version, number, at, cards, *_ = msgpack.unpackb(memoryview(data)[4:], use_list=False)
    if version != _VERSION:
        raise ValueError(f"it is of version {version}, of a newer release")
    return Live(int(number), float(at), tuple(CardRecord(*card[:_FIELDS]) for card in cards))
