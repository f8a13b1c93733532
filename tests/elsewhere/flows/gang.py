"""A gang of three, elsewhere."""

import time

from asyncflow import FlowSpec, batch, current, parallel, step


class Gang(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)

    @batch(memory=128)
    @parallel
    @step
    def train(self):
        time.sleep(current.parallel.node_index)  # the first one is ready first
        self.place = (current.parallel.node_index, current.parallel.num_nodes)
        self.next(self.join)

    @step
    def join(self, inputs):
        print("places:", sorted(one.place for one in inputs))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Gang()
