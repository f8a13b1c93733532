"""A real terminal (a pty) with a command in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Terminal"]

_PATIENCE_S = 30.0
_CONTROL = re.compile(rb"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


class Terminal:
    """Starts `asyncflow ARGS` as the leader of a session on a terminal of its own.

    Args:
        home: The store.
        args: Arguments of the command.
        size: Columns and rows.
        environment: Variables beside those of a terminal.
    """

    def __init__(
        self,
        home: Path,
        args: Sequence[str],
        *,
        size: tuple[int, int] = (100, 30),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.seen = b""
        self._is_stalled = False
        left_out = ("CI", "NO_COLOR", "ASYNCFLOW_UI", "COLUMNS", "LINES")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        kept |= {"ASYNCFLOW_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        kept |= environment or {}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home.parent)
            line = [sys.executable, "-P", "-m", "asyncflow", *args]
            os.execve(sys.executable, line, kept)
        self.resize(size)
        self.code: int | None = None

    def until(self, text: str) -> None:
        """Read until the terminal was sent this text; control sequences are left out."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while text not in self.plain:
            assert time.monotonic() < give_up_at, f"waited for {text!r} and saw {self.plain[-2000:]!r}"
            assert self._read(0.05) or self.code is None, f"it ended before {text!r}: {self.plain[-2000:]!r}"

    @property
    def plain(self) -> str:
        """All it was sent, without control sequences."""
        return _CONTROL.sub(b"", self.seen).decode(errors="replace")

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def forget(self) -> None:
        """Look only at what comes from now on."""
        self.seen = b""

    def send(self, number: signal.Signals) -> None:
        """Send the command a signal."""
        os.kill(self.pid, number)

    def resize(self, size: tuple[int, int]) -> None:
        """Give it other columns and rows."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def stall(self) -> None:
        """Take nothing more of what is written, as with Ctrl-S or a line that does not answer."""
        self._is_stalled = True

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed or a line that is cut."""
        os.close(self.fd)
        self.fd = -1
        self._is_stalled = False

    def end(self) -> int:
        """Wait for the command's end; return its exit code, negative for a signal."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while self.code is None:
            assert time.monotonic() < give_up_at, f"it does not end: {self.plain[-2000:]!r}"
            self._read(0.02)
            self._reap()
        while self._read(0.05):
            pass
        return self.code

    def close(self) -> None:
        """End it all."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def is_sane(self) -> bool:
        """Everything that was switched on in the terminal was switched off again."""
        on = {b"\x1b[?1049h": b"\x1b[?1049l", b"\x1b[?25l": b"\x1b[?25h", b"\x1b[?1003h": b"\x1b[?1003l"}
        on |= {b"\x1b[?2004h": b"\x1b[?2004l"}
        last = self.seen.rfind
        return all(last(off) > last(switch) for switch, off in on.items() if switch in self.seen)

    def _read(self, seconds: float) -> bool:
        if self.fd < 0 or self._is_stalled:
            time.sleep(seconds)
            return False
        if not select.select([self.fd], [], [], seconds)[0]:
            self._reap()
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # nobody has the other end any more
            self._reap()
            return False
        self.seen += data
        return bool(data)

    def _reap(self) -> None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
