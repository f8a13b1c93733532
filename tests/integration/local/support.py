"""Looks at processes and logs as an outsider."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from asyncflow.machine.ids import Attempt
from asyncflow.store.layout import log_path
from asyncflow.store.logfile import LogLine, read_log
from tests.contract.local_bench import RUN

__all__ = ["NASTY", "descriptors", "is_alive", "log_of", "pids_in", "wait_until_dead"]

NASTY = Path(__file__).with_name("flows") / "nasty.py"


def log_of(root: str, attempt: Attempt) -> list[LogLine]:
    """Return an attempt's log."""
    return list(read_log(log_path(root, RUN, *attempt)))


def pids_in(text: bytes) -> list[int]:
    """Return the pids that a step has noted."""
    return [int(pid) for pid in re.findall(rb"^pid (\d+)$", text, re.MULTILINE)]


def is_alive(pid: int) -> bool:
    """Say whether there is such a process, not counting zombies."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until_dead(pids: list[int], within_s: float = 2.0) -> list[int]:
    """Wait until all are dead; return those that are not when the time is over."""
    give_up_at = time.monotonic() + within_s
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return left


def descriptors() -> int:
    """Return how many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))
