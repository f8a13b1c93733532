"""From the pipes of tasks into their log files, and to whoever watches: as it comes, in bounded memory.

One selector of its own holds all pipes; the event loop watches only that selector. A turn reads every pipe that has
something, once. A task that prints nothing costs no file. Whoever watches is given a bounded amount before it is asked
whether it can take more; until it says so, the pipes that have something are left alone, and their tasks wait.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable

from asyncflow.backends.base import LogSink
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt
from asyncflow.store.failures import write_failure
from asyncflow.store.layout import log_path
from asyncflow.store.logfile import STDERR, STDOUT, stamp, stamp_piece

__all__ = ["PIECE_BYTES", "AttemptLog", "Pipe", "Pump"]

PIECE_BYTES = 1 << 16
"""A line longer than this is written in pieces."""
_READ_BYTES = 1 << 16
_GIVE_BYTES = 1 << 18
"""What the sink is given before it is asked whether it can take more."""
_DRAIN_BYTES = 1 << 24
"""What is read after a task's end, should somebody else still write to its pipe."""
_TRUNCATED = b"[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]\n"
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class AttemptLog:
    """The log file of one attempt, made when its first byte comes."""

    __slots__ = ("_fd", "_path", "attempt")

    def __init__(self, attempt: Attempt, path: str) -> None:
        self.attempt = attempt
        self._path = path
        self._fd = -1

    def write(self, data: bytes) -> None:
        """Append. Raises StoreError if the disk does not take all of it."""
        try:
            if self._fd < 0:
                self._fd = self._open()
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            what = f"The log of attempt {self.attempt.number} of task {self.attempt.task}"
            raise write_failure(error, self._path, what) from error

    def close(self) -> None:
        """Close the file if there is one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            return os.open(self._path, _FLAGS, 0o600)


class Pipe:
    """The reading end of one stream of an attempt."""

    __slots__ = ("fd", "left", "log", "rest", "stream")

    def __init__(self, fd: int, stream: str, log: AttemptLog, most_bytes: int | None = None) -> None:
        self.fd = fd
        """-1: closed."""
        self.stream = stream
        self.log = log
        self.left = most_bytes
        """How much more of it is kept, bytes. None: everything. Below 0: it has been said that no more is."""
        self.rest = b""
        """The beginning of a line whose end has not come yet."""


class Pump:
    """Moves what tasks print.

    Args:
        root: The store's directory.
        run: The run.
        sink: Who watches.
        on_trouble: Called once with a StoreError when a log cannot be written, and without one when the sink
            has been given so much that `resume` must be called before more is read.
        most_log_bytes: How much of each stream of an attempt is kept. None: everything.
    """

    def __init__(
        self,
        root: str,
        run: int,
        sink: LogSink,
        on_trouble: Callable[[StoreError | None], None],
        *,
        most_log_bytes: int | None = None,
    ) -> None:
        self._root = root
        self._run = run
        self._most_log_bytes = most_log_bytes
        self._sink = sink
        self._on_trouble = on_trouble
        self._selector = selectors.DefaultSelector()
        self._given = 0
        self._paused: list[Pipe] = []
        self._held: list[Callable[[], None]] = []
        self._has_failed = False

    def fileno(self) -> int:
        """Return a descriptor that is readable when `turn` has something to do."""
        return self._selector.fileno()

    @property
    def is_paused(self) -> bool:
        """Whether pipes are left alone until the sink is ready."""
        return bool(self._paused or self._held)

    def pipes(self, attempt: Attempt, stdout_fd: int, stderr_fd: int) -> tuple[Pipe, Pipe]:
        """Take over the reading ends of an attempt's pipes; nothing is read before `watch`."""
        log = AttemptLog(attempt, log_path(self._root, self._run, attempt.task, attempt.number))
        most = self._most_log_bytes
        return Pipe(stdout_fd, STDOUT, log, most), Pipe(stderr_fd, STDERR, log, most)

    def fed(self, attempt: Attempt) -> tuple[Pipe, Pipe]:
        """Return what stands for the pipes of an attempt whose output comes by `feed`."""
        return self.pipes(attempt, -1, -1)

    def feed(self, pipe: Pipe, chunk: bytes) -> None:
        """Take bytes of an attempt that has no pipe of its own. Its log is not kept open: there may be thousands."""
        self._take(pipe, chunk)
        pipe.log.close()

    @property
    def is_full(self) -> bool:
        """Whether the sink has been given so much that who feeds should wait (`hold`)."""
        return self._given > _GIVE_BYTES

    def hold(self, go_on: Callable[[], None]) -> None:
        """Call this once the sink is ready again."""
        if not self.is_paused:
            self._on_trouble(None)
        self._held.append(go_on)

    def watch(self, pipes: tuple[Pipe, Pipe]) -> None:
        """Read from now on."""
        for pipe in pipes:
            self._selector.register(pipe.fd, selectors.EVENT_READ, pipe)

    def turn(self) -> None:
        """Read every pipe that has something, once."""
        for key, _ in self._selector.select(0):
            pipe: Pipe = key.data
            if self._given > _GIVE_BYTES:
                self._pause(pipe)
            else:
                self._read(pipe)

    def resume(self) -> None:
        """Go on reading: the sink is ready."""
        self._given = 0
        held, self._held = self._held, []
        for go_on in held:
            go_on()
        paused, self._paused = self._paused, []
        for pipe in paused:
            if pipe.fd >= 0:
                self._selector.register(pipe.fd, selectors.EVENT_READ, pipe)

    def finish(self, pipes: tuple[Pipe, Pipe]) -> None:
        """Read what is left in the pipes of an attempt that has ended, and close them and its log."""
        for pipe in pipes:
            left = _DRAIN_BYTES
            while pipe.fd >= 0 and left > 0:
                count = self._read(pipe)
                if not count:
                    break
                left -= count
            self._end(pipe)
        pipes[0].log.close()

    def close(self) -> None:
        """Release the selector. The pipes are finished before."""
        self._selector.close()

    def _pause(self, pipe: Pipe) -> None:
        self._selector.unregister(pipe.fd)
        if not self.is_paused:
            self._on_trouble(None)
        self._paused.append(pipe)

    def _read(self, pipe: Pipe) -> int:
        """Read once; return how many bytes came: 0 when there is nothing, or the end."""
        try:
            chunk = os.read(pipe.fd, _READ_BYTES)
        except BlockingIOError:
            return 0
        if chunk:
            self._take(pipe, chunk)
        else:
            self._end(pipe)
        return len(chunk)

    def _take(self, pipe: Pipe, chunk: bytes) -> None:
        whole = chunk.rfind(b"\n") + 1
        if whole:
            lines = chunk if whole == len(chunk) else chunk[:whole]
            if pipe.rest:
                lines = pipe.rest + lines
            pipe.rest = chunk[whole:]
            self._keep(pipe, lines)
            self._give(pipe, lines)
        else:
            pipe.rest += chunk
        if len(pipe.rest) >= PIECE_BYTES:
            self._flush(pipe)

    def _end(self, pipe: Pipe) -> None:
        """Write the unfinished line, if there is one, and close."""
        if pipe.rest:
            self._flush(pipe)
        if pipe.fd < 0:
            return
        if pipe.fd in self._selector.get_map():
            self._selector.unregister(pipe.fd)
        os.close(pipe.fd)
        pipe.fd = -1

    def _flush(self, pipe: Pipe) -> None:
        if pipe.left is None or pipe.left >= len(pipe.rest):
            self._write(pipe, stamp_piece(pipe.rest, time.time(), pipe.stream))
            pipe.left = None if pipe.left is None else pipe.left - len(pipe.rest)
        else:
            self._truncate(pipe)
        self._give(pipe, pipe.rest + b"\n")
        pipe.rest = b""

    def _keep(self, pipe: Pipe, lines: bytes) -> None:
        """Write whole lines, as many as may be kept."""
        if pipe.left is not None and len(lines) > pipe.left:
            lines = lines[: lines.rfind(b"\n", 0, max(pipe.left, 0)) + 1]
            if lines:
                self._write(pipe, stamp(lines, time.time(), pipe.stream))
            self._truncate(pipe)
            return
        self._write(pipe, stamp(lines, time.time(), pipe.stream))
        if pipe.left is not None:
            pipe.left -= len(lines)

    def _truncate(self, pipe: Pipe) -> None:
        """Say once that no more is kept."""
        if pipe.left is not None and pipe.left >= 0:
            self._write(pipe, stamp(_TRUNCATED, time.time(), pipe.stream))
            pipe.left = -1

    def _give(self, pipe: Pipe, lines: bytes) -> None:
        self._given += len(lines)
        self._sink.lines(pipe.log.attempt, pipe.stream, lines)

    def _write(self, pipe: Pipe, data: bytes) -> None:
        if self._has_failed:
            return
        try:
            pipe.log.write(data)
        except StoreError as error:
            self._has_failed = True
            self._on_trouble(error)
