"""Artifacts of megabytes: bytes that do not compress, an array, one inherited through a join."""

import random

import numpy as np
from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosBig(FlowSpec):
    @step
    def start(self):
        begin()
        self.noise = random.Random(11).randbytes(3_000_000)
        self.items = [1, 2, 3]
        end()
        self.next(self.grow, foreach="items")

    @step
    def grow(self):
        begin(self.index)
        self.array = np.arange(400_000, dtype=np.float64) * self.input
        self.piece = random.Random(self.index).randbytes(700_000)
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.total = sum(float(task.array.sum()) for task in inputs)
        self.pieces = [task.piece for task in inputs]
        self.merge_artifacts(inputs, include=["noise"])
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.total, sum(map(len, self.pieces)), len(self.noise))
        end()


if __name__ == "__main__":
    ChaosBig()
