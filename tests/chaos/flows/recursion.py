"""A step that comes round to itself eight times."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosRecursion(FlowSpec):
    @step
    def start(self):
        begin()
        self.rounds = 0
        self.value = 1
        end()
        self.next(self.turn)

    @step
    def turn(self):
        begin(self.rounds)
        time.sleep(0.02)
        self.value = (self.value * 31 + self.rounds) % 1_000_003
        self.rounds += 1
        self.decision = "again" if self.rounds < 8 else "enough"
        end(self.rounds - 1)
        self.next({"again": self.turn, "enough": self.end}, condition="decision")

    @step
    def end(self):
        begin()
        self.result = (self.rounds, self.value)
        end()


if __name__ == "__main__":
    ChaosRecursion()
