"""A flow all of whose steps are cached; what its helpers do is changed by the tests."""

import os

import memo_helpers
from memo_helpers import double

from asyncflow import FlowSpec, Parameter, cache, current, retry, step


def note(text):
    with open("ran.txt", "a") as file:
        file.write(text + "\n")


class MemoFlow(FlowSpec):
    width = Parameter("width", default=3)
    unread = Parameter("unread", default=1)
    who = Parameter("who", default="ada")

    @cache
    @step
    def start(self):
        note("start")
        self.items = list(range(self.width))
        self.label = "x"
        self.next(self.work, foreach="items")

    @cache
    @step
    def work(self):
        note(f"work {self.input}")
        self.made = double(self.input)
        self.next(self.join)

    @cache
    @step
    def join(self, inputs):
        note("join")
        self.total = sum(one.made for one in inputs)
        self.merge_artifacts(inputs, exclude=["made"])
        self.next(self.split)

    @cache
    @step
    def split(self):
        note("split")
        self.next(self.left, self.right)

    @cache
    @step
    def left(self):
        note("left")
        self.greeting = f"hello {self.who}"
        self.next(self.meet)

    @cache(version="1")
    @step
    def right(self):
        note("right")
        self.next(self.meet)

    @cache
    @step
    def meet(self, inputs):
        note("meet")
        self.greeting = inputs.left.greeting
        self.total = inputs[1].total
        self.next(self.files)

    @cache(files=["data.txt"], env=["FLAVOUR"])
    @step
    def files(self):
        note("files")
        self.flavour = os.environ.get("FLAVOUR", "plain")
        self.next(self.tries)

    @cache
    @retry(times=1)
    @step
    def tries(self):
        note("tries")
        if not os.path.exists("tried"):
            open("tried", "w").close()
            raise ValueError("once")
        self.next(self.never)

    @cache(ttl=0)
    @step
    def never(self):
        note("never")
        self.next(self.named)

    @cache
    @step
    def named(self):
        note("named")
        self.run = current.run_id
        self.next(self.ignoring)

    @cache(ignore=["run"])
    @step
    def ignoring(self):
        note("ignoring")
        self.seen = (self.run, self.greeting)
        self.next(self.end)

    @cache
    @step
    def end(self):
        note("end")
        self.bill = memo_helpers.bill(self.total)


if __name__ == "__main__":
    MemoFlow()
