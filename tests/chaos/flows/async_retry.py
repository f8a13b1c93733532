"""Coroutines and plain steps side by side, that fail at first and are tried again; there are tries enough for kills."""

import asyncio
import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, current, retry, step


class ChaosAsyncRetry(FlowSpec):
    @retry(times=40, minutes_between_retries=0)
    @step
    def start(self):
        begin()
        self.items = list(range(12))
        end()
        self.next(self.flaky, foreach="items")

    @retry(times=40, minutes_between_retries=0)
    @step
    async def flaky(self):
        begin(self.index)
        await asyncio.sleep(0.02 * (1 + self.index % 4))
        if current.retry_count < self.index % 3:
            raise RuntimeError(f"item {self.index} fails its try {current.retry_count}")
        self.value = self.input * 7
        end(self.index)
        self.next(self.plain)

    @retry(times=40, minutes_between_retries=0)
    @step
    def plain(self):
        begin(self.index)
        time.sleep(0.01)
        self.doubled = self.value * 2
        end(self.index)
        self.next(self.join)

    @retry(times=40, minutes_between_retries=0)
    @step
    async def join(self, inputs):
        begin()
        self.values = [task.doubled for task in inputs]
        end()
        self.next(self.end)

    @retry(times=40, minutes_between_retries=0)
    @step
    async def end(self):
        begin()
        self.result = self.values
        end()


if __name__ == "__main__":
    ChaosAsyncRetry()
