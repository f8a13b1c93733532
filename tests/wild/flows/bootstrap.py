"""A gang, parallel_map, profile, big arrays, del, a generator: the odd corners people use."""

import os

import numpy as np
from metaflow import FlowSpec, Parameter, current, parallel, parallel_map, profile, step


class BootstrapFlow(FlowSpec):
    samples = Parameter("samples", default=50)
    _private_constant = 42

    @step
    def start(self):
        rng = np.random.default_rng(0)
        self.data = rng.normal(5.0, 2.0, size=200_000)
        self.scratch = list(range(1000))
        self.next(self.simulate, num_parallel=3)

    @parallel
    @step
    def simulate(self):
        node = current.parallel.node_index
        rng = np.random.default_rng(node)
        with profile(f"node {node}"):
            picks = rng.choice(self.data, size=(self.samples, 500))
            self.means = picks.mean(axis=1)
        self.node = (node, current.parallel.num_nodes)
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.means = np.concatenate([inp.means for inp in inputs])
        self.nodes = [inp.node for inp in inputs]
        self.data = inputs[0].data
        self.next(self.spread)

    @step
    def spread(self):
        self.data *= 2
        bounds = parallel_map(lambda q: float(np.quantile(self.means, q)), [0.025, 0.975], max_parallel=2)
        self.low, self.high = bounds
        self.scratch = len(self.means)
        del self.means
        self.pid = os.getpid()
        self.next(self.end)

    @step
    def end(self):
        self.doubled = float(self.data.mean())
        print(f"mean {self.doubled / 2:.3f}, 95% between {self.low:.3f} and {self.high:.3f}")


if __name__ == "__main__":
    BootstrapFlow()
