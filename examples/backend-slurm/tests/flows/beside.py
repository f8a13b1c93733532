"""Two branches, each of which says where it ran; `right` waits for a file in its first attempt."""

import os
import time
from pathlib import Path

from asyncflow import FlowSpec, current, step


class Beside(FlowSpec):
    @step
    def start(self):
        self.items = ["left", "right"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        said = Path(os.environ["SAID"])
        with (said / self.input).open("a") as file:
            file.write(f"{os.environ['SLURMD_NODENAME']} {current.retry_count}\n")
        print(f"{self.input} runs on {os.environ['SLURMD_NODENAME']}")
        while self.input == "right" and current.retry_count == 0 and not (said / "go").exists():
            time.sleep(0.1)
        self.node = os.environ["SLURMD_NODENAME"]
        self.square = len(self.input) ** 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = [one.node for one in inputs]
        self.total = sum(one.square for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"total {self.total}")


if __name__ == "__main__":
    Beside()
