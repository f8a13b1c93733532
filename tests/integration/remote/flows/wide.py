"""A wide foreach whose tasks note that they run, and wait until they are let go."""

import os
import time

from asyncflow import FlowSpec, Parameter, current, step


def journal(line: str) -> None:
    """Note that something has been done."""
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(f"{line}\n")


class WideFlow(FlowSpec):
    """Squares numbers."""

    width = Parameter("width", default=10)

    @step
    def start(self):
        self.numbers = list(range(self.width))
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        journal(f"work {self.input} {current.retry_count}")
        print(f"number {self.input}", flush=True)
        gates = [
            f"{os.environ['JOURNAL']}.{gate}" for gate in ("all", "even" if self.input % 2 == 0 else "odd")
        ]
        while not any(os.path.exists(gate) for gate in gates):
            time.sleep(0.2)
        self.square = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.square for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WideFlow()
