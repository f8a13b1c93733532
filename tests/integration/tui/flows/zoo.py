"""A flow with everything the dashboard shows: splits, a loop, retries, a failure, and hostile text everywhere."""

import sys
import time

from asyncflow import FlowSpec, Parameter, catch, current, retry, step

HOSTILE = "\x1b[31mred\x1b[0m \x1b]52;c;aGk=\x07 \x1b]8;;http://evil\x1b\\link [bold]markup[/bold] [link=x] \u202ertl \x00nul"


class ZooFlow(FlowSpec):
    """Everything."""

    mode = Parameter("mode", default="good")
    seconds = Parameter("seconds", type=float, default=0.0)

    @step
    def start(self):
        """Begin."""
        print("first line")
        print(HOSTILE)
        for number in range(200):
            print(f"line {number} of the start")
        print("ERROR: something looks wrong", file=sys.stderr)
        self.hostile = HOSTILE
        self.numbers = list(range(1000))
        self.next(self.left, self.right)

    @step
    def left(self):
        """Split."""
        self.items = [HOSTILE, "two", "three"]
        self.next(self.each, foreach="items")

    @retry(times=2, delay=0)
    @step
    def each(self):
        """Fail once, or for good."""
        print("each", self.index, "attempt", current.retry_count)
        time.sleep(self.seconds)
        if self.index == 1 and current.retry_count == 0:
            raise ValueError("once")
        if self.index == 2 and self.mode == "bad":
            raise KeyError(HOSTILE)
        self.word = f"word {self.index}"
        self.next(self.gather)

    @step
    def gather(self, inputs):
        """Join."""
        self.words = [one.word for one in inputs]
        self.next(self.both)

    @catch(var="problem")
    @step
    def right(self):
        """Be caught, then loop."""
        self.rounds = 0
        raise RuntimeError("caught")
        self.next(self.loop)

    @step
    def loop(self):
        """Go round twice."""
        self.rounds = getattr(self, "rounds", 0) + 1
        self.more = "yes" if self.rounds < 2 else "no"
        self.next({"yes": self.loop, "no": self.ready}, condition="more")

    @step
    def ready(self):
        """After the loop."""
        self.next(self.both)

    @step
    def both(self, inputs):
        """Join both."""
        self.next(self.end)

    @step
    def end(self):
        """End."""
        self.result = "done"
