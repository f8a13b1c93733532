"""The server itself: its paths, and how it begins and ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from anyio import create_task_group

from asyncflow.cards.html import has_frame
from asyncflow.cardserver.feeds import CardFeed, Feeds, RunFeed
from asyncflow.cardserver.guard import Guard, new_token
from asyncflow.cardserver.pages import CUSTOM_POLICY, Pages, asset, card_message, policy
from asyncflow.cardserver.shelf import CardKey, Shelf
from asyncflow.errors import PlatformError

__all__ = ["CardServer"]

_HOST = "127.0.0.1"
_PING_S = 15.0
"""After so long without news a page is told that there are none: so we notice those that are gone."""
_END_WITHIN_S = 2.0
_TYPES = {"live.js": "text/javascript", "board.css": "text/css"}


class CardServer:
    """Serves the cards of a store.

    Args:
        home: The store's directory.
        run: Serve this run's alone; None: those of all.
        on_problem: Told, from another thread, when the bucket that the store is in cannot be read.
    """

    def __init__(
        self, home: str, *, run: int | None = None, on_problem: Callable[[str], None] = lambda told: None
    ) -> None:
        self._run = run
        self._shelf = Shelf(home, on_problem)
        self._feeds = Feeds(self._shelf)
        self._token = new_token()
        custom_token = new_token()
        self._guard = Guard(self._token, custom_token)
        self._pages = Pages(f"/{self._token}", f"/{custom_token}", is_fixed=run is not None)
        self.url = ""
        """Where to look, once it serves."""

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        """Serve while within; streams are ended in order at the end. Safe to cancel.

        Args:
            port: Of 127.0.0.1; 0: any that is free.

        Raises:
            PlatformError: The port is taken.
        """
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_END_WITHIN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, _HOST, port)
            try:
                await site.start()
            except OSError as error:
                raise _PortTaken(f"Port {port} cannot be had: {error.strerror}") from error
            self._begin(runner)
            async with create_task_group() as group:
                group.start_soon(self._feeds.look_after)
                try:
                    yield
                finally:
                    self._feeds.end()
        finally:
            await runner.cleanup()
            self._shelf.close()

    def _begin(self, runner: web.AppRunner) -> None:
        port: int = runner.addresses[0][1]
        self._guard.hosts = (f"{_HOST}:{port}", f"localhost:{port}")
        where = f"{self._run}/" if self._run is not None else ""
        self.url = f"http://{_HOST}:{port}/{self._token}/{where}"

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard.middleware])
        card = r"/{token}/{run:\d{1,18}}/{step:[^/]{1,200}}/{task:\d{1,18}}/{number:\d{1,4}}"
        app.add_routes(
            [
                web.get("/{token}/", self._show_runs),
                web.get(r"/{token}/{name:live\.js|board\.css}", self._show_asset),
                web.get(r"/{token}/{run:\d{1,18}}/", self._show_run),
                web.get(r"/{token}/{run:\d{1,18}}/events", self._tell_run),
                web.get(f"{card}/", self._show_card),
                web.get(f"{card}/custom", self._show_custom),
                web.get(f"{card}/events", self._tell_card),
                web.get("/{token:.*}", _nothing),
            ]
        )
        return app

    # Pages

    async def _show_runs(self, _request: web.Request) -> web.Response:
        if self._run is not None:
            raise web.HTTPNotFound
        return _page(self._pages.runs(await self._shelf.runs()))

    async def _show_asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.Response(body=asset(name), content_type=_TYPES[name], charset="utf-8")

    async def _show_run(self, request: web.Request) -> web.Response:
        feed = await self._run_feed(request)
        assert feed.list is not None
        return _page(self._pages.run(feed.list, f"events?list={feed.version}"))

    async def _show_card(self, request: web.Request) -> web.Response:
        run, card = await self._run_feed(request), await self._card_feed(request)
        assert run.list is not None
        assert card.drawing is not None
        events = f"events?list={run.version}&card={card.version}"
        html = self._pages.card(card.key, card.drawing, run.list, events)
        return _page(html, has_frames=has_frame(card.drawing.page.nodes))

    async def _show_custom(self, request: web.Request) -> web.Response:
        card = await self._card_feed(request)
        if card.drawing is None or not card.drawing.custom:
            raise web.HTTPNotFound
        html = card.drawing.custom
        headers = {"Content-Security-Policy": CUSTOM_POLICY}
        return web.Response(text=html, content_type="text/html", charset="utf-8", headers=headers)

    # Streams

    async def _tell_run(self, request: web.Request) -> web.StreamResponse:
        run = await self._run_feed(request)
        return await self._stream(request, run, None)

    async def _tell_card(self, request: web.Request) -> web.StreamResponse:
        run, card = await self._run_feed(request), await self._card_feed(request)
        return await self._stream(request, run, card)

    async def _stream(self, request: web.Request, run: RunFeed, card: CardFeed | None) -> web.StreamResponse:
        headers = {**self._guard.headers(), "Content-Type": "text/event-stream; charset=utf-8"}
        response = web.StreamResponse(headers={**headers, "Content-Security-Policy": policy()})
        await response.prepare(request)
        news = asyncio.Event()
        teller = _Teller(self._pages, run, card, request)
        try:
            if card is None:
                with run.listening(news):
                    await self._go_on(response, teller, news)
            else:
                with run.listening(news), card.listening(news):
                    await self._go_on(response, teller, news)
        except ConnectionError:
            pass  # the page was left
        return response

    async def _go_on(self, response: web.StreamResponse, teller: _Teller, news: asyncio.Event) -> None:
        while True:
            news.clear()
            told = teller.messages()
            if self._feeds.is_over:
                told += _message("bye", "", None)
            await response.write(told.encode("utf-8", "replace") if told else b": nothing new\n\n")
            if self._feeds.is_over or teller.is_over:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_S):
                    await news.wait()

    # What a path means

    async def _run_feed(self, request: web.Request) -> RunFeed:
        run = int(request.match_info["run"])
        if self._run not in (None, run):
            raise web.HTTPNotFound
        feed = await self._feeds.run(run)
        if feed is None:
            raise web.HTTPNotFound
        return feed

    async def _card_feed(self, request: web.Request) -> CardFeed:
        told = request.match_info
        key = CardKey(int(told["run"]), told["step"], int(told["task"]), int(told["number"]))
        feed = await self._feeds.card(key)
        if feed is None:
            raise web.HTTPNotFound
        return feed


class _PortTaken(PlatformError):
    """The port cannot be listened on."""

    headline = "The card server cannot begin"


class _Teller:
    """What one page is told: differences to what it has."""

    def __init__(self, pages: Pages, run: RunFeed, card: CardFeed | None, request: web.Request) -> None:
        self._pages = pages
        self._run = run
        self._card = card
        last = request.headers.get("Last-Event-ID", "").partition(".")
        self._list_version = last[0] or request.query.get("list", "")
        self._card_version = last[2] or request.query.get("card", "")
        self._had: Set[str] = frozenset()
        self._was_custom = False
        if card is not None and card.drawing is not None and self._card_version == str(card.version):
            self._had = frozenset(card.drawing.ids)
            self._was_custom = bool(card.drawing.custom)
        self.is_over = False

    def messages(self) -> str:
        """Return what is new, as server-sent events; empty: nothing."""
        told = ""
        if str(self._run.version) != self._list_version and self._run.list is not None:
            self._list_version = str(self._run.version)
            current = None if self._card is None else self._card.key.task
            told += _message("list", str(self._pages.list(self._run.list, current)), self._id())
        told += self._of_card()
        drawing = None if self._card is None else self._card.drawing
        is_over = self._run.list is not None and self._run.list.is_over
        if is_over and (drawing is None or not drawing.is_living):
            self.is_over = True
            told += _message("over", "", None)
        return told

    def _of_card(self) -> str:
        card = self._card
        if card is None or card.drawing is None or str(card.version) == self._card_version:
            return ""
        self._card_version = str(card.version)
        drawing = card.drawing
        if drawing.custom or self._was_custom:
            return _message("reload", "", None)
        told = card_message(drawing, self._had)
        self._had = frozenset(drawing.ids)
        return _message("card", told, self._id())

    def _id(self) -> str:
        return f"{self._list_version}.{self._card_version}"


def _message(kind: str, data: Any, id: str | None) -> str:  # Any: JSON-like
    mark = "" if id is None else f"id: {id}\n"
    return f"{mark}event: {kind}\ndata: {json.dumps(data)}\n\n"


async def _nothing(_request: web.Request) -> web.Response:
    raise web.HTTPNotFound


def _page(html: str, *, has_frames: bool = False) -> web.Response:
    headers = {"Content-Security-Policy": policy(has_frames=has_frames)}
    text = html.encode("utf-8", "replace")
    return web.Response(body=text, content_type="text/html", charset="utf-8", headers=headers)
