"""Run a command as a whole process tree, and say how long it took and what it used."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

__all__ = ["Measured", "measure"]

SAMPLE_EVERY_S = 0.2
PR_SET_CHILD_SUBREAPER = 36
KILOBYTE = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of one command."""

    started_at: float
    """Seconds since the epoch."""
    wall_s: float
    cpu_s: float
    """User and system time of the command and every process below it."""
    largest_bytes: int
    """Peak resident memory of its largest process."""
    tree_bytes: int
    """Highest sample of the whole tree's memory, shared pages counted once. 0: not sampled, or too short."""
    exit_code: int
    output: str
    """stdout and stderr together."""


def measure(
    command: Sequence[str], *, env: Mapping[str, str], cwd: str, is_sampled: bool = False
) -> Measured:
    """Run `command` to its end in a process of its own that adopts and reaps everything left behind.

    Sampling the tree's memory walks page tables that forks and faults need: a run that is timed is not sampled.
    """
    with tempfile.NamedTemporaryFile("r") as report:
        request = json.dumps(
            {"command": list(command), "cwd": cwd, "report": report.name, "is_sampled": is_sampled}
        )
        subprocess.run(
            [sys.executable, "-m", "benchmarks.measure"], input=request, text=True, env=dict(env), check=True
        )
        return Measured(**json.load(report))


class TreeSampler(threading.Thread):
    """Samples the memory of everything below this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Sample until told that it is over."""
        import psutil

        me = psutil.Process()
        while not self.is_over.wait(SAMPLE_EVERY_S):
            total = 0
            for process in me.children(recursive=True):
                try:
                    info = process.memory_full_info()
                except psutil.Error:
                    continue
                total += getattr(info, "pss", info.rss)
            self.peak_bytes = max(self.peak_bytes, total)


def run_and_reap(command: Sequence[str], cwd: str, *, is_sampled: bool) -> Measured:
    """Run the command, then wait for whatever it left behind. Everything's usage is in RUSAGE_CHILDREN then."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    sampler = TreeSampler()
    if is_sampled:
        sampler.start()
    with tempfile.TemporaryFile() as output:
        started_at, began = time.time(), time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        process.wait()
        wall_s = time.perf_counter() - began
        sampler.is_over.set()
        reap_rest()
        output.seek(0)
        text = output.read().decode(errors="replace")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measured(
        started_at=started_at,
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        largest_bytes=usage.ru_maxrss * KILOBYTE,
        tree_bytes=sampler.peak_bytes,
        exit_code=process.returncode,
        output=text[-20_000:],
    )


def reap_rest() -> None:
    """Wait for every process that was left to this one."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def main() -> None:
    """Serve one request from stdin."""
    request = json.load(sys.stdin)
    measured = run_and_reap(request["command"], request["cwd"], is_sampled=request["is_sampled"])
    with open(request["report"], "w") as report:
        json.dump(asdict(measured), report)


if __name__ == "__main__":
    main()
