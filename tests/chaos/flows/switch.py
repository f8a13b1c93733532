"""A switch inside a foreach: each item takes its own way, and all come together."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosSwitch(FlowSpec):
    @step
    def start(self):
        begin()
        self.items = list(range(6))
        end()
        self.next(self.look, foreach="items")

    @step
    def look(self):
        begin(self.index)
        self.number = self.input
        self.kind = "even" if self.number % 2 == 0 else "odd"
        end(self.index)
        self.next({"even": self.halve, "odd": self.triple}, condition="kind")

    @step
    def halve(self):
        begin(self.index)
        time.sleep(0.02)
        self.number //= 2
        end(self.index)
        self.next(self.settle)

    @step
    def triple(self):
        begin(self.index)
        time.sleep(0.04)
        self.number *= 3
        end(self.index)
        self.next(self.settle)

    @step
    def settle(self):
        begin(self.index)
        self.outcome = (self.kind, self.number)
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.outcomes = [task.outcome for task in inputs]
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = self.outcomes
        end()


if __name__ == "__main__":
    ChaosSwitch()
