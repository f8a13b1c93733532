"""A static branch of three, one of which branches again."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosBranch(FlowSpec):
    @step
    def start(self):
        begin()
        self.base = 100
        end()
        self.next(self.left, self.middle, self.right)

    @step
    def left(self):
        begin()
        time.sleep(0.05)
        self.value = self.base + 1
        end()
        self.next(self.collect)

    @step
    def middle(self):
        begin()
        self.value = self.base + 2
        end()
        self.next(self.inner_a, self.inner_b)

    @step
    def inner_a(self):
        begin()
        time.sleep(0.02)
        self.part = self.value * 10
        end()
        self.next(self.inner_join)

    @step
    def inner_b(self):
        begin()
        time.sleep(0.06)
        self.part = self.value * 20
        end()
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        begin()
        self.value = [task.part for task in inputs]
        end()
        self.next(self.collect)

    @step
    def right(self):
        begin()
        time.sleep(0.01)
        self.value = self.base + 3
        end()
        self.next(self.collect)

    @step
    def collect(self, inputs):
        begin()
        self.values = [task.value for task in inputs]
        self.merge_artifacts(inputs, include=["base"])
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.base, self.values)
        end()


if __name__ == "__main__":
    ChaosBranch()
