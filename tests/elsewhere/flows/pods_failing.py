"""A step in a pod that succeeds, then one that fails."""

from __future__ import annotations

from asyncflow import FlowSpec, kubernetes, step


class FailingFlow(FlowSpec):
    @kubernetes(cpu=1, memory=256)
    @step
    def start(self):
        self.next(self.work)

    @kubernetes(cpu=1, memory=256)
    @step
    def work(self):
        raise ValueError("no such column: price")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailingFlow()
