"""A foreach with a retry, a step whose process dies and is caught, a switch; and artifacts of many kinds."""

import os
import sys

from asyncflow import FlowSpec, catch, current, retry, step


class Point:
    def __init__(self, x):
        self.x = x

    def __repr__(self):
        return f"Point({self.x})"


class Broken:
    def __repr__(self):
        raise RuntimeError("no")


class Shapes(FlowSpec):
    @step
    def start(self):
        self.items = ["a", "b"]
        self.next(self.work, foreach="items")

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        print(f"item {self.input}, attempt {current.retry_count}")
        print("to stderr", file=sys.stderr)
        if self.input == "b" and current.retry_count == 0:
            raise ValueError("not yet")
        self.result = self.input.upper()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [task.result for task in inputs]
        self.point = Point(3)
        self.broken = Broken()
        self.large = "x" * 5000
        self._secret = 1
        self.next(self.dies)

    @catch(var="failure")
    @step
    def dies(self):
        os._exit(3)
        self.next(self.choose)

    @step
    def choose(self):
        self.way = "left"
        self.next({"left": self.left, "right": self.right}, condition="way")

    @step
    def left(self):
        self.next(self.end)

    @step
    def right(self):
        self.next(self.end)

    @step
    def end(self):
        sys.stdout.write("no newline at the end")


if __name__ == "__main__":
    Shapes()
