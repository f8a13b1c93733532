"""Two tasks that sleep, one of which ignores SIGTERM when it is asked to."""

import os
import signal
import time

from asyncflow import FlowSpec, Parameter, step


class Stubborn(FlowSpec):
    ignores = Parameter("ignores", type=bool, default=False)

    @step
    def start(self):
        self.items = [0, 1]
        self.next(self.sleep, foreach="items")

    @step
    def sleep(self):
        if self.ignores and self.input == 1:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", os.getpid(), flush=True)
        time.sleep(60)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Stubborn()
