"""Four steps in a row: what a flow looks like, and what a parameter and an artifact are.

asyncflow run examples/hello.py
asyncflow run examples/hello.py --who Ada --times 3
asyncflow run examples/hello.py --times 0        fails: `measure` forgot that nobody may be greeted at all
"""

from asyncflow import FlowSpec, Parameter, step


class HelloFlow(FlowSpec):
    """Greet somebody, count the letters, tell the result."""

    who = Parameter("who", help="Whom to greet", default="world")
    times = Parameter("times", help="How often", type=int, default=1)

    @step
    def start(self):
        """Set an artifact: whatever is put on self is kept, and the next step has it."""
        self.greeting = f"Hello, {self.who}!"
        self.next(self.repeat)

    @step
    def repeat(self):
        """Use it in another process."""
        self.text = " ".join([self.greeting] * self.times)
        self.next(self.measure)

    @step
    def measure(self):
        """Count what was said."""
        self.letters = sum(character.isalpha() for character in self.text)
        self.per_greeting = self.letters / self.times
        self.next(self.end)

    @step
    def end(self):
        """Say it."""
        print(self.text)
        print(f"{self.letters} letters, {self.per_greeting:.0f} a greeting")


if __name__ == "__main__":
    HelloFlow()
