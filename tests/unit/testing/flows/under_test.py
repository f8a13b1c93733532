"""Flows that tests run in their own process."""

import asyncio
import threading

from asyncflow import FlowSpec, Parameter, catch, current, retry, step, timeout


class OrderFlow(FlowSpec):
    """All that a step may do."""

    factor = Parameter("factor", type=int, default=2)
    flaky = Parameter("flaky", type=int, default=0)

    @step
    def start(self):
        """Split."""
        self.items = ["a", "b", "c"]
        self.next(self.work, self.aside)

    @step
    def work(self):
        """Split again."""
        self.next(self.each, foreach="items")

    @retry(times=3, delay=60)
    @timeout(seconds=1)
    @step
    def each(self):
        """Fail as often as asked."""
        if current.retry_count < self.flaky:
            raise ConnectionError(f"try {current.retry_count}")
        self.said = f"{self.index}{self.input}" * self.factor
        self.next(self.gather)

    @step
    def gather(self, inputs):
        """Join the items."""
        self.all = [one.said for one in inputs]
        self.next(self.both)

    @catch(var="problem")
    @step
    async def aside(self):
        """Be a coroutine, and fail."""
        await asyncio.sleep(0)
        self.rounds = 0
        if self.factor == 0:
            raise ZeroDivisionError("nothing to do")
        self.next(self.loop)

    @step
    def loop(self):
        """Go round."""
        self.rounds = getattr(self, "rounds", 0) + 1
        self.more = "yes" if self.rounds < 3 else "no"
        self.next({"yes": self.loop, "no": self.ready}, condition="more")

    @step
    def ready(self):
        """After the loop."""
        self.next(self.both)

    @step
    def both(self, inputs):
        """Join the branches."""
        self.total = (inputs.gather.all, inputs.ready.rounds)
        self.merge_artifacts(inputs, include=["items"])
        self.next(self.end)

    @step
    def end(self):
        """End."""


class LaterFlow(OrderFlow):
    """Inherits every step."""

    extra = Parameter("extra", default="x")


class StoringFlow(FlowSpec):
    """Stores what cannot be stored."""

    @step
    def start(self):
        """Set a lock."""
        self.lock = threading.Lock()
        self.next(self.end)

    @step
    def end(self):
        """End."""


class ThreadFlow(FlowSpec):
    """Says where it runs."""

    @step
    def start(self):
        """Say it."""
        self.thread = threading.get_ident()
        self.next(self.end)

    @step
    def end(self):
        """End."""


def make_local_flow():
    """Return a flow of which no module knows."""

    class LocalFlow(FlowSpec):
        @step
        def start(self):
            self.x = 1
            self.next(self.end)

        @step
        def end(self):
            pass

    return LocalFlow
