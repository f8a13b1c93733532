"""A server that counts: how many calls it answers at a time, and how many came in any window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Counts", "counting_server"]

ANSWER_S = 0.05


@dataclass
class Counts:
    """What the server saw."""

    url: str = ""
    now: int = 0
    most: int = 0
    """Most calls to `/slow` at a time."""
    slow: int = 0
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    quick: list[float] = field(default_factory=list)
    """When calls to `/quick` came."""

    async def wait_for_slow(self, count: int) -> None:
        """Wait until so many calls to `/slow` have come."""
        async with self.came:
            await self.came.wait_for(lambda: self.slow >= count)

    def most_within(self, window_s: float) -> int:
        """Most calls to `/quick` in any window of this length."""
        times = sorted(self.quick)
        return max(sum(1 for at in times[i:] if at - times[i] < window_s) for i in range(len(times)))


@asynccontextmanager
async def counting_server() -> AsyncIterator[Counts]:
    """Serve on a free port of this machine."""
    counts = Counts()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET /quick"):
            counts.quick.append(time.monotonic())
        else:
            counts.slow += 1
            counts.now += 1
            counts.most = max(counts.most, counts.now)
            async with counts.came:
                counts.came.notify_all()
            await asyncio.sleep(ANSWER_S)
            counts.now -= 1
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        counts.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield counts
