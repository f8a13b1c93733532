"""One thread writes what a run shows, so that a slow terminal or a full pipe never holds up the event loop.

What is put is queued; the thread takes all there is and writes it in one call, at most a hundred times a second. When
more than `HIGH_BYTES` wait, log lines are held back where they come from (`wait_ready`). Lines that cannot be held
back are dropped beyond `MOST_BYTES`, and how many is said later: the log files and the event log have them all.
A reader that left (a closed pipe) is no reason to stop a run: from then on everything is dropped, quietly.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

import anyio

__all__ = ["HIGH_BYTES", "MOST_BYTES", "Writer", "file_sink"]

HIGH_BYTES = 4 << 20
MOST_BYTES = 64 << 20
_BREATH_S = 0.01

Sink = Callable[[bytes], None]
"""Writes all of its argument, however long that takes. Raises OSError when nobody reads any more."""


class Writer:
    """Queues bytes for one stream. `put` and `wait_ready` belong to one thread; the thread begins at the first `put`.

    Args:
        sink: Where the bytes go.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._chunks: deque[bytes] = deque()
        self._put_bytes = 0
        self._done_bytes = 0
        self._dropped = 0
        self._is_broken = False
        self._is_closing = False
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pending_bytes(self) -> int:
        """How much waits to be written."""
        return self._put_bytes - self._done_bytes

    @property
    def is_broken(self) -> bool:
        """Nobody reads any more."""
        return self._is_broken

    def put(self, data: bytes) -> None:
        """Queue whole lines. Never waits."""
        if self._is_broken or not data:
            return
        if self.pending_bytes > MOST_BYTES:
            self._dropped += data.count(b"\n")
            return
        if self._dropped:
            data = b"... %d lines are not shown here: the screen is too slow ...\n" % self._dropped + data
            self._dropped = 0
        self._chunks.append(data)
        self._put_bytes += len(data)
        self._news.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="asyncflow-writer", daemon=True)
            self._thread.start()

    async def wait_ready(self) -> None:
        """Wait until there is room for more. Safe to cancel."""
        if self.pending_bytes > HIGH_BYTES:
            while self.pending_bytes > HIGH_BYTES // 2 and not self._is_broken:  # noqa: ASYNC110 - set by a thread
                await anyio.sleep(_BREATH_S)

    def close(self) -> None:
        """Write what is queued, and end the thread. Blocks as long as the stream's reader does."""
        self._is_closing = True
        self._hurry.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            is_last = self._is_closing
            self._write_all()
            if is_last:
                return
            self._hurry.wait(_BREATH_S)

    def _write_all(self) -> None:
        while self._chunks:
            chunks = [self._chunks.popleft() for _ in range(len(self._chunks))]
            data = b"".join(chunks)
            try:
                if not self._is_broken:
                    self._sink(data)
            except (OSError, ValueError):
                self._is_broken = True
            self._done_bytes += len(data)


def file_sink(stream: TextIO) -> Sink:
    """Return what writes to a stream's file, past its buffers: a thread that ends late holds no lock of theirs."""
    stream.flush()
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        return lambda data: _write_to_memory(stream, data)
    return lambda data: _write_to_file(number, data)


def _write_to_memory(stream: TextIO, data: bytes) -> None:
    stream.buffer.write(data)
    stream.flush()


def _write_to_file(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except BlockingIOError:  # whoever we share it with made it non-blocking
            select.select([], [number], [])
