"""How fast the client reads a run of many tasks: `python -m benchmarks.client [TASKS]`. Makes the run first."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

__all__: list[str] = []

_FLOW = """
from asyncflow import FlowSpec, Parameter, step


class WideFlow(FlowSpec):
    width = Parameter("width", default=10)

    @step
    def start(self):
        self.items = range(self.width)
        self.next(self.work, foreach="items")

    @step
    async def work(self):
        self.y = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""
_REPEATS = 5


def main(width: int) -> None:
    """Make a run of `width` tasks, list its tasks, and read one artifact of each; say the medians."""
    with tempfile.TemporaryDirectory() as directory:
        flow = Path(directory, "wide.py")
        flow.write_text(_FLOW)
        home = os.path.join(directory, ".asyncflow")
        os.environ["ASYNCFLOW_HOME"] = home
        command = [sys.executable, "-m", "asyncflow", "run", str(flow), "--width", str(width), "--ui", "none"]
        subprocess.run(command, check=True)
        from asyncflow import Run

        def listed() -> None:
            assert len(list(Run("WideFlow/1")["work"])) == width

        def read() -> None:
            assert sum(task["y"].data for task in Run("WideFlow/1")["work"]) == width * (width - 1)

        for what, work in ((f"list {width:,} tasks", listed), ("read an artifact of each", read)):
            sys.stdout.write(f"{what}: {_median(work):.3f} s\n")


def _median(work: Callable[[], None]) -> float:
    taken: list[float] = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
