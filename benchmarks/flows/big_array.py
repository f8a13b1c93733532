"""A large NumPy array goes out of one step and into the next; the flow times the way between."""

import time

from asyncflow import FlowSpec, Parameter, step


class ArrayFlow(FlowSpec):
    megabytes = Parameter("megabytes", type=int, default=512)

    @step
    def start(self):
        import numpy as np

        self.array = np.random.default_rng(0).random(self.megabytes * 2**20 // 8)
        self.checksum = float(self.array.sum())
        self.made_at = time.time()
        self.next(self.use)

    @step
    def use(self):
        array = self.array
        ready_at = time.time()
        began = time.perf_counter()
        assert float(array.sum()) == self.checksum
        # Pages that are mapped, not read, are read by the first sum: the second sum tells what adding alone costs.
        first_s = time.perf_counter() - began
        began = time.perf_counter()
        assert float(array.sum()) == self.checksum
        second_s = time.perf_counter() - began
        print(f"WAY_S {ready_at - self.made_at + max(0.0, first_s - second_s):.6f}")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ArrayFlow()
