"""A base class with helpers and steps that other flows of a team derive from."""

import time
from functools import wraps

from metaflow import FlowSpec, Parameter, step


def timed(function):
    @wraps(function)
    def wrapper(self, *args):
        begun = time.time()
        try:
            return function(self, *args)
        finally:
            self.timings = {**getattr(self, "timings", {}), function.__name__: time.time() - begun}

    return wrapper


class TeamFlow(FlowSpec):
    """What all our flows have."""

    verbose = Parameter("verbose", default=False, type=bool)
    team = "analytics"

    def say(self, *words):
        if self.verbose:
            print(f"[{self.team}]", *words)

    @property
    def version(self):
        return "1.2"

    @step
    def end(self):
        self.say("done", self.version)
        self.finished_by = self.team
