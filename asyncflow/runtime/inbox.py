"""Facts on their way to the machine: everything that arrives during one turn makes the next."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from asyncflow.machine.facts import Fact
from asyncflow.runtime.clock import Clock

__all__ = ["Inbox"]


class Inbox:
    """Collects facts for one driver.

    Bounded by nature: an attempt in flight has a handful of facts to tell, and attempts in flight are limited.
    """

    def __init__(self) -> None:
        self._facts: list[Fact] = []
        self._arrived = anyio.Event()

    def put(self, facts: Sequence[Fact]) -> None:
        """Hand over facts. Does not wait."""
        if facts:
            self._facts.extend(facts)
            self._arrived.set()

    async def take(self, clock: Clock, until: float | None) -> list[Fact]:
        """Return all that has arrived, waiting for the first; empty when `until` came before any.

        Cancellation: safe, no fact is lost.
        """
        if not self._facts:
            await clock.wait(self._arrived, until)
        facts, self._facts = self._facts, []
        if self._arrived.is_set():
            self._arrived = anyio.Event()
        return facts
