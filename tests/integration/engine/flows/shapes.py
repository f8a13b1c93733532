"""Flows for the engine's tests."""

import os
import time

from asyncflow import FlowSpec, Parameter, step


class WideFlow(FlowSpec):
    """A foreach whose join adds up."""

    width = Parameter("width", type=int, default=5)
    pause = Parameter("pause", type=float, default=0.0)

    @step
    def start(self):
        print("hello from start")
        self.numbers = list(range(self.width))
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        time.sleep(self.pause)
        self.square = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.square for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


class FailingFlow(FlowSpec):
    """Fails until a file is there."""

    marker = Parameter("marker", default="/nowhere")

    @step
    def start(self):
        self.x = 1
        self.next(self.end)

    @step
    def end(self):
        if not os.path.exists(self.marker):
            raise ValueError("the marker is missing")


class SlowFlow(FlowSpec):
    """Sleeps in its first step."""

    seconds = Parameter("seconds", type=float, default=60.0)

    @step
    def start(self):
        time.sleep(self.seconds)
        self.next(self.end)

    @step
    def end(self):
        pass


class CountingFlow(FlowSpec):
    """Notes when its tasks begin and end, for tests that count how many run at a time."""

    log = Parameter("log", default="")
    width = Parameter("width", type=int, default=4)

    @step
    def start(self):
        self.numbers = list(range(self.width))
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        with open(self.log, "a") as file:
            file.write("+\n")
        time.sleep(0.02)
        with open(self.log, "a") as file:
            file.write("-\n")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
