"""The pods of one run in one namespace: one list, then a watch, and a list again whenever in doubt.

In doubt: the server has forgotten the version we know (410), nothing came for longer than bookmarks take, a line is
not JSON. What a list tells again is no news (see `book`), so a list too many costs a request and nothing else.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import anyio

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.book import Book
from asyncflow.backends.kubernetes.errors import ClusterError
from asyncflow.backends.kubernetes.jsontext import decode
from asyncflow.backends.kubernetes.pacing import pause_s

__all__ = ["Watcher"]

_LOG = logging.getLogger(__name__)
_GONE = 410
_SERVER_S = 300
"""How long a server keeps one watch; half of it more at random, so that not all end together."""


_LONG_S = 5.0
"""A watch that was open for so long is no failure, whatever ended it."""


class _InDoubt(Exception):
    """What we know may be wrong: list again."""


class Watcher:
    """Tells a book what happens to the pods of its run in one namespace.

    Args:
        api: The cluster.
        book: Of the run.
        namespace: Where the pods are.
        labels: Selects the run's pods.
        silence_s: Longer than the server is ever silent, bookmarks (one a minute) included.
        outage_s: How long it may be out of reach before the run gives up.
        on_news: Called after the book has been told.
    """

    def __init__(
        self,
        api: Api,
        book: Book,
        *,
        namespace: str,
        labels: str,
        silence_s: float,
        outage_s: float,
        on_news: Callable[[], None],
    ) -> None:
        self._api = api
        self._book = book
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._selector = labels
        self._silence_s = silence_s
        self._outage_s = outage_s
        self._on_news = on_news
        self._version = ""
        """Of the list or the last change we know of. Empty: to be listed."""
        self._alive_at = time.monotonic()
        self._failures = 0
        self.listed = anyio.Event()
        """Set when the first list was taken."""

    async def run(self) -> None:
        """Watch until cancelled. Raises ClusterError if the server refuses, or is out of reach for too long."""
        while True:
            began_at = time.monotonic()
            try:
                if not self._version:
                    await self._list()
                    began_at = time.monotonic()
                await self._watch()
                why = "the server ended it"
            except (_InDoubt, TimeoutError) as error:
                self._version = ""
                why = str(error) or f"silent for {self._silence_s:g} s"
            except ConnectionError as error:
                why = str(error)
            except Rejected as rejected:
                why = self._judge(rejected)
            _LOG.debug("the watch of pods in %s ended: %s", self._namespace, why)
            await self._pause(began_at, why)

    async def _list(self) -> None:
        expected = self._book.expected(self._namespace)
        pods, version = await self._api.list(self._path, self._selector, patience_s=self._outage_s)
        now = time.monotonic()
        for pod in pods:
            self._book.saw(pod, now)
        self._book.missed(expected, [pod["metadata"]["name"] for pod in pods])
        self._version = version
        self._alive_at = now
        self.listed.set()
        self._on_news()

    async def _watch(self) -> None:
        query = (
            ("watch", "true"),
            ("labelSelector", self._selector),
            ("resourceVersion", self._version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", _SERVER_S + random.randrange(_SERVER_S // 2)),
        )
        rest = b""
        async with self._api.stream(self._path, query, self._silence_s) as content:
            while chunk := await content.readany():
                *lines, rest = (rest + chunk).split(b"\n")
                self._alive_at = time.monotonic()
                self._failures = 0
                for event in _events(lines):
                    self._take(event)
                self._on_news()

    def _take(self, event: Mapping[str, Any]) -> None:  # Any: JSON
        kind, thing = event["type"], event["object"]
        if kind == "ERROR":
            raise _InDoubt(f"{thing.get('code')} {thing.get('message')}")
        self._version = thing["metadata"]["resourceVersion"]
        if kind != "BOOKMARK":
            self._book.saw(thing, self._alive_at, is_deleted=kind == "DELETED")

    def _judge(self, rejected: Rejected) -> str:
        """Say what a refusal means. Raises ClusterError, if it is final."""
        if rejected.status == _GONE:
            self._version = ""
            return str(rejected)
        raise ClusterError(
            f"The pods in namespace {self._namespace} cannot be watched: {rejected.message}",
            hint="`asyncflow doctor --backend kubernetes` says what is missing.",
        )

    async def _pause(self, began_at: float, why: str) -> None:
        now = time.monotonic()
        if now - self._alive_at > self._outage_s + self._silence_s:
            raise ClusterError(
                f"The pods in namespace {self._namespace} of {self._api.server} cannot be watched: {why}",
                hint="What runs there goes on; `asyncflow resume RUN` takes it up again.",
            )
        self._failures = 0 if now - began_at >= _LONG_S else self._failures + 1
        if self._failures > 1:
            await anyio.sleep(pause_s(self._failures - 1, random.random()))


def _events(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    for line in lines:
        if line.strip():
            try:
                yield decode(line)
            except ValueError as error:
                raise _InDoubt(f"a line that is no JSON: {error}") from error
