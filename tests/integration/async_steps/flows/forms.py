"""Async and plain steps in every graph form."""

import asyncio
import logging
import os
import sys

import anyio.to_thread

from asyncflow import FlowSpec, catch, current, environment, retry, step, timeout

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")


async def deeper(word: str) -> None:
    await asyncio.sleep(0)
    print(f"awaited code says {word}")


class Forms(FlowSpec):
    @step
    async def start(self):
        self.pids = [os.getpid()]
        self.next(self.left, self.right)

    @step
    async def left(self):
        self.items = ["a", "b", "c"]
        self.next(self.each, foreach="items")

    @retry(times=1)
    @step
    async def each(self):
        await deeper(self.input)
        logging.info("logged %s", self.input)
        await anyio.to_thread.run_sync(lambda: print(f"thread of {current.task_id} says {self.input}"))
        print(f"to stderr: {self.input}", file=sys.stderr)
        if self.input == "b" and current.retry_count == 0:
            raise ConnectionError("the first time")
        self.word = self.input * 2
        self.pid = os.getpid()
        self.seen = current.pathspec
        self.next(self.gathered)

    @step
    def gathered(self, inputs):
        self.words = [branch.word for branch in inputs]
        self.pids = sorted({branch.pid for branch in inputs})
        self.paths = [branch.seen for branch in inputs]
        self.own_pid = os.getpid()
        self.next(self.meet)

    @step
    async def right(self):
        self.way = "short"
        self.next({"short": self.short, "long": self.long}, condition="way")

    @environment(vars={"SECRET_PLACE": "here"})
    @step
    async def short(self):
        self.place = os.environ["SECRET_PLACE"]
        self.next(self.alone)

    @step
    def long(self):
        self.next(self.alone)

    @step(isolation="process")
    async def alone(self):
        await asyncio.sleep(0)
        self.alone_pid = os.getpid()
        self.next(self.late)

    @catch(var="problem")
    @timeout(seconds=0.2)
    @step
    async def late(self):
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            print("cleaned up")
        self.next(self.meet)

    @step
    async def meet(self, inputs):
        self.has_place = "SECRET_PLACE" in os.environ
        self.place = inputs.right.place if hasattr(inputs, "right") else inputs[1].place
        self.words = inputs[0].words
        self.pids, self.own_pid, self.paths = inputs[0].pids, inputs[0].own_pid, inputs[0].paths
        self.alone_pid = inputs[1].alone_pid
        self.problem = str(inputs[1].problem)
        self.next(self.end)

    @step
    async def end(self):
        print("done", self.words)
