"""Every async task calls the server of the test, as soon as it can."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

from asyncflow import FlowSpec, Parameter, concurrency, rate_limit, step

KEY = os.environ["TEST_KEY"]


async def call(path: str) -> None:
    place = urlsplit(os.environ["TEST_URL"])
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    assert b" 200 " in answer
    writer.close()
    await writer.wait_closed()


class AsyncCallsFlow(FlowSpec):
    """A foreach of calls under both kinds of limits."""

    count = Parameter("count", default=40)

    @step
    def start(self) -> None:
        self.items = list(range(self.count))
        self.next(self.slow, self.quick)

    @step
    def slow(self) -> None:
        self.next(self.at_a_time, foreach="items")

    @concurrency(5, key=KEY)
    @step
    async def at_a_time(self) -> None:
        await call("/slow")
        self.next(self.join_slow)

    @step
    def join_slow(self, inputs) -> None:
        self.next(self.both)

    @step
    def quick(self) -> None:
        self.next(self.starts, foreach="items")

    @rate_limit(int(os.environ["TEST_RATE"]), per="second", key=KEY)
    @step
    async def starts(self) -> None:
        await call("/quick")
        self.next(self.join_quick)

    @step
    def join_quick(self, inputs) -> None:
        self.next(self.both)

    @step
    def both(self, inputs) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


if __name__ == "__main__":
    AsyncCallsFlow()
