"""What is done for gangs whose Job has not made all its pods: a watch of pods tells nothing of those."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import anyio

from asyncflow.backends.kubernetes.api import Rejected
from asyncflow.backends.kubernetes.asking import Asker
from asyncflow.backends.kubernetes.book import Book, Entry
from asyncflow.backends.remote.platform import End, EndReason
from asyncflow.errors import PlatformError

__all__ = ["GangTender"]

_LOG = logging.getLogger(__name__)

_Gang = tuple[str, str]
"""Namespace and name."""


class GangTender:
    """Looks after members that have no pod yet.

    Args:
        asker: Asks the cluster.
        book: Of the run.
        patience_s: How long a Job may take for its pods before it is looked at, and how often it is after that.
        tick_s: How often members that are to stop are looked for.
        on_news: Called after the book has been told.
    """

    def __init__(
        self, asker: Asker, book: Book, *, patience_s: float, tick_s: float, on_news: Callable[[], None]
    ) -> None:
        self._asker = asker
        self._book = book
        self._patience_s = patience_s
        self._tick_s = tick_s
        self._on_news = on_news
        self._looked_at: dict[_Gang, float] = {}

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            await anyio.sleep(self._tick_s)
            for gang, members in self._without_pods().items():
                try:
                    await self._look(gang, members)
                except (Rejected, PlatformError) as error:
                    _LOG.info("the job %s could not be looked at: %s", gang[1], error)
                self._on_news()

    def _without_pods(self) -> dict[_Gang, list[Entry]]:
        """Return members without a pod whose Job was asked for, by gang."""
        found: dict[_Gang, list[Entry]] = {}
        for entry in self._book.open_entries():
            if entry.is_member and not entry.name and entry.is_asked:
                found.setdefault((entry.namespace, entry.gang), []).append(entry)
        return found

    async def _look(self, gang: _Gang, members: list[Entry]) -> None:
        if all(entry.is_stopped for entry in members) and self._is_all_stopped(gang):
            await self._asker.delete_gang(*gang)
            for entry in members:
                self._book.end(entry, End(EndReason.STOPPED, "stopped before it had a pod"))
            return
        now = time.monotonic()
        since = self._looked_at.get(gang, max(entry.since for entry in members))
        if now - since < self._patience_s:
            return
        self._looked_at[gang] = now
        is_there, why = await self._asker.gang_state(*gang)
        for entry in members:
            if entry.name or entry.is_over:
                continue  # its pod has come meanwhile
            if is_there:
                self._book.wait(entry, why or f"job {entry.gang} has not made its pod yet")
            else:
                self._book.end(entry, End(EndReason.LOST, f"the gang's job {entry.gang} is gone"))

    def _is_all_stopped(self, gang: _Gang) -> bool:
        others = [one for one in self._book.open_entries() if (one.namespace, one.gang) == gang]
        return all(one.is_stopped for one in others)
