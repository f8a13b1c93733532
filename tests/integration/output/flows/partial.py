"""Prints progress bars, half lines, and ends without a newline."""

import sys
import time

from asyncflow import FlowSpec, step


class Partial(FlowSpec):
    @step
    def start(self):
        for number in range(5):
            sys.stdout.write(f"\rprogress {number}")
            sys.stdout.flush()
            time.sleep(0.05)
        sys.stdout.write("\nhalf a ")
        sys.stdout.flush()
        time.sleep(0.3)
        sys.stdout.write("line\n\n")
        sys.stdout.write("no newline at the end")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Partial()
