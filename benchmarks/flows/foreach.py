"""A foreach as wide as --width, one artifact each, and a join that adds them up."""

from asyncflow import FlowSpec, Parameter, step


class ForeachFlow(FlowSpec):
    width = Parameter("width", type=int, default=100)

    @step
    def start(self):
        self.numbers = list(range(self.width))
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.result = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.result for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.total == sum(number**2 for number in range(self.width))
        print(self.total)


if __name__ == "__main__":
    ForeachFlow()
