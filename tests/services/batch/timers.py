"""Things to do later, in one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class Timers:
    """Calls functions when their time has come, in the order of their times."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name="timers").start()

    def after(self, delay_s: float, do: Callable[[], object]) -> None:
        """Call a function later, in the timers' thread."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + delay_s, next(self._numbers), do))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            do = self._next()
            try:
                do()
            except Exception:  # one job's trouble is not all jobs' end
                log.exception("a timer failed")

    def _next(self) -> Callable[[], object]:
        with self._changed:
            while True:
                if self._heap and self._heap[0][0] <= time.monotonic():
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
