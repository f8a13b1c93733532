"""Ten thousand tasks, one of which prints a million lines."""

import sys

from asyncflow import FlowSpec, step


class ChattyWide(FlowSpec):
    @step
    def start(self):
        self.items = range(10_000)
        self.next(self.talk, self.wide)

    @step
    def talk(self):
        for number in range(1_000_000):
            sys.stdout.write(f"line {number} of very many lines that are printed\n")
        self.next(self.both)

    @step
    def wide(self):
        self.next(self.one, foreach="items")

    @step
    async def one(self):
        self.x = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = len(inputs)
        self.next(self.both)

    @step
    def both(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
