"""Runs of the async flows beside this, and waiting for what they do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asyncflow.backends.local.processes import own_processes, read_proc
from tests.cli.place import Place

__all__ = ["FLOWS", "Held", "marked_processes", "wait_until"]

FLOWS = Path(__file__).with_name("flows")
LONGEST_S = 40.0


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so. Raises AssertionError if it does not come about in time."""
    give_up_at = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < give_up_at, f"{what} did not come about"
        time.sleep(0.02)


def marked_processes(mark: str) -> list[int]:
    """Return the living processes that have this text in their environment."""
    return [process.pid for process in own_processes() if mark.encode() in read_proc(process.pid, "environ")]


@dataclass
class Held:
    """A run of Many, held on by a gate."""

    place: Place
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, root: Path, *args: str) -> Held:
        """Start the run."""
        shutil.copy(FLOWS / "many.py", root)
        mark = f"many-{os.urandom(6).hex()}"
        extra = {"JOURNAL": str(root / "journal"), "GATE": str(root / "gate"), "MARK": mark}
        place = Place(root, extra)
        (root / "journal").touch()
        return cls(place, place.start("run", "many.py", *args))

    @property
    def journal(self) -> list[list[str]]:
        """What the tasks have written, a line at a time, cut into words."""
        return [line.split() for line in (self.place.root / "journal").read_text().splitlines()]

    def begun(self) -> int:
        """How often a task has begun."""
        return sum(1 for words in self.journal if words[0] == "begin")

    def ended(self) -> list[str]:
        """Which tasks have ended, in order, each as often as it has."""
        return [words[1] for words in self.journal if words[0] == "end"]

    def worker(self) -> int:
        """Process id of the async worker that began the last task."""
        return int(next(words for words in reversed(self.journal) if words[0] == "begin")[2])

    def open_gate(self) -> None:
        """Let the tasks go on."""
        (self.place.root / "gate").touch()

    def wait_until_begun(self, count: int) -> None:
        """Wait until so many tasks have begun."""
        wait_until(lambda: self.begun() >= count, f"{count} tasks that have begun")

    def wait_until_nothing_is_left(self) -> None:
        """Wait until no process of the run lives."""
        wait_until(lambda: marked_processes(self.place.extra["MARK"]) == [], "the end of every process")
