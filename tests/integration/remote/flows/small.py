"""A flow with a bit of everything that is kept: artifacts small and large, a foreach, a join, output."""

import os

from asyncflow import FlowSpec, Parameter, step


def journal(line: str) -> None:
    """Note that something has been done."""
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(f"{line}\n")


class SmallFlow(FlowSpec):
    """Adds numbers."""

    factor = Parameter("factor", default=2)

    @step
    def start(self):
        print("start prints")
        self.small = {"a": 1}
        self.large = list(range(100_000))
        self.numbers = [1, 2, 3]
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        journal(f"work {self.input}")
        print(f"work prints {self.input}")
        self.product = self.input * self.factor
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.product for one in inputs)
        self.merge_artifacts(inputs, exclude=["product"])
        self.next(self.end)

    @step
    def end(self):
        print(f"the total is {self.total}")


if __name__ == "__main__":
    SmallFlow()
