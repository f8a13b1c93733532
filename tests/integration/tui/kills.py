"""Kills dashboards with SIGKILL in the middle of runs: `python -m tests.integration.tui.kills --kills 200`."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from asyncflow.events.reader import Reader
from tests.integration.tui.terminal import Terminal

ZOO = Path(__file__).parent / "flows" / "zoo.py"
_PATIENCE_S = 60.0


@dataclass
class Told:
    """What was done, and what went wrong."""

    kills: int = 0
    problems: list[str] = field(default_factory=list)


def kill_dashboards(home: Path, kills: int, *, seed: int) -> Told:
    """Start runs on terminals, kill the dashboard of each at a random moment, and see that each run succeeds."""
    told, chance = Told(), random.Random(seed)
    for number in range(1, kills + 1):
        terminal = Terminal(home, ["run", str(ZOO), "--seconds", "0.4"])
        try:
            terminal.until("run")
            time.sleep(chance.uniform(0, 0.7))
            terminal._reap()
            if terminal.code is None:
                os.kill(terminal.pid, signal.SIGKILL)
                told.kills += 1
            terminal.end()
        finally:
            terminal.close()
        status = _status_at_end(home, number)
        if status != "succeeded":
            told.problems.append(f"run {number}: {status}")
    return told


def _status_at_end(home: Path, run: int) -> str:
    until = time.monotonic() + _PATIENCE_S
    while True:
        with Reader(str(home / "asyncflow.db")) as reader:
            row = reader.run(run)
        if row is not None and row.status != "running":
            return row.status
        if time.monotonic() > until:
            return "never ended"
        time.sleep(0.02)


def main() -> int:
    """Kill, count, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / ".asyncflow"
        home.mkdir(mode=0o700)
        told = kill_dashboards(home, asked.kills, seed=asked.seed)
    sys.stdout.write(f"{told.kills} dashboards killed, {len(told.problems)} runs disturbed\n")
    sys.stdout.write("".join(f"{problem}\n" for problem in told.problems))
    return bool(told.problems)


if __name__ == "__main__":
    sys.exit(main())
