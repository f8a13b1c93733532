"""Reads runs and cards, and draws them; blocking, in threads of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from markupsafe import Markup

from asyncflow.cards import tree
from asyncflow.cards.html import Charts, node_html, page_html
from asyncflow.cards.live import Stamp, stamp_of
from asyncflow.client.cards import Card, cards_of, plain_card
from asyncflow.client.errors import NoSuchObject
from asyncflow.client.following import follow
from asyncflow.client.place import place_at
from asyncflow.client.tasks import Task
from asyncflow.events.browser import Browser, TaskQuery
from asyncflow.events.rows import LIVING, RunRow, TaskRow
from asyncflow.store.layout import DATABASE, remote_path

__all__ = ["MOST_TASKS", "CardKey", "Drawing", "RunList", "Shelf"]

T = TypeVar("T")

MOST_TASKS = 400
"""Tasks in a run's list."""
_MOST_RUNS = 100


class CardKey(NamedTuple):
    """Which card."""

    run: int
    step: str
    task: int
    number: int
    """Among the cards of the task."""


class RunList(NamedTuple):
    """A run, and its tasks in the order they came."""

    run: RunRow
    tasks: Sequence[TaskRow]
    counts: Counter[str]
    """How many tasks a step has, by name."""

    @property
    def total(self) -> int:
        """How many tasks there are in all."""
        return sum(self.counts.values())

    @property
    def is_over(self) -> bool:
        """Nothing will be new any more."""
        return self.run.status != "running"


class Drawing(NamedTuple):
    """A card as it is drawn now."""

    page: tree.Page
    parts: tuple[Markup, ...]
    """By node: what stands in its section."""
    ids: tuple[str, ...]
    """By node: a name for what stands there; of two that are alike each has its own."""
    names: tuple[str, ...]
    """Of all cards of the task."""
    is_living: bool
    """The task has not ended."""
    custom: str = ""
    """The card is a page of its own, made by a custom card: this one."""


class Shelf:
    """Reads one store.

    Args:
        home: The store's directory.
        on_problem: Told, from another thread, when the bucket that the store is in cannot be read.
    """

    def __init__(self, home: str, on_problem: Callable[[str], None]) -> None:
        self.home = home
        self._lists = ThreadPoolExecutor(1, thread_name_prefix="asyncflow-lists")
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="asyncflow-cards")
        self._browser: Browser | None = None
        self._charts = Charts()
        self._follower = follow(home, on_problem) if os.path.exists(remote_path(home)) else None

    async def runs(self) -> list[RunRow]:
        """Return the newest runs. Raises StoreError."""
        return await self._list(lambda browser: browser.runs(limit=_MOST_RUNS))

    async def run(self, run: int) -> RunList | None:
        """Return a run with its tasks; None: there is none. Raises StoreError."""
        if self._follower is not None:
            await asyncio.wrap_future(self._follower.watch(run))
        return await self._list(lambda browser: _run_list(browser, run))

    async def has_changed(self) -> bool:
        """Tell whether something was recorded since the last look. Raises StoreError."""
        return await self._list(lambda browser: browser.has_changed())

    async def draw(self, key: CardKey, before: Drawing | None = None) -> Drawing | None:
        """Return a card as it is now; None: there is none. What is as before is not drawn anew. Raises StoreError."""
        return await asyncio.wrap_future(self._drawer.submit(self._drawn, key, before))

    async def state(self, key: CardKey) -> tuple[str, int] | None:
        """Return status and attempt of a card's task; None: there is none. Raises StoreError."""
        row = await self._list(lambda browser: browser.task(key.run, key.task))
        return None if row is None else (row.status, row.attempt)

    def stamp(self, key: CardKey, attempt: int) -> Stamp | None:
        """Return which version of what a running attempt shows is there; 3 us, blocks for a stat."""
        return stamp_of(self.home, key.run, key.task, attempt)

    def close(self) -> None:
        """End the threads; what they do is waited for."""
        if self._follower is not None:
            self._follower.close()
        browser, self._browser = self._browser, None
        if browser is not None:
            self._lists.submit(browser.close).result()
        self._lists.shutdown()
        self._drawer.submit(self._charts.close).result()
        self._drawer.shutdown()

    async def _list(self, question: Callable[[Browser], T]) -> T:
        return await asyncio.wrap_future(self._lists.submit(self._asked, question))

    def _asked(self, question: Callable[[Browser], T]) -> T:
        if self._browser is None:
            self._browser = Browser(os.path.join(self.home, DATABASE))
        return question(self._browser)

    def _drawn(self, key: CardKey, before: Drawing | None) -> Drawing | None:
        found = _card(self.home, key)
        if found is None:
            return None
        card, cards, is_living = found
        page = card.page()
        names = tuple(f"{card.type} {card.id or ''}".strip() for card in cards)
        if len(page.nodes) == 1 and isinstance(page.nodes[0], tree.Html):
            return Drawing(page, (), (), names, is_living, page_html(page))
        known = () if before is None else tuple(zip(before.page.nodes, before.parts, strict=False))
        parts = tuple(
            known[at][1] if at < len(known) and known[at][0] == node else node_html(node, charts=self._charts)
            for at, node in enumerate(page.nodes)
        )
        return Drawing(page, parts, _ids(parts), names, is_living)


def _ids(parts: Sequence[Markup]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    found: list[str] = []
    for part in parts:
        name = hashlib.blake2b(part.encode("utf-8", "replace"), digest_size=8).hexdigest()
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return tuple(found)


def _run_list(browser: Browser, run: int) -> RunList | None:
    row = browser.run(run)
    if row is None:
        return None
    counts: Counter[str] = Counter()
    for count in browser.steps(run):
        counts[count.step] += count.count
    tasks = browser.page_of_tasks(TaskQuery(run=run, sort="task"), offset=0, limit=MOST_TASKS)
    return RunList(row, tasks, counts)


def _card(home: str, key: CardKey) -> tuple[Card, list[Card], bool] | None:
    place = place_at(home)
    try:
        run = place.reader.run(key.run)
        if run is None:
            return None
        pathspec = f"{run.flow}/{key.run}/{key.step}/{key.task}"
        task = Task(pathspec, _namespace_check=False, _place=place)
        cards = list(cards_of(task)) or [plain_card(task)]
    except NoSuchObject:
        return None
    if not 0 <= key.number < len(cards):
        return None
    return cards[key.number], cards, str(task.status) in LIVING
