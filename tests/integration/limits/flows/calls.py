"""Every task calls the server of the test, as soon as it can."""

from __future__ import annotations

import os
import time
from urllib.request import urlopen

from asyncflow import FlowSpec, Parameter, concurrency, rate_limit, step

KEY = os.environ["TEST_KEY"]


class CallsFlow(FlowSpec):
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
    def at_a_time(self) -> None:
        with urlopen(os.environ["TEST_URL"] + "/slow") as response:
            assert response.status == 200
        self.next(self.join_slow)

    @step
    def join_slow(self, inputs) -> None:
        self.next(self.both)

    @step
    def quick(self) -> None:
        self.next(self.starts, foreach="items")

    @rate_limit(int(os.environ["TEST_RATE"]), per="second", key=KEY)
    @step
    def starts(self) -> None:
        with urlopen(os.environ["TEST_URL"] + "/quick") as response:
            assert response.status == 200
        self.next(self.join_quick)

    @step
    def join_quick(self, inputs) -> None:
        self.next(self.both)

    @step
    def both(self, inputs) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        time.sleep(0)


if __name__ == "__main__":
    CallsFlow()
