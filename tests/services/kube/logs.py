"""What containers wrote, line by line with the time of each."""

from __future__ import annotations

import asyncio
import time


class Log:
    """One container's output."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, bytes]] = []
        self.is_closed = False
        self._partial = b""
        self._grown = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Add output as it comes."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        now = time.time()
        self.lines.extend((now, line + b"\n") for line in whole)
        self._tell()

    def close(self) -> None:
        """Say that nothing will follow."""
        if self._partial:
            self.lines.append((time.time(), self._partial))
            self._partial = b""
        self.is_closed = True
        self._tell()

    async def wait(self) -> None:
        """Wait until there is more, or the end."""
        await self._grown.wait()

    def tail(self, lines: int, size: int) -> str:
        """Return the last lines, at most `size` bytes of them."""
        return b"".join(line for _, line in self.lines[-lines:])[-size:].decode(errors="replace")

    def _tell(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class Logs:
    """The output of all containers, by their pod's uid and their name."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], list[Log]] = {}

    def open(self, uid: str, container: str) -> Log:
        """Start the log of a container that starts."""
        log = Log()
        kept = self._logs.setdefault((uid, container), [])
        kept.append(log)
        del kept[:-2]  # as a kubelet: this one, and the one before it
        return log

    def find(self, uid: str, container: str, *, previous: bool = False) -> Log | None:
        """Return a container's log, or that of the container before its last restart."""
        kept = self._logs.get((uid, container), [])
        if previous:
            return kept[-2] if len(kept) > 1 else None
        return kept[-1] if kept else None

    def forget(self, uid: str) -> None:
        """Drop a pod's logs."""
        for key in [key for key in self._logs if key[0] == uid]:
            del self._logs[key]
