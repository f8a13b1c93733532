"""What a run costs whose results are taken over (@cache): `python -m benchmarks.cache [TASKS]`, 1,000 by default."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__: list[str] = []

_FLOW = """
from asyncflow import FlowSpec, Parameter, cache, step
from cache_helpers import double, triple


class CachedFlow(FlowSpec):
    width = Parameter("width", default=10)

    @cache
    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.work, foreach="items")

    @cache
    @step
    def work(self):
        self.made = double(self.input)
        self.next(self.join)

    @cache
    @step
    def join(self, inputs):
        self.total = sum(one.made for one in inputs)
        self.next(self.end)

    @cache
    @step
    def end(self):
        self.tripled = triple(self.total)
"""
_HELPERS = "def double(number):\n    return number * 2\n\n\ndef triple(number):\n    return number * 3\n"
_REPEATS = 5


def main(width: int) -> None:
    """Run the flow anew, then again and again, then with a helper changed; say how long each took and what ran."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "cached.py").write_text(_FLOW)
        helpers = Path(directory, "cache_helpers.py")
        helpers.write_text(_HELPERS)
        os.environ["ASYNCFLOW_HOME"] = os.path.join(directory, ".asyncflow")
        _say("anew", *_run(directory, width))
        times = sorted((_run(directory, width) for _ in range(_REPEATS)), key=lambda one: one[0])
        _say(f"unchanged (median of {_REPEATS})", *times[_REPEATS // 2])
        helpers.write_text(_HELPERS.replace("* 3", "* 4"))
        _say("a helper of the last step changed", *_run(directory, width))


def _run(directory: str, width: int) -> tuple[float, dict[str, int]]:
    command = [sys.executable, "-m", "asyncflow", "run", "cached.py", "--width", str(width), "--ui", "none"]
    begun = time.perf_counter()
    subprocess.run(command, check=True, cwd=directory)
    took = time.perf_counter() - begun
    listed = subprocess.run(
        [sys.executable, "-m", "asyncflow", "runs", "--limit", "1", "--json"],
        check=True,
        cwd=directory,
        capture_output=True,
    )
    tasks: dict[str, int] = json.loads(listed.stdout)[0]["tasks"]
    return took, tasks


def _say(what: str, took: float, tasks: dict[str, int]) -> None:
    sys.stdout.write(
        f"{what}: {took:.3f} s, {tasks['succeeded']:,} tasks ran, {tasks['cloned']:,} taken over\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
