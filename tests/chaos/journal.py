"""Reads what chaos flows wrote down about themselves (`flows/chaos_journal.py`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.processes import is_alive

__all__ = ["Entry", "living", "read_journal", "wait_for_begin"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment of one attempt, noted by the user code itself."""

    what: str
    """`begin`, `end`, or `spawned`."""
    run: int
    step: str
    task: int
    attempt: int
    where: str
    pid: int
    started: int
    """Start of the process in clock ticks, so that pid and start name it for ever."""
    at: float
    """Seconds since the epoch."""


def read_journal(path: Path) -> list[Entry]:
    """Return all entries in the order they were written."""
    if not path.exists():
        return []
    entries: list[Entry] = []
    for line in path.read_text().splitlines():
        what, run, step, task, attempt, where, pid, started, at = line.split(" ")
        entries.append(
            Entry(what, int(run), step, int(task), int(attempt), where, int(pid), int(started), float(at))
        )
    return entries


def wait_for_begin(path: Path, step: str, within_s: float = 30.0) -> None:
    """Wait until user code of a step has begun. Raises AssertionError if it does not."""
    deadline = time.monotonic() + within_s
    while not any(entry.what == "begin" and entry.step == step for entry in read_journal(path)):
        assert time.monotonic() < deadline, f"step {step} has not begun after {within_s:g} s"
        time.sleep(0.01)


def living(entries: list[Entry]) -> list[Entry]:
    """Return the entries whose process still lives."""
    found = {(entry.pid, entry.started): entry for entry in entries if is_alive(entry.pid, entry.started)}
    return list(found.values())
