"""Copies to a bucket what the cards of a run's attempts show while they run, for who watches elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.to_thread

from asyncflow.cards.live import Stamp, stamp_of
from asyncflow.machine.ids import Attempt
from asyncflow.runtime.attempt_files import attempts_with_file
from asyncflow.store.layout import live_cards_path
from asyncflow.store.objects import Objects
from asyncflow.store.s3.keys import cards_key

__all__ = ["CardMirror"]


class CardMirror:
    """What of a run's live cards is in the bucket.

    Args:
        objects: The store's.
        home: The replica.
        run: The run.
    """

    def __init__(self, objects: Objects, home: str, run: int) -> None:
        self._objects = objects
        self._home = home
        self._run = run
        self._sent: dict[Attempt, Stamp] = {}

    async def copy(self, in_flight: Sequence[Attempt]) -> None:
        """Copy what is new, and remove what is of attempts that have ended. Raises StoreError."""
        stamps = await anyio.to_thread.run_sync(self._stamps, in_flight)
        for attempt, stamp in stamps.items():
            if self._sent.get(attempt) != stamp:
                await self._send(attempt)
                self._sent[attempt] = stamp
        over = [attempt for attempt in self._sent if attempt not in stamps]
        if over:
            await self._objects.delete([cards_key(self._run, *attempt) for attempt in over])
            for attempt in over:
                del self._sent[attempt]

    def _stamps(self, attempts: Sequence[Attempt]) -> dict[Attempt, Stamp]:
        there = attempts_with_file(self._home, self._run, attempts, ".cards")
        found = {attempt: stamp_of(self._home, self._run, *attempt) for attempt in there}
        return {attempt: stamp for attempt, stamp in found.items() if stamp is not None}

    async def _send(self, attempt: Attempt) -> None:
        try:
            data = await anyio.Path(live_cards_path(self._home, self._run, *attempt)).read_bytes()
        except FileNotFoundError:
            return  # it has ended meanwhile
        await self._objects.put(cards_key(self._run, *attempt), data)
