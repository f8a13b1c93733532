"""What the card server tells its pages, without a browser: only what is new, and everything that is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from asyncflow.cardserver import CardServer
from asyncflow.cardserver.feeds import Feeds
from asyncflow.cardserver.shelf import CardKey, Shelf
from tests.integration.cards.running import running

pytestmark = pytest.mark.slow

PATIENCE_S = 15.0


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any, str]]:
    """Yield kind, data and id of each event."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields.get("event", ""), json.loads(fields["data"]), fields.get("id", "")
            fields = {}


async def opened(session: aiohttp.ClientSession, url: str, **headers: str) -> aiohttp.ClientResponse:
    """Open a stream as soon as there is what it tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while (response := await session.get(url, headers=headers)).status != 200:
            assert response.status in (404, 503)
            await asyncio.sleep(0.02)
    return response


async def next_card(stream: AsyncIterator[tuple[str, Any, str]], words: str) -> tuple[Any, str]:
    async with asyncio.timeout(PATIENCE_S):
        async for kind, data, mark in stream:
            if kind == "card" and any(words in part for part in data["parts"].values()):
                return data, mark
    raise AssertionError("the stream has ended")


async def test_a_listener_gets_parts_that_are_new_and_their_order(tmp_path: Path) -> None:
    home = tmp_path / ".asyncflow"
    with running(home, tmp_path / "told") as told:
        server = CardServer(str(home), run=1)
        async with server.serving(), aiohttp.ClientSession() as session:
            stream = await opened(session, f"{server.url}start/1/0/events")
            seen = events(stream)
            first, mark = await next_card(seen, "")
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert set(first["parts"]) == set(first["order"]), "who has nothing is told all"
            assert first["live"] is True
            if not any("the first thing" in part for part in first["parts"].values()):
                first, mark = await next_card(seen, "the first thing")

            # Something new: the curve and the bar have changed, a text is new, the rest is only named.
            said = told.say("something new")
            second, later = await next_card(seen, "something new")
            assert time.monotonic() - said < 5
            assert set(second["parts"]) < set(second["order"])
            assert set(first["order"]) & set(second["order"])

            # Who comes back with the mark of what it has seen last is told nothing twice.
            again = await opened(session, f"{server.url}start/1/0/events", **{"Last-Event-ID": later})
            told.say("the third thing")
            third, _ = await next_card(events(again), "the third thing")
            assert not set(third["parts"]) >= set(third["order"])
            assert mark != later
            stream.close()
            again.close()


async def test_a_stream_ends_with_the_run_and_with_the_server(home: Path, tmp_path: Path) -> None:
    server = CardServer(str(home), run=1)
    async with server.serving(), aiohttp.ClientSession() as session:
        stream = await opened(session, f"{server.url}start/1/0/events")
        kinds = [kind async for kind, _, _ in events(stream)]
        assert kinds[-1] == "over"

    with running(tmp_path / ".asyncflow", tmp_path / "told"):
        living = CardServer(str(tmp_path / ".asyncflow"))
        async with aiohttp.ClientSession() as session:
            async with living.serving():
                open_one = await opened(session, f"{living.url}1/events?list=0")
                seen = events(open_one)
                assert (await anext(seen))[0] == "list"
            assert [kind async for kind, _, _ in seen] == ["bye"]


async def test_feeds_that_nobody_listens_to_are_forgotten(home: Path) -> None:
    shelf = Shelf(str(home), lambda problem: None)
    feeds = Feeds(shelf)
    try:
        for _ in range(3):
            for key in (CardKey(1, "start", 1, 0), CardKey(1, "start", 1, 1), CardKey(1, "end", 2, 0)):
                assert await feeds.card(key) is not None
        assert await feeds.card(CardKey(1, "start", 1, 2)) is None
        assert await feeds.card(CardKey(7, "start", 1, 0)) is None
        assert await feeds.run(7) is None
        assert len(feeds._cards) == 3
    finally:
        shelf.close()
