"""Four steps in a row; the third has a bug when nobody is greeted."""

from asyncflow import FlowSpec, Parameter, step


class Letters(FlowSpec):
    """Greet somebody, and count the letters."""

    who = Parameter("who", help="Whom to greet", default="world")
    times = Parameter("times", help="How often", type=int, default=1)

    @step
    def start(self):
        """Set an artifact."""
        self.greeting = f"Hello, {self.who}!"
        self.next(self.repeat)

    @step
    def repeat(self):
        self.text = " ".join([self.greeting] * self.times)
        print(f"greeting {self.times} times")
        self.next(self.measure)

    @step
    def measure(self):
        """Count what was said.

        Divides by how often it was said.
        """
        print("measuring")
        self.mean = len(self.text) / self.times
        self.next(self.end)

    @step
    def end(self):
        print(self.text)


if __name__ == "__main__":
    Letters()
