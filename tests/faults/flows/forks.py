"""Steps that fork and let the copy leave the step as well: later than the original, with another value, with an error."""

import os
import time

from asyncflow import FlowSpec, step


class Forks(FlowSpec):
    @step
    def start(self):
        self.who = "original"
        if os.fork() == 0:
            self.who = "copy"
            print("the copy leaves the step")
        else:
            os.wait()
            time.sleep(0.1)
        self.next(self.fail)

    @step
    def fail(self):
        if os.fork() == 0:
            raise RuntimeError("the copy fails")
        os.wait()
        self.next(self.die)

    @step
    def die(self):
        if os.fork() != 0:
            os.wait()
            os._exit(3)
        print("the copy is left alone")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Forks()
