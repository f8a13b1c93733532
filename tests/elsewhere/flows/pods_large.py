"""A step that asks for more than any machine has."""

from __future__ import annotations

from asyncflow import FlowSpec, kubernetes, step


class LargeFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work)

    @kubernetes(cpu=9000, memory=256)
    @step
    def work(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LargeFlow()
