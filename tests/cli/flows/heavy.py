"""A wide flow whose tasks leave files in the store: some the same, some new; it can be told to be slow."""

import os
import time

from asyncflow import FlowSpec, Parameter, step


class Heavy(FlowSpec):
    """Artifacts too large for a manifest."""

    seed = Parameter("seed", default=0)
    nap = Parameter("nap", default=0.0)

    @step
    def start(self):
        self.same = b"the same in every run " * 20_000
        self.own = os.urandom(60_000)
        self.numbers = [bytes([number]) * 70_000 for number in range(8)]
        self.next(self.each, foreach="numbers")

    @step
    def each(self):
        time.sleep(self.nap)
        self.again = self.same[:-1]
        self.made = os.urandom(50_000)
        time.sleep(self.nap)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.made for task in inputs]
        assert all(task.again == inputs[0].same[:-1] for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert len(self.all) == 8
        print("all of them are there")
