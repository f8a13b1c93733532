"""A foreach over async tasks that each wait and store an artifact; with `--wait 0 --store no` they do nothing."""

import asyncio

from asyncflow import FlowSpec, Parameter, step


class AsyncForeach(FlowSpec):
    width = Parameter("width", default=1000)
    wait = Parameter("wait", default=0.1)
    store = Parameter("store", default="yes")

    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.work, foreach="items")

    @step
    async def work(self):
        if self.wait:
            await asyncio.sleep(self.wait)
        if self.store == "yes":
            self.value = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.width_seen = len(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    AsyncForeach()
