"""A flow of every kind of step: static branches, nested foreach, switch, async, parameters, config, included file."""

from asyncflow import Config, FlowSpec, IncludeFile, Parameter, current, step


class KindsFlow(FlowSpec):
    """What it makes does not depend on where it runs."""

    factor = Parameter("factor", default=3)
    text = IncludeFile("text", default="words.txt")
    config = Config("config", default_value={"depth": 2})

    @step
    def start(self):
        self.words = self.text.split()
        self.next(self.outer, foreach="words")

    @step
    def outer(self):
        self.word = self.input
        self.letters = list(self.input)[: self.config.depth]
        self.next(self.inner, foreach="letters")

    @step
    def inner(self):
        print(f"letter {self.input} of {self.word} at {[frame.index for frame in self.foreach_stack()]}")
        self.made = self.input * self.factor
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.word_made = "".join(one.made for one in inputs)
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.made = [one.word_made for one in inputs]
        self.big = bytes(300_000)
        self.next(self.middle)

    @step
    def middle(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = "left"
        self.next(self.both)

    @step
    async def right(self):
        self.side = "right"
        self.next(self.both)

    @step
    def both(self, inputs):
        self.sides = sorted(one.side for one in inputs)
        self.merge_artifacts(inputs, exclude=["side"])
        self.which = "even" if len(self.made) % 2 == 0 else "odd"
        self.next(self.choose)

    @step
    def choose(self):
        self.next({"even": self.even, "odd": self.odd}, condition="which")

    @step
    def even(self):
        self.parity = 0
        self.next(self.end)

    @step
    def odd(self):
        self.parity = 1
        self.next(self.end)

    @step
    def end(self):
        self.origin = current.flow_name
        print("made", self.made, self.sides, self.parity)


if __name__ == "__main__":
    KindsFlow()
