"""Many finished tasks, then a step that fails until BENCH_HEALED is set; it tells when it began."""

import os
import time

from asyncflow import FlowSpec, Parameter, step


class ResumeFlow(FlowSpec):
    width = Parameter("width", type=int, default=10_000)

    @step
    def start(self):
        self.numbers = range(self.width)
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        self.result = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.count = sum(1 for _ in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"BEGAN_AT {time.time():.6f}")
        if "BENCH_HEALED" not in os.environ:
            raise RuntimeError("not yet")


if __name__ == "__main__":
    ResumeFlow()
