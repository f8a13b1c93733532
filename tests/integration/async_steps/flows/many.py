"""A foreach over many async tasks that write down when they begin and end, and hold on until a file appears."""

import asyncio
import os

from asyncflow import FlowSpec, Parameter, retry, step


def note(text: str) -> None:
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{text}\n")


def is_open() -> bool:
    return os.path.exists(os.environ["GATE"])


class Many(FlowSpec):
    width = Parameter("width", default=500)
    quick = Parameter("quick", default=0, help="So many end at once, and are not held on.")
    pace = Parameter("pace", default=0.05)

    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.hold, foreach="items")

    @retry(times=2)
    @step
    async def hold(self):
        note(f"begin {self.input} {os.getpid()}")
        while self.input >= self.quick and not is_open():  # noqa: ASYNC110 - another process opens
            await asyncio.sleep(self.pace)
        self.square = self.input**2
        note(f"end {self.input}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(branch.square for branch in inputs)
        print("total", self.total)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Many()
