"""A step that asks for twice the memory when it has run out of it."""

from __future__ import annotations

from asyncflow import FlowSpec, OutOfMemory, kubernetes, retry, step


class HungryFlow(FlowSpec):
    @step
    def start(self):
        self.items = [0]
        self.next(self.work, foreach="items")

    @retry(times=1, minutes_between_retries=0, on=(OutOfMemory,), memory="x2")
    @kubernetes(cpu=1, memory=256)
    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    HungryFlow()
