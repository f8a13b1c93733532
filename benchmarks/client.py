"""How fast the client reads a run of many tasks: `python -m benchmarks.client [TASKS [METAFLOW_PYTHON]]`.

Makes the run first; with the Python of an environment that has Metaflow, the same under Metaflow beside it.
"""

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


_METAFLOWS = """
import statistics, sys, time
from metaflow import Run, namespace

namespace(None)


def listed(run):
    assert len(list(Run(run)["work"])) == WIDTH


def read(run):
    assert sum(task["y"].data for task in Run(run)["work"]) == WIDTH * (WIDTH - 1)


for what, work in (("list", listed), ("read", read)):
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        work(sys.argv[1])
        taken.append(time.perf_counter() - begun)
    print(what, statistics.median(taken))
"""


def main(width: int, metaflow_python: str | None) -> None:
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
        if metaflow_python is not None:
            _metaflow(metaflow_python, directory, width)


def _metaflow(python: str, directory: str, width: int) -> None:
    """Do the same with Metaflow, on as many tasks; takes a second for two or three of them."""
    flow = Path(directory, "wide_metaflow.py")
    source = _FLOW.replace("asyncflow", "metaflow").replace("range(self.width)", "list(range(self.width))")
    flow.write_text(source.replace("async def", "def") + "\n\nif __name__ == '__main__':\n    WideFlow()\n")
    environment = {**os.environ, "METAFLOW_USER": "bench", "METAFLOW_DEFAULT_METADATA": "local"}
    options = [
        "--width",
        str(width),
        "--max-num-splits",
        str(width),
        "--max-workers",
        "4",
        "--run-id-file",
        "id",
    ]
    command = [python, str(flow), "--quiet", "--no-pylint", "run", *options]
    subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
    run = f"WideFlow/{Path(directory, 'id').read_text()}"
    program = [python, "-c", _METAFLOWS.replace("WIDTH", str(width)), run]
    told = subprocess.run(program, cwd=directory, env=environment, check=True, capture_output=True, text=True)
    for line in told.stdout.splitlines():
        what, seconds = line.split()
        sys.stdout.write(f"Metaflow, {what} {width:,}: {float(seconds):.3f} s\n")


def _median(work: Callable[[], None]) -> float:
    taken: list[float] = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else None)
