"""What has changed since somebody was last told: one feed a card and one a run, as many listeners as there are pages.

A feed is looked after only while somebody listens. A listener that is slow misses states in between, never the last:
it is woken once, and gets the difference to what it was sent, however long ago that was.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from asyncflow.cards.live import Stamp
from asyncflow.cardserver.shelf import CardKey, Drawing, RunList, Shelf
from asyncflow.errors import StoreError

__all__ = ["CardFeed", "Feeds", "RunFeed"]

_LOOK_EVERY_S = 0.1
_RECORD_EVERY = 3
"""Every how many looks the event log is asked for news."""
_MOST_KEPT = 64
"""Feeds that nobody listens to are kept so many, for who comes back."""


class _Feed:
    """Wakes its listeners."""

    def __init__(self) -> None:
        self.version = 0
        """Of what is shown; no other feed of this server ever has the same."""
        self._listeners: list[asyncio.Event] = []

    @property
    def is_heard(self) -> bool:
        """Somebody listens."""
        return bool(self._listeners)

    @contextmanager
    def listening(self, news: asyncio.Event) -> Iterator[None]:
        """Have an event set when there is something new."""
        self._listeners.append(news)
        try:
            yield
        finally:
            self._listeners.remove(news)

    def wake(self) -> None:
        """Have every listener look."""
        for news in self._listeners:
            news.set()

    def _tell(self, version: int) -> None:
        self.version = version
        self.wake()


class CardFeed(_Feed):
    """A card as it changes."""

    def __init__(self, key: CardKey) -> None:
        super().__init__()
        self.key = key
        self.drawing: Drawing | None = None
        self.stamp: Stamp | None = None
        self.state: tuple[str, int] | None = None

    def take(self, drawing: Drawing, version: int) -> None:
        """Take in how it looks now."""
        before, self.drawing = self.drawing, drawing
        if before != drawing:
            self._tell(version)


class RunFeed(_Feed):
    """The list of a run's tasks as it grows."""

    def __init__(self, run: int) -> None:
        super().__init__()
        self.run = run
        self.list: RunList | None = None

    def take(self, found: RunList, version: int) -> None:
        """Take in how it stands."""
        before, self.list = self.list, found
        if before != found:
            self._tell(version)


_K = TypeVar("_K")
_F = TypeVar("_F", bound=_Feed)


class Feeds:
    """All feeds of a server.

    Args:
        shelf: Where to read.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._cards: OrderedDict[CardKey, CardFeed] = OrderedDict()
        self._runs: OrderedDict[int, RunFeed] = OrderedDict()
        self._versions = itertools.count(1)
        self._end = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """The server ends: listeners go."""
        return self._end.is_set()

    def end(self) -> None:
        """Let listeners go, and look for nothing any more."""
        self._end.set()
        for feed in (*self._cards.values(), *self._runs.values()):
            feed.wake()

    async def card(self, key: CardKey) -> CardFeed | None:
        """Return the feed of a card, drawn as it is now; None: there is no such card. Raises StoreError."""
        feed = self._cards.get(key)
        if feed is None or not feed.is_heard:
            feed = feed or CardFeed(key)
            if not await self._redraw(feed):
                return None
            self._cards[key] = feed
        _keep(self._cards, key)
        return feed

    async def run(self, run: int) -> RunFeed | None:
        """Return the feed of a run, as it stands; None: there is no such run. Raises StoreError."""
        feed = self._runs.get(run)
        if feed is None or not feed.is_heard:
            feed = feed or RunFeed(run)
            found = await self._shelf.run(run)
            if found is None:
                return None
            feed.take(found, next(self._versions))
            self._runs[run] = feed
        _keep(self._runs, run)
        return feed

    async def look_after(self) -> None:
        """Look for news, and tell them, until the server ends."""
        for turn in itertools.count():
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._end.wait()
                return
            except TimeoutError:
                pass
            try:
                await self._look(has_recorded=turn % _RECORD_EVERY == 0)
            except StoreError:
                continue  # a store that is busy or being moved; who opens a page is told

    async def _look(self, *, has_recorded: bool) -> None:
        cards = [feed for feed in self._cards.values() if feed.is_heard]
        runs = [feed for feed in self._runs.values() if feed.is_heard]
        if has_recorded and (cards or runs) and await self._shelf.has_changed():
            for feed in runs:
                found = await self._shelf.run(feed.run)
                if found is not None:
                    feed.take(found, next(self._versions))
            for feed in cards:
                if await self._shelf.state(feed.key) != feed.state:
                    await self._redraw(feed)
        for feed in cards:
            attempt = 0 if feed.drawing is None else feed.drawing.page.attempt
            if self._shelf.stamp(feed.key, attempt) != feed.stamp:
                await self._redraw(feed)

    async def _redraw(self, feed: CardFeed) -> bool:
        """Draw a card as it is now; tell whether there is one."""
        feed.state = await self._shelf.state(feed.key)
        attempt = 0 if feed.state is None else max(feed.state[1], 0)
        feed.stamp = self._shelf.stamp(feed.key, attempt)  # before it is read: what comes meanwhile is news
        drawing = await self._shelf.draw(feed.key, feed.drawing)
        if drawing is None:
            return False
        feed.take(drawing, next(self._versions))
        return True


def _keep(feeds: OrderedDict[_K, _F], key: _K) -> None:
    """Mark a feed as used last, and forget those that nobody has listened to for longest."""
    feeds.move_to_end(key)
    idle = [other for other, feed in feeds.items() if not feed.is_heard and other != key]
    for other in idle[: max(0, len(feeds) - _MOST_KEPT)]:
        del feeds[other]
