"""Publishes what the cards of running tasks show: one thread a process, started when a card is first refreshed."""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol

__all__ = ["Publisher", "publisher"]


class _Published(Protocol):
    """What can be published."""

    def publish(self) -> None:
        """Publish what it shows now; never raises."""
        ...


class Publisher:
    """Calls `publish` of those who asked, each when it is due. Asking costs some microseconds and never waits."""

    def __init__(self) -> None:
        self._due: dict[_Published, float] = {}
        self._changed = threading.Condition()
        self._busy: _Published | None = None
        self._thread: threading.Thread | None = None

    def ask(self, deck: _Published, due_at: float) -> None:
        """Publish a deck once that time (`time.monotonic`) has come; one that is asked for already stays as it is."""
        if deck in self._due:
            return
        with self._changed:
            self._due.setdefault(deck, due_at)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="asyncflow cards", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def forget(self, deck: _Published, within_s: float) -> None:
        """Publish a deck no more; wait, for a bounded time, until it is not being published."""
        with self._changed:
            self._due.pop(deck, None)
            self._changed.wait_for(lambda: self._busy is not deck, within_s)

    def _run(self) -> None:
        while True:
            deck = self._next()
            deck.publish()
            with self._changed:
                self._busy = None
                self._changed.notify_all()

    def _next(self) -> _Published:
        with self._changed:
            while True:
                now = time.monotonic()
                for deck, due_at in self._due.items():
                    if due_at <= now:
                        del self._due[deck]
                        self._busy = deck
                        return deck
                first = min(self._due.values(), default=None)
                self._changed.wait(None if first is None else max(first - now, 0.001))


_OF_PROCESS: dict[int, Publisher] = {}


def publisher() -> Publisher:
    """Return the process's publisher: a fork of a process has none of its threads."""
    pid = os.getpid()
    found = _OF_PROCESS.get(pid)
    if found is None:
        found = _OF_PROCESS.setdefault(pid, Publisher())
    return found
