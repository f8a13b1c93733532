"""`@timeout` inside the task's process: an alarm that raises an exception in the user's code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["TimeoutException", "time_limit"]


class TimeoutException(Exception):
    """The step ran longer than its @timeout allows."""


@contextmanager
def time_limit(limit_s: float | None, step: str) -> Generator[None]:
    """Raise `TimeoutException` in the block once `limit_s` seconds have passed. None: no limit.

    The alarm is always cancelled on the way out, and one that ran before runs on. It needs the main thread;
    elsewhere, and in code that ignores it,
    the scheduler's own timer ends the process.
    """
    if limit_s is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(signum: int, frame: FrameType | None) -> None:
        raise TimeoutException(f"Step {step} ran longer than its @timeout of {limit_s:g} s")

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
