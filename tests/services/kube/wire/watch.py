"""Watches: a stream of changes, with bookmarks, and the faults that were ordered for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from aiohttp import web

from tests.services.kube.cluster import Cluster
from tests.services.kube.objects import ApiError, Object, namespace_of
from tests.services.kube.orders import WATCH_TROUBLES, Order, Trouble
from tests.services.kube.selectors import Predicate, parse_selectors
from tests.services.kube.store import ADDED, DELETED, MODIFIED, Change, Inbox, Stored
from tests.services.kube.wire.answers import wants_table
from tests.services.kube.wire.tables import table
from tests.services.kube.wire.target import Target, is_true

_LONGEST_S = 3600.0
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watches:
    """Serves watches; knows those that are open, so that an ordered fault meets them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._open: dict[Watch, None] = {}

    async def serve(self, target: Target, request: web.Request) -> web.StreamResponse:
        """Send changes until the client has enough or the time is up.

        Raises:
            ApiError: 400, the request cannot be read.
        """
        watch = Watch(self._cluster, target, request)
        self._open[watch] = None
        try:
            return await watch.serve()
        finally:
            del self._open[watch]

    def meet_orders(self) -> None:
        """Let the open watches look for a fault that was ordered just now."""
        for watch in self._open:
            watch.meet_orders()

    def count(self) -> int:
        """Return how many are open."""
        return len(self._open)


class Watch:
    """One open watch."""

    def __init__(self, cluster: Cluster, target: Target, request: web.Request) -> None:
        query = request.query
        fields = query.get("fieldSelector", "")
        if target.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
        self._cluster = cluster
        self._target = target
        self._request = request
        self._selected: Predicate = parse_selectors(target.kind, query.get("labelSelector", ""), fields)
        self._as_table = wants_table(request)
        self._bookmarks = is_true(query, "allowWatchBookmarks")
        self._until = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds") or _LONGEST_S)
        self._inbox = Inbox()
        self._sent = 0
        """The version up to which the client knows all."""
        self._response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._look_for_orders = True

    async def serve(self) -> web.StreamResponse:
        """See `Watches.serve`."""
        self._cluster.store.listeners.append(self._hear)
        try:
            await self._response.prepare(self._request)
            await self._begin()
            await self._follow()
        except ApiError as error:
            await self._send("ERROR", json.dumps(error.status()).encode())
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            self._cluster.store.listeners.remove(self._hear)
        return self._response

    def meet_orders(self) -> None:
        """Look for faults before anything else is sent."""
        self._look_for_orders = True
        self._inbox.wake()

    def _hear(self, change: Change) -> None:
        if change.kind is self._target.kind:
            self._inbox.put(change)

    async def _begin(self) -> None:
        query, store = self._request.query, self._cluster.store
        asked = query.get("resourceVersion") or ""
        initial = is_true(query, "sendInitialEvents")
        if asked in ("", "0") or initial:
            self._sent = store.version
            for stored in store.all(self._target.kind, self._target.namespace):
                if self._selected(stored.item):
                    await self._send_stored(ADDED, stored)
            if initial:
                await self._bookmark({_INITIAL_EVENTS_END: "true"})
            return
        self._sent = min(int(asked), store.version)
        await self._send_changes(store.since(self._target.kind, self._sent))

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._until:
            if self._look_for_orders:
                self._look_for_orders = False
                order = self._take_order()
                if order is not None:
                    if not await self._suffer(order):
                        return
                    self._look_for_orders = True
                    continue
            pause = min(self._until - loop.time(), self._cluster.settings.bookmark_s)
            try:
                async with asyncio.timeout(max(pause, 0.001)):
                    await self._inbox.wait()
            except TimeoutError:
                if self._bookmarks:
                    await self._bookmark()
                continue
            if not self._look_for_orders:
                await self._send_changes(self._inbox.take_nowait())

    def _take_order(self) -> Order | None:
        target = self._target
        return self._cluster.orders.take(
            WATCH_TROUBLES,
            verb="watch",
            resource=target.resource,
            namespace=target.namespace,
            name=target.name,
        )

    async def _suffer(self, order: Order) -> bool:
        """Let a fault happen; return whether the watch goes on."""
        match order.trouble:
            case Trouble.GONE:
                store = self._cluster.store
                store.compact()
                raise ApiError(410, f"too old resource version: {self._sent} ({store.compacted})")
            case Trouble.SILENT:
                await asyncio.sleep(order.number("silent_s", 1.0))
                if order.word("then") != "cut":
                    return True
            case _:
                await self._response.write(b'{"type":"MODIFIED","object":{"kind":')
        if self._request.transport is not None:
            self._request.transport.abort()
        return False

    async def _send_changes(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.version <= self._sent:
                continue
            told = self._told(change)
            if told:
                await self._send_stored(told, change.after)
            self._sent = change.version

    def _told(self, change: Change) -> str:
        """Return the type of event that a change is for this watch; empty: none."""
        place = self._target.namespace
        if place and namespace_of(change.item) != place:
            return ""
        before = change.before is not None and self._selected(change.before.item)
        after = change.type != DELETED and self._selected(change.item)
        if before and after:
            return MODIFIED
        return ADDED if after else DELETED if before else ""

    async def _bookmark(self, annotations: Object | None = None) -> None:
        kind = self._target.kind
        metadata: Object = {
            "resourceVersion": str(max(self._sent, self._caught_up())),
            "creationTimestamp": None,
        }
        if annotations:
            metadata["annotations"] = annotations
        bookmark = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        await self._send("BOOKMARK", json.dumps(bookmark).encode())

    def _caught_up(self) -> int:
        return self._sent if self._inbox.is_filled else self._cluster.store.version

    async def _send_stored(self, kind_of_event: str, stored: Stored) -> None:
        text = stored.text
        if self._as_table:
            text = json.dumps(table(self._target.kind, [stored], self._sent)).encode()
        await self._send(kind_of_event, text)

    async def _send(self, kind_of_event: str, text: bytes) -> None:
        await self._response.write(b'{"type":"' + kind_of_event.encode() + b'","object":' + text + b"}\n")
