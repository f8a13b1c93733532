"""Four steps in a row, one small artifact."""

from asyncflow import FlowSpec, step


class Hello4Flow(FlowSpec):
    @step
    def start(self):
        self.message = "hello"
        self.next(self.second)

    @step
    def second(self):
        self.next(self.third)

    @step
    def third(self):
        self.next(self.end)

    @step
    def end(self):
        print(self.message)


if __name__ == "__main__":
    Hello4Flow()
