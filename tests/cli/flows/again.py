"""A task that fails and waits ten minutes for its next try, beside one that waits for the file `go`."""

import os
import time

from asyncflow import FlowSpec, current, retry, step


class Again(FlowSpec):
    """Fails once."""

    @step
    def start(self):
        self.next(self.flaky, self.calm)

    @retry(times=1, delay=600)
    @step
    def flaky(self):
        print("try", current.retry_count, flush=True)
        if current.retry_count == 0:
            raise ValueError("not yet")
        self.next(self.both)

    @step
    def calm(self):
        while not os.path.exists("go"):
            time.sleep(0.02)
        self.next(self.both)

    @step
    def both(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Again()
