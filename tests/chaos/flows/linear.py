"""Five steps in a row, each adding to what it was given."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, Parameter, step


class ChaosLinear(FlowSpec):
    seed = Parameter("seed", default=7)

    @step
    def start(self):
        begin()
        self.total = self.seed
        self.trail = ["start"]
        time.sleep(0.03)
        end()
        self.next(self.double)

    @step
    def double(self):
        begin()
        self.total *= 2
        self.trail.append("double")
        time.sleep(0.03)
        end()
        self.next(self.describe)

    @step
    def describe(self):
        begin()
        self.text = f"total is {self.total}"
        self.trail.append("describe")
        time.sleep(0.03)
        end()
        self.next(self.check)

    @step
    def check(self):
        begin()
        self.is_even = self.total % 2 == 0
        time.sleep(0.03)
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.total, self.text, tuple(self.trail), self.is_even)
        end()


if __name__ == "__main__":
    ChaosLinear()
