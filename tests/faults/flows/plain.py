"""A foreach whose width, artifacts and output can be made as large as a fault needs."""

import random
import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, Parameter, step


class Plain(FlowSpec):
    width = Parameter("width", default=3)
    kilobytes = Parameter("kilobytes", default=50)
    lines = Parameter("lines", default=10)
    seconds = Parameter("seconds", default=0.0)

    @step
    def start(self):
        begin()
        self.items = list(range(self.width))
        self.first_noise = random.Random(1).randbytes(30_000)
        end()
        self.next(self.work, foreach="items")

    @step
    def work(self):
        begin(self.index)
        self.noise = random.Random(self.index).randbytes(1000 * self.kilobytes)
        time.sleep(self.seconds)
        for number in range(self.lines):
            print(f"work {self.index} says {number} of {self.lines}, and this line is not short at all")
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.sizes = [len(task.noise) for task in inputs]
        self.tails = [task.noise[-4:] for task in inputs]
        self.merge_artifacts(inputs, include=["first_noise"])
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (sum(self.sizes), len(self.first_noise))
        end()


if __name__ == "__main__":
    Plain()
