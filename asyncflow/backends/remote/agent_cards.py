"""Sends what an attempt's cards show to the run's store while it runs; see `asyncflow.cards.live`."""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread

from asyncflow.backends.remote.scratch import Scratch
from asyncflow.cards.live import Stamp, stamp_of
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt
from asyncflow.store.layout import live_cards_path
from asyncflow.store.s3.keys import cards_key

__all__ = ["CardSender"]

_LOOK_S = 0.2

_log = logging.getLogger(__name__)


class CardSender:
    """One attempt's live cards on their way.

    Args:
        scratch: The attempt's store.
        run: The run.
        attempt: The attempt.
    """

    def __init__(self, scratch: Scratch, run: int, attempt: Attempt) -> None:
        self._scratch = scratch
        self._run = run
        self._attempt = attempt
        self._sent: Stamp | None = None

    async def keep(self) -> None:
        """Send each state that is new when it is looked at, until cancelled; states in between are left out."""
        while True:
            await anyio.sleep(_LOOK_S)
            stamp = stamp_of(self._scratch.root, self._run, *self._attempt)
            if stamp is not None and stamp != self._sent:
                self._sent = stamp
                await anyio.to_thread.run_sync(self._send)

    def remove(self) -> None:
        """Remove what was sent: the attempt's manifest has the finished cards. Blocks. Raises StoreError."""
        if self._sent is not None:
            self._scratch.objects.delete([cards_key(self._run, *self._attempt)])

    def _send(self) -> None:
        try:
            with open(live_cards_path(self._scratch.root, self._run, *self._attempt), "rb") as file:
                data = file.read()
            self._scratch.objects.put(cards_key(self._run, *self._attempt), data)
        except FileNotFoundError:
            return  # it has ended meanwhile
        except (OSError, StoreError) as error:
            _log.warning("what the cards show was not sent: %s", error)
