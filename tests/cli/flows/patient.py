"""Three tasks that say they are ready and wait for a file."""

import os
import time

from asyncflow import FlowSpec, concurrency, rate_limit, step


class Patient(FlowSpec):
    """Waits for the file `go`."""

    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.wait, foreach="items")

    @concurrency(7, key="gate")
    @rate_limit(100, per="second", key="gate")
    @step
    def wait(self):
        print("ready", os.getpid(), flush=True)
        while not os.path.exists("go"):
            time.sleep(0.02)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Patient()
