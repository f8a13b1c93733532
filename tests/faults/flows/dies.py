"""Its first task dies without a word."""

import os
import signal

from asyncflow import FlowSpec, step


class Plain(FlowSpec):
    @step
    def start(self):
        os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Plain()
