"""What an async worker tells the scheduler: gathered, and written once a turn of the loop.

Bounded: when the scheduler reads slowly, whoever writes waits, and with it the loop. Any thread may write.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable

from asyncflow.backends.local.wire import Told, told

__all__ = ["AsyncOutbox"]

_MOST_BYTES = 1 << 20
"""More than this is not kept: who writes waits until half of it has gone."""
_SOON_BYTES = 1 << 13
"""With this much the scheduler need not wait for the end of the turn, which may be long when a thousand tasks begin."""


class AsyncOutbox:
    """The sending half of a worker's socket.

    Args:
        control: Stream socket to the scheduler, non-blocking.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._out = bytearray()
        self._printed: dict[tuple[int, int], bytearray] = {}
        """By token and stream, what has not become a frame yet."""
        self._printed_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._is_scheduled = False
        self._has_writer = False
        self.is_waiting = False
        """Somebody waits for the scheduler to read."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop it writes from."""
        return self._loop

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write from this loop, and in its thread, from now on."""
        self._loop = loop
        self._loop_thread = threading.get_ident()

    def tell(self, kind: Told, token: int, body: bytes = b"") -> None:
        """Send a message, after everything that was printed under its token."""
        with self._lock:
            self._frame_prints(token)
            self._out += told(kind, token, body)
            if len(self._out) > _SOON_BYTES and not self._has_writer:
                self._send()
            self._check()

    def write(self, token: int, stream: int, data: bytes) -> None:
        """Send what was printed; `stream` is 1 or 2. See `async_streams.Write`."""
        with self._lock:
            buffer = self._printed.get((token, stream))
            if buffer is None:
                buffer = self._printed[token, stream] = bytearray()
            buffer += data
            self._printed_bytes += len(data)
            self._check()

    def flush(self) -> None:
        """Send as much as the socket takes now. Any thread."""
        with self._lock:
            self._is_scheduled = False
            self._frame_all()
            self._send()
            self._watch()

    def _check(self) -> None:
        """See that a flush will come; wait if there is too much already."""
        if len(self._out) + self._printed_bytes > _MOST_BYTES:
            self._frame_all()
            self._wait()
        if self._is_scheduled or self._loop is None:
            return
        self._is_scheduled = True
        schedule: Callable[..., object] = self._loop.call_soon
        if threading.get_ident() != self._loop_thread:
            schedule = self._loop.call_soon_threadsafe
        schedule(self.flush)

    def _frame_prints(self, token: int) -> None:
        for stream in (1, 2):
            data = self._printed.pop((token, stream), None)
            if data is not None:
                self._printed_bytes -= len(data)
                self._out += told(Told.STDOUT if stream == 1 else Told.STDERR, token, data)

    def _frame_all(self) -> None:
        for token, _ in list(self._printed):
            self._frame_prints(token)

    def _send(self) -> None:
        try:
            while self._out:
                sent = self._control.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            return
        except ConnectionError:
            os._exit(1)  # the scheduler is gone, and with it the sense of everything here

    def _watch(self) -> None:
        """Let the loop tell when the socket takes more, if there is more."""
        if bool(self._out) == self._has_writer or self._loop is None:
            return
        if threading.get_ident() != self._loop_thread:
            if not self._has_writer:
                self._loop.call_soon_threadsafe(self.flush)
            return
        self._has_writer = bool(self._out)
        if self._has_writer:
            self._loop.add_writer(self._control, self.flush)
        else:
            self._loop.remove_writer(self._control)

    def _wait(self) -> None:
        """Send until half of what may be kept is gone, however long it takes."""
        self.is_waiting = True
        poll = select.poll()
        poll.register(self._control, select.POLLOUT)
        self._send()
        while len(self._out) > _MOST_BYTES // 2:
            poll.poll()
            self._send()
        self.is_waiting = False
