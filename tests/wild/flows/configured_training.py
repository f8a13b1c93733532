"""A Config drives decorators, parameters and steps."""

import numpy as np
from metaflow import Config, FlowSpec, Parameter, config_expr, environment, retry, step, timeout


class ConfiguredTrainingFlow(FlowSpec):
    config = Config("config", default="training.json")
    extra = Config("extra", default_value={"note": "none"})
    epochs = Parameter("epochs", default=config.training.epochs)

    @environment(vars={"OMP_NUM_THREADS": config_expr("str(config.compute.threads)")})
    @retry(times=config.compute.retries)
    @step
    def start(self):
        import os

        self.threads = os.environ["OMP_NUM_THREADS"]
        rng = np.random.default_rng(self.config.training.seed)
        self.x = rng.normal(size=(200, self.config["training"]["features"]))
        self.true = np.arange(1, self.x.shape[1] + 1, dtype=float)
        self.y = self.x @ self.true + rng.normal(0, 0.1, 200)
        self.next(self.train)

    @timeout(seconds=config.compute.limit)
    @step
    def train(self):
        weights = np.zeros(self.x.shape[1])
        self.losses = []
        for _ in range(self.epochs):
            error = self.x @ weights - self.y
            weights -= self.config.training.rate * self.x.T @ error / len(self.y)
            self.losses.append(float((error**2).mean()))
        self.weights = weights
        self.next(self.end)

    @step
    def end(self):
        self.error = float(np.abs(self.weights - self.true).max())
        self.note = self.extra.note
        print(f"{self.epochs} epochs, loss {self.losses[0]:.2f} -> {self.losses[-1]:.4f}, note {self.note}")


if __name__ == "__main__":
    ConfiguredTrainingFlow()
