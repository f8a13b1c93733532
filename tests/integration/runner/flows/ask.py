"""A flow that does as it is asked."""

import json
import os
import time
from pathlib import Path

from asyncflow import FlowSpec, JSONType, Parameter, current, step

print("this is printed while the file is imported")


class AskFlow(FlowSpec):
    """Wait, fail, or succeed."""

    alpha = Parameter("alpha", type=float, default=0.5)
    count = Parameter("count", type=int, default=1)
    name_of_it = Parameter("name-of-it", default="x")
    table = Parameter("table", type=JSONType, default="{}")
    seconds = Parameter("seconds", type=float, default=0.0)
    gate = Parameter("gate", default="", help="A file that is waited for.")
    is_broken = Parameter("is_broken", type=bool, default=False)

    @step
    def start(self):
        """Say who we are."""
        print("tags", sorted(current.tags))
        self.extra = os.environ.get("EXTRA")
        self.cwd = str(Path.cwd())
        self.next(self.work)

    @step
    def work(self):
        """Wait, and perhaps fail."""
        Path("pid").write_text(str(os.getpid()))
        time.sleep(self.seconds)
        while self.gate and not Path(self.gate).exists():
            time.sleep(0.02)
        if self.is_broken and not Path("mended").exists():
            raise ValueError("asked for")
        self.next(self.end)

    @step
    def end(self):
        """Show what was asked."""
        self.said = json.dumps([self.alpha, self.count, self.name_of_it, self.table])
        print("done")
