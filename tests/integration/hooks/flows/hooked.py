"""A flow with exit hooks of every temper."""

import os
import subprocess
import time
from pathlib import Path

from asyncflow import FlowSpec, Parameter, current, exit_hook, step


def write(line):
    """Append a line."""
    with Path("noted").open("a") as file:
        file.write(line)


def note(run):
    """Write down what is known of the run."""
    write(f"note {run.pathspec} {run.status} {run.successful}\n")
    print("noted it")


def plain():
    """Take no argument."""
    write(f"plain {current.run_id}\n")


def broken(run):
    """Fail."""
    raise ValueError("the hook is broken")


def slow(run):
    """Take too long, and leave a child behind."""
    child = subprocess.Popen(["sleep", "300"])
    Path("pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(300)


@exit_hook(on_success=[note, broken, plain], on_error=[note])
@exit_hook(on_error=[slow, plain], options={"timeout": 1})
class HookedFlow(FlowSpec):
    """Succeed or fail."""

    is_broken = Parameter("is_broken", type=bool, default=False)

    @step
    def start(self):
        """Fail when asked to."""
        if self.is_broken:
            raise RuntimeError("asked for")
        self.next(self.end)

    @step
    def end(self):
        """End."""
