"""Processes ask a run's driver through the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.events.requests import post_request
from asyncflow.events.sqlite_log import SqliteLog


async def test_a_request_is_taken_once_by_the_run_it_is_for(tmp_path: Path) -> None:
    async with SqliteLog(str(tmp_path / "a.db")) as driver:
        assert await driver.take_requests(1) == ()
        post_request(driver.path, 1, "cancel", {"force": True}, by="ada")
        post_request(driver.path, 2, "limits", {"slots": 3}, by="ben")

        taken = await driver.take_requests(1)

        assert [(request.run, request.kind, request.args, request.by) for request in taken] == [
            (1, "cancel", {"force": True}, "ada")
        ]
        assert await driver.take_requests(1) == ()
        assert [request.kind for request in await driver.take_requests(2)] == ["limits"]


async def test_requests_come_in_the_order_they_were_posted(tmp_path: Path) -> None:
    async with SqliteLog(str(tmp_path / "a.db")) as driver:
        ids = [post_request(driver.path, 1, kind, by="ada") for kind in ("limits", "cancel", "limits")]

        assert [request.id for request in await driver.take_requests(1)] == ids


async def test_a_request_posted_by_the_driver_itself_is_found(tmp_path: Path) -> None:
    async with SqliteLog(str(tmp_path / "a.db")) as driver:
        assert await driver.take_requests(1) == ()

        await driver.post_request(1, "cancel", by="itself")

        assert [request.by for request in await driver.take_requests(1)] == ["itself"]


async def test_a_request_that_came_before_the_driver_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    post_request(path, 1, "cancel", by="early")

    async with SqliteLog(path) as driver:
        assert [request.by for request in await driver.take_requests(1)] == ["early"]


def test_a_request_to_a_store_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store"):
        post_request(str(tmp_path / "none" / "a.db"), 1, "cancel", by="ada")
