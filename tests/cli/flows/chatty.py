"""One task that prints a lot."""

import sys

from asyncflow import FlowSpec, Parameter, step


class Chatty(FlowSpec):
    lines = Parameter("lines", type=int, default=200_000)

    @step
    def start(self):
        for number in range(self.lines):
            sys.stdout.write(f"line {number} of many, all of them of about this length\n")
        self.next(self.end)

    @step
    def end(self):
        print("\x1b[2J\x1b]0;owned\x07the end")


if __name__ == "__main__":
    Chatty()
