"""Sends what an attempt prints to the run's store while it runs: pieces of its log file, every few seconds.

A piece without text is a sign of life. Pieces are named by time, so that a scheduler finds what is new of all attempts
with one request.
"""

from __future__ import annotations

import logging
import os
import time

import anyio
import anyio.to_thread

from asyncflow.backends.remote.scratch import Scratch
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt
from asyncflow.store.layout import log_path
from asyncflow.store.s3.keys import LogKey, log_key

__all__ = ["HEARTBEAT_S", "LogSender"]

HEARTBEAT_S = 30.0
"""A worker that prints nothing gives a sign of life that often."""
_FIRST_S, _LONGEST_S = 0.5, 5.0
_GROWTH = 0.02
"""Pieces become rarer with the time that the attempt has taken: 5 s apart after four minutes."""
_LOOK_S = 0.1
_PIECE_BYTES = 1 << 20
"""A log that has grown by so much is sent at once, in pieces of that size."""

_log = logging.getLogger(__name__)


class LogSender:
    """One attempt's log on its way.

    Args:
        scratch: The attempt's store.
        run: The run.
        attempt: The attempt.
        server_ahead_s: By how much the store's clock is ahead of this machine's, seconds.
    """

    def __init__(self, scratch: Scratch, run: int, attempt: Attempt, *, server_ahead_s: float) -> None:
        self._scratch = scratch
        self._run = run
        self._attempt = attempt
        self._ahead_s = server_ahead_s
        self._path = log_path(scratch.root, run, *attempt)
        self._sent_bytes = 0
        self.stamps: list[int] = []
        """When each piece was written."""

    async def keep(self) -> None:
        """Send until cancelled; a piece that cannot be sent now is sent with the next one."""
        started = sent = time.monotonic()
        while True:
            await anyio.sleep(_LOOK_S)
            now = time.monotonic()
            size = _size(self._path) - self._sent_bytes
            every_s = min(_LONGEST_S, _FIRST_S + (now - started) * _GROWTH)
            is_due = size > 0 and (now - sent >= every_s or size >= _PIECE_BYTES)
            if is_due or now - sent >= HEARTBEAT_S:
                with anyio.CancelScope(shield=True):  # what is being written is to be known as written
                    await anyio.to_thread.run_sync(self._send)
                sent = time.monotonic()

    def rest(self) -> bytes:
        """Return what was not sent; blocks. What is more than a piece is sent first. Raises StoreError."""
        while _size(self._path) - self._sent_bytes > _PIECE_BYTES:
            self._send_piece(_read(self._path, self._sent_bytes))
        return _read(self._path, self._sent_bytes)

    def _send(self) -> None:
        try:
            self._send_piece(_read(self._path, self._sent_bytes))
        except StoreError as error:
            _log.warning("a piece of the log was not sent: %s", error)

    def _send_piece(self, data: bytes) -> None:
        at_ms = int((time.time() + self._ahead_s) * 1000)
        key = LogKey(at_ms, *self._attempt, len(self.stamps))
        self._scratch.objects.put(log_key(self._run, key), data)
        self.stamps.append(at_ms)
        self._sent_bytes += len(data)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _read(path: str, offset: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(_PIECE_BYTES)
    except FileNotFoundError:
        return b""
