"""Ten thousand tasks at 250 a second (1,000 events a second), beside one that prints 100,000 lines a second."""

import asyncio
import sys
import time

from asyncflow import FlowSpec, step

SECONDS = 40
LINES_A_SECOND = 100_000
BURST = 1_000


class ChattyPaced(FlowSpec):
    @step
    def start(self):
        self.items = range(10_000)
        self.next(self.talk, self.wide)

    @step
    def talk(self):
        begun = time.monotonic()
        for number in range(0, SECONDS * LINES_A_SECOND, BURST):
            sys.stdout.write("".join(f"line {number + i} of very many\n" for i in range(BURST)))
            time.sleep(max(0.0, begun + number / LINES_A_SECOND - time.monotonic()))
        self.next(self.both)

    @step
    def wide(self):
        self.next(self.one, foreach="items")

    @step
    async def one(self):
        await asyncio.sleep(1)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = len(inputs)
        self.next(self.both)

    @step
    def both(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
