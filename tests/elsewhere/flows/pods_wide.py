"""A foreach whose tasks are pods; the rest runs beside the scheduler."""

from __future__ import annotations

from asyncflow import FlowSpec, Parameter, kubernetes, retry, step


class WideFlow(FlowSpec):
    width = Parameter("width", default=10)

    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.work, foreach="items")

    @retry(times=2, minutes_between_retries=0)
    @kubernetes(cpu=1, memory=256)
    @step
    def work(self):
        print(f"work on {self.input}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.indices = [one.index for one in inputs]
        print(f"joined {len(self.indices)}")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WideFlow()
