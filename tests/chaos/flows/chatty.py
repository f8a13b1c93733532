"""Tasks that print thousands of lines on both streams while they are killed."""

import sys
import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosChatty(FlowSpec):
    @step
    def start(self):
        begin()
        self.items = [1, 2, 3]
        end()
        self.next(self.talk, foreach="items")

    @step
    def talk(self):
        begin(self.index)
        for number in range(4000):
            print(f"talk {self.index} line {number}")
            if number % 1000 == 0:
                print(f"talk {self.index} aside {number}", file=sys.stderr)
                time.sleep(0.01)
        self.spoken = 4000
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.total = sum(task.spoken for task in inputs)
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = self.total
        print("last words")
        end()


if __name__ == "__main__":
    ChaosChatty()
