"""A flow whose steps wait until they are let go, so that a test knows where it stands."""

import os
import time

from asyncflow import FlowSpec, step


def journal(line: str) -> None:
    """Note that something has been done."""
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(f"{line}\n")


def wait_for(gate: str) -> None:
    """Wait until a test opens the gate."""
    journal(f"{gate} begins")
    while not os.path.exists(f"{os.environ['JOURNAL']}.{gate}"):
        time.sleep(0.02)


class GatedFlow(FlowSpec):
    """first, second, then it ends."""

    @step
    def start(self):
        print("start prints")
        self.begun = True
        self.big = bytes(200_000)
        self.next(self.first)

    @step
    def first(self):
        print("first prints", flush=True)
        wait_for("first")
        self.one = 1
        self.next(self.second)

    @step
    def second(self):
        print("second prints", flush=True)
        wait_for("second")
        if os.path.exists(f"{os.environ['JOURNAL']}.fail"):
            raise ValueError("told to fail")
        self.two = self.one + 1
        self.next(self.end)

    @step
    def end(self):
        assert len(self.big) == 200_000
        journal("end")


if __name__ == "__main__":
    GatedFlow()
