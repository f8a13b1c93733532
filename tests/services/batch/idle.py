"""Attempts without a process: they pass through the states and end by the clock."""

from __future__ import annotations

import threading

from tests.services.batch.attempts import Attempt, Unit
from tests.services.batch.runners import Ended
from tests.services.batch.timers import Timers
from tests.services.batch.words import EXITED


def run_idle(attempt: Attempt, timers: Timers, *, run_s: float, exit_code: int) -> None:
    """Let an attempt's containers run for a time; they end with an exit code, or as they are made to."""
    for unit in attempt.units:
        idle = _Idle(unit, timers)
        unit.container = idle
        unit.begin()
        timers.after(run_s, lambda idle=idle: idle.end(exit_code))


class _Idle:
    def __init__(self, unit: Unit, timers: Timers) -> None:
        self._unit = unit
        self._timers = timers
        self._lock = threading.Lock()
        self._is_over = False

    def end(self, exit_code: int) -> None:
        """End it, unless it has ended."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
        self._unit.close(Ended(exit_code=exit_code), EXITED)

    def wait(self) -> Ended:
        raise AssertionError("nobody waits for what only the clock ends")

    def stop(self, grace_s: float) -> None:
        self._timers.after(0, lambda: self.end(143))

    def kill(self) -> None:
        self._timers.after(0, lambda: self.end(137))
