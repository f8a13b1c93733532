"""A run whose task shows what it is told to, and a card server beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Served", "Told", "running", "serving"]

CARDED = Path(__file__).parent / "carded.py"


class Told:
    """What the running task is told to show."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.say("the first thing")

    def say(self, line: str) -> float:
        """Have a line shown; return when it was said."""
        with open(self.path, "a") as file:
            file.write(f"{line}\n")
        return time.monotonic()


@contextmanager
def running(home: Path, told: Path) -> Iterator[Told]:
    """Run the flow; it ends within."""
    words = Told(told)
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home), "TOLD": str(told)}
    line = [sys.executable, "-P", "-m", "asyncflow", "run", str(CARDED)]
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while not (home / "asyncflow.db").exists():
                time.sleep(0.01)
            yield words
            words.say("end")
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                process.kill()


class Served:
    """A card server."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    @property
    def base(self) -> str:
        """What every address of it begins with."""
        return "/".join(self.url.split("/")[:4]) + "/"

    def end(self) -> int:
        """Interrupt it, as Ctrl-C does; return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@contextmanager
def serving(home: Path, *args: str) -> Iterator[Served]:
    """Serve the cards of a store."""
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home)}
    line = [sys.executable, "-P", "-m", "asyncflow", "card", "server", *args]
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Served(process, process.stdout.readline().strip())
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
