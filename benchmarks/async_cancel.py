"""How long the cancel of a run takes that has 1,000 async tasks running and 10,000 waiting: from Ctrl-C to its exit.

python -m benchmarks.async_cancel [RUNNING] [WAITING]        prints `CANCEL_S seconds`
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from benchmarks.contenders import asyncflow_command, flow_file

__all__ = ["cancel"]


def cancel(running: int, waiting: int) -> float:
    """Start the run, interrupt it when so many tasks have started, return the seconds until it has ended."""
    width, limit = str(running + waiting), str(running)
    command = [
        *(asyncflow_command(), "run", str(flow_file("async_foreach"))),
        *("--width", width, "--wait", "3600", "--max-async", limit, "--ui", "json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        started = 0
        while started <= running:  # the foreach's own task is one more
            started += '"AttemptStarted"' in run.stdout.readline()
        began = time.perf_counter()
        run.send_signal(signal.SIGINT)
        for _ in run.stdout:
            continue
        code = run.wait()
    if code != 130:
        raise SystemExit(f"the run ended with {code}, not cancelled")
    return time.perf_counter() - began


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] or [1_000, 10_000]
    sys.stdout.write(f"CANCEL_S {cancel(*numbers):.3f}\n")
