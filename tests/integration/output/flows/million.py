"""Prints as many numbered lines as asked for."""

from asyncflow import FlowSpec, Parameter, step


class Million(FlowSpec):
    lines = Parameter("lines", default=1000)

    @step
    def start(self):
        for number in range(self.lines):
            print(f"line {number}")
        self.printed = self.lines
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Million()
