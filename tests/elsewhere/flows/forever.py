"""Three jobs; with `FAILING`, the first fails once the others run. Else all run until they are stopped."""

import os
import time
from pathlib import Path

from asyncflow import FlowSpec, batch, step


class Forever(FlowSpec):
    @step
    def start(self):
        self.folder, self.fails = os.environ["FOLDER"], bool(os.environ.get("FAILING"))
        self.items = [0, 1, 2]
        self.next(self.work, foreach="items")

    @batch(memory=128)
    @step
    def work(self):
        here = Path(self.folder, f"{self.input}")
        here.touch()
        try:
            while not (self.fails and self.input == 0 and len(list(here.parent.glob("[0-2]"))) == 3):
                time.sleep(0.1)
        finally:
            here.with_suffix(".over").touch()
        raise ValueError("the first one gives up")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Forever()
