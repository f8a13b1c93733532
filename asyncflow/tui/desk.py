"""Asks the store on behalf of the screens, in one thread of its own, so that no screen ever waits for SQLite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from asyncflow.client.following import follow
from asyncflow.events.browser import Browser
from asyncflow.events.reader import Numbered
from asyncflow.machine.events import RunCreated
from asyncflow.store.layout import DATABASE, remote_path
from asyncflow.tui.model import RunModel

__all__ = ["Desk", "News"]

_T = TypeVar("_T")

_MOST_EVENTS = 5000
"""Events taken at a time, so that a flood of them never freezes the screen."""
_FOLD_ALL = 300
"""A run with more events than this is begun at what the views know of it."""


class News(NamedTuple):
    """What came since the last look."""

    events: Sequence[Numbered]
    status: str | None
    """The run's status in the views; None: nothing has changed."""


class Desk:
    """Reads one store.

    Args:
        home: The store's directory.
        on_problem: Told, from another thread, when the bucket that the store is in cannot be read.
    """

    def __init__(self, home: str, on_problem: Callable[[str], None] = lambda problem: None) -> None:
        self.home = home
        self.path = os.path.join(home, DATABASE)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asyncflow-desk")
        self._browser: Browser | None = None
        self._noted: dict[int, int] = {}
        self._follower = follow(home, on_problem) if os.path.exists(remote_path(home)) else None

    async def ask(self, question: Callable[[Browser], _T]) -> _T:
        """Ask something in the store's thread. Safe to cancel: the answer is dropped then.

        Raises:
            StoreError: The store cannot be read.
        """
        return await asyncio.wrap_future(self._thread.submit(self._answer, question))

    async def open_run(self, run: int) -> RunModel | None:
        """Return a run as it stands, None if there is none of that id."""
        if self._follower is not None:
            await asyncio.wrap_future(self._follower.watch(run))
        return await self.ask(lambda browser: _open_run(browser, run))

    async def news(self, model: RunModel, *, force: bool = False) -> News:
        """Return what came since a model was last brought up to date."""
        return await self.ask(lambda browser: self._news(browser, model.run, model.next_seq, force))

    def close(self) -> None:
        """Close the store; waits for a question that is being answered."""
        if self._follower is not None:
            self._follower.close()
        if self._browser is not None:
            self._thread.submit(self._browser.close).result()
        self._thread.shutdown()

    def _answer(self, question: Callable[[Browser], _T]) -> _T:
        if self._browser is None:
            self._browser = Browser(self.path)
        return question(self._browser)

    def _news(self, browser: Browser, run: int, after: int, force: bool) -> News:
        is_more = self._noted.get(run) == after
        if not (browser.has_changed() or force or is_more):
            return News((), None)
        events = browser.page_of_events(run, offset=after, limit=_MOST_EVENTS)
        if len(events) == _MOST_EVENTS:
            self._noted[run] = after + len(events)
        else:
            self._noted.pop(run, None)
        row = browser.run(run)
        return News(events, None if row is None else row.status)


def _open_run(browser: Browser, run: int) -> RunModel | None:
    overview = browser.overview(run)
    if overview is None:
        return None
    model = RunModel(run=run)
    first = browser.page_of_events(run, offset=0, limit=1)
    model.fold(first)
    if not first or not isinstance(first[0][1], RunCreated):
        return None
    if overview.row.next_seq > _FOLD_ALL:
        model.begin_at(overview)
    else:
        model.fold(browser.page_of_events(run, offset=1, limit=_FOLD_ALL))
        model.status = overview.row.status
    return model
