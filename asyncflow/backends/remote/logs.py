"""What attempts in containers print, on the scheduler's side: from pieces in the store to log files and watchers.

Pieces of all attempts are found with one request: their keys begin with the time. Each attempt's pieces are put in
order by their numbers; the last ones come with the result.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import aclosing

import anyio

from asyncflow.backends.base import LogSink
from asyncflow.machine.ids import Attempt
from asyncflow.store.failures import write_failure
from asyncflow.store.layout import log_path
from asyncflow.store.left import Left
from asyncflow.store.logfile import parse
from asyncflow.store.objects import Objects
from asyncflow.store.s3.keys import LogKey, log_key, logs_after, logs_prefix, parse_log_key

__all__ = ["RemoteLogs"]

_SLACK_MS = 15_000
"""Clocks of workers may differ by so much from one another, and a piece may take so long to be written."""
_AT_ONCE = 16
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class RemoteLogs:
    """The logs of a run's attempts in containers.

    Args:
        objects: The run's store.
        home: The scheduler's store, where log files are.
        run: The run.
        sink: Told of lines as they come.
    """

    def __init__(self, objects: Objects, home: str, run: int, sink: LogSink) -> None:
        self._objects = objects
        self._home = home
        self._run = run
        self._sink = sink
        self._logs: dict[Attempt, _Log] = {}
        self._seen: dict[str, int] = {}
        """Keys that were read, with their time, as far back as the slack reaches."""
        self._newest_ms: int | None = None
        self._reading = anyio.Lock()
        """Held while what is new is read: who ends a log has then read what was found before."""

    def open(self, attempt: Attempt, at: float) -> None:
        """Begin to look for what an attempt prints; `at` is when it may have begun, seconds since the epoch."""
        if attempt not in self._logs:
            self._logs[attempt] = _Log(log_path(self._home, self._run, *attempt))
            at_ms = int(at * 1000)
            self._newest_ms = at_ms if self._newest_ms is None else min(self._newest_ms, at_ms)

    async def catch_up(self) -> list[Attempt]:
        """Read what is new; return the attempts that gave a sign of life. Raises StoreError."""
        async with self._reading:
            return await self._read_new()

    async def _read_new(self) -> list[Attempt]:
        begun_ms = newest_ms = self._newest_ms or 0
        after = logs_after(self._run, max(0, newest_ms - _SLACK_MS))
        fresh: list[tuple[str, LogKey]] = []
        async with aclosing(self._objects.list(logs_prefix(self._run), after=after)) as found:
            async for info in found:
                key = parse_log_key(info.key)
                if key is None or info.key in self._seen:
                    continue
                newest_ms = max(newest_ms, key.at_ms)
                if Attempt(key.task, key.attempt) in self._logs:  # of others it may be opened later
                    self._seen[info.key] = key.at_ms
                    fresh.append((info.key, key))
        if self._newest_ms == begun_ms:  # else one was opened meanwhile that has begun before
            self._newest_ms = newest_ms
        self._seen = {key: at for key, at in self._seen.items() if at >= newest_ms - 2 * _SLACK_MS}
        await self._take(fresh)
        return [Attempt(key.task, key.attempt) for _, key in fresh]

    async def finish(self, attempt: Attempt, left: Left | None) -> None:
        """Read what is missing of the log of an attempt that has ended, and close it. Raises StoreError."""
        if attempt not in self._logs:
            return
        if left is None:
            await self.catch_up()
        log = self._logs.get(attempt)
        if log is None:
            return  # it was ended meanwhile
        if left is not None:
            keys = [LogKey(at, *attempt, number) for number, at in enumerate(left.stamps)]
            await self._take([(log_key(self._run, key), key) for key in keys if not log.has(key.piece)])
        if self._logs.pop(attempt, None) is None:
            return
        self._give(attempt, log, log.rest())
        if left is not None and left.log:
            self._give(attempt, log, log.write(left.log))

    async def _take(self, pieces: Sequence[tuple[str, LogKey]]) -> None:
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def read(key: str, of: LogKey) -> None:
            async with limiter:
                received = await self._objects.get(key)
            log = self._logs.get(Attempt(of.task, of.attempt))
            if received is not None and log is not None:
                self._give(Attempt(of.task, of.attempt), log, log.add(of.piece, received.data))

        if pieces:
            async with anyio.create_task_group() as group:
                for key, of in pieces:
                    group.start_soon(read, key, of)
        await self._sink.wait_ready()

    def _give(self, attempt: Attempt, log: _Log, data: bytes) -> None:
        """Show lines as they stand in the log."""
        for line in parse(log.lines_of(data)):
            self._sink.lines(attempt, line.stream, line.text + b"\n")


class _Log:
    """One attempt's log file, and the pieces that are waiting for those before them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._next = 0
        self._early: dict[int, bytes] = {}
        self._bytes_known = _size(path)
        """What an earlier driver has written of it: the same bytes come again and are skipped."""
        self._bytes_seen = 0
        self._begun = b""
        """The beginning of a line of which the rest is in the next piece."""

    def lines_of(self, data: bytes) -> list[bytes]:
        """Return the lines that end in what was written; a piece may end within one. Only a newline ends a line."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        return lines

    def has(self, piece: int) -> bool:
        """Tell whether a piece was added."""
        return piece < self._next or piece in self._early

    def add(self, piece: int, data: bytes) -> bytes:
        """Take a piece; return what was written: it, and those that waited for it. Nothing if it was taken before."""
        if self.has(piece):
            return b""
        self._early[piece] = data
        written = b""
        while self._next in self._early:
            written += self.write(self._early.pop(self._next))
            self._next += 1
        return written

    def rest(self) -> bytes:
        """Write the pieces that wait for one that will not come any more."""
        written = b"".join(self.write(self._early[piece]) for piece in sorted(self._early))
        self._early.clear()
        return written

    def write(self, data: bytes) -> bytes:
        """Append to the file what is not in it; return that. Raises StoreError."""
        skipped = min(len(data), max(0, self._bytes_known - self._bytes_seen))
        self._bytes_seen += len(data)
        data = data[skipped:]
        if data:
            _append(self._path, data)
        return data


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _append(path: str, data: bytes) -> None:
    try:
        try:
            fd = os.open(path, _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            fd = os.open(path, _FLAGS, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
    except OSError as error:
        raise write_failure(error, path, "A task's log") from error
