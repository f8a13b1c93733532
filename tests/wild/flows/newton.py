"""A loop: a switch step that comes back to itself until the answer is good enough."""

from metaflow import FlowSpec, Parameter, current, step


class NewtonFlow(FlowSpec):
    number = Parameter("number", default=2.0, type=float)
    digits = Parameter("digits", default=10)

    @step
    def start(self):
        self.guess = self.number
        self.history = [self.guess]
        self.state = "again"
        self.next(self.improve)

    @step
    def improve(self):
        self.guess = (self.guess + self.number / self.guess) / 2
        self.history = self.history + [self.guess]
        error = abs(self.guess**2 - self.number)
        self.state = "done" if error < 10**-self.digits else "again"
        print(f"task {current.task_id}: {self.guess} ({error:.1e})")
        self.next({"again": self.improve, "done": self.tell}, condition="state")

    @step
    def tell(self):
        self.rounds = len(self.history) - 1
        self.next(self.end)

    @step
    def end(self):
        print(f"the root of {self.number} is {self.guess:.{self.digits}f}, after {self.rounds} rounds")


if __name__ == "__main__":
    NewtonFlow()
