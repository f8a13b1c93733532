"""A foreach over thirty items."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosWide(FlowSpec):
    @step
    def start(self):
        begin()
        self.items = [f"item-{number}" for number in range(30)]
        end()
        self.next(self.work, foreach="items")

    @step
    def work(self):
        begin(self.index)
        time.sleep(0.01)
        self.square = self.index**2
        self.name_of_item = self.input
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.total = sum(task.square for task in inputs)
        self.names = [task.name_of_item for task in inputs]
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.total, self.names)
        end()


if __name__ == "__main__":
    ChaosWide()
