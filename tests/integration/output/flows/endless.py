"""Prints one line of as many megabytes as asked for, and no newline."""

import sys

from asyncflow import FlowSpec, Parameter, step


class Endless(FlowSpec):
    megabytes = Parameter("megabytes", default=1)

    @step
    def start(self):
        for _ in range(self.megabytes):
            sys.stdout.write("x" * 1_000_000)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Endless()
