"""A flow with every kind of split, a loop, a retry, a caught failure and output."""

import sys

from asyncflow import FlowSpec, Parameter, catch, current, retry, step


class FamilyFlow(FlowSpec):
    """Splits, joins, loops."""

    alpha = Parameter("alpha", default=0.5, type=float)
    is_broken = Parameter("is_broken", default=False, type=bool)

    @step
    def start(self):
        """Begin."""
        print("hello")
        print("oh", file=sys.stderr)
        self.base = [1, 2]
        self._hidden = 1
        self.next(self.left, self.right)

    @step
    def left(self):
        """Split over two items."""
        self.items = ["a", "b"]
        self.next(self.inner, foreach="items")

    @retry(times=1, delay=0)
    @step
    def inner(self):
        """Fail once for the second item."""
        self.letter = self.input
        print("attempt", current.retry_count)
        if self.input == "b" and current.retry_count == 0:
            raise ValueError("bad luck")
        self.next(self.gather)

    @step
    def gather(self, inputs):
        """Join the foreach."""
        self.letters = [task.letter for task in inputs]
        self.next(self.both)

    @catch(var="problem")
    @step
    def right(self):
        """Fail, and be caught."""
        self.rounds = 0
        raise RuntimeError("caught one")
        self.next(self.loop)

    @step
    def loop(self):
        """Go round three times."""
        self.rounds = getattr(self, "rounds", 0) + 1
        self.again = "no" if self.rounds >= 3 else "yes"
        self.next({"yes": self.loop, "no": self.both_ready}, condition="again")

    @step
    def both_ready(self):
        """After the loop."""
        self.next(self.both)

    @step
    def both(self, inputs):
        """Join the branches."""
        self.merge_artifacts(inputs, include=["base"])
        self.next(self.end)

    @step
    def end(self):
        """Fail when asked to."""
        self.total = 3
        if self.is_broken:
            raise KeyError("the end")
