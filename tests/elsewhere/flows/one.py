"""One step that runs as a job and takes two seconds. `CPU`, `MEMORY` and `GPU` are for tests."""

import os
import time

from asyncflow import FlowSpec, batch, step


class One(FlowSpec):
    @step
    def start(self):
        self.next(self.work)

    @batch(
        cpu=int(os.environ.get("CPU", "1")),
        memory=int(os.environ.get("MEMORY", "128")),
        gpu=int(os.environ.get("GPU", "0")),
    )
    @step
    def work(self):
        print("it begins", flush=True)
        time.sleep(2)
        self.next(self.end)

    @step
    def end(self):
        print("it has ended")


if __name__ == "__main__":
    One()
