"""A wide foreach whose tasks run elsewhere; the rest runs with the scheduler. `WIDTH` and `FOLDER` are for tests."""

import os

from asyncflow import FlowSpec, batch, environment, step


class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(int(os.environ.get("WIDTH", "3"))))
        self.next(self.work, foreach="items")

    @batch(memory=128)
    @environment(vars={"FOLDER": os.environ.get("FOLDER", "")})
    @step
    def work(self):
        self.double = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.double for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("the total is", self.total)


if __name__ == "__main__":
    Wide()
