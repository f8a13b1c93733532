"""What other processes ask of a run becomes facts; what makes no sense becomes none."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from asyncflow.events.requests import post_request
from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.machine.events import Limits
from asyncflow.machine.facts import CancelRequested, Fact, LimitsRequested
from asyncflow.machine.graph import Graph
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.lease import keep_lease


async def facts_of(path: str, kind: str, args: dict[str, Any]) -> list[Fact]:
    """Facts that the keeper of a run's lease makes of one request, and of a cancel after it."""
    inbox, clock = Inbox(), SystemClock()
    state = RunState(graph=Graph(flow="F", start="start", end="end"), limits=Limits(slots=4))
    async with SqliteLog(path) as log:
        run = await log.create_run_id()
        await log.acquire_lease(run)
        await anyio.to_thread.run_sync(lambda: post_request(path, run, kind, args, by="ada"))
        await anyio.to_thread.run_sync(lambda: post_request(path, run, "cancel", by="ada"))
        async with anyio.create_task_group() as keepers:
            keepers.start_soon(lambda: keep_lease(log, run, state=state, inbox=inbox, clock=clock))
            facts = await inbox.take(clock, None)
            keepers.cancel_scope.cancel()
        await log.release_lease(run)
    assert isinstance(facts[-1], CancelRequested)
    return facts[:-1]


@pytest.mark.parametrize(
    ("args", "limits"),
    [
        ({"slots": 9}, Limits(slots=9)),
        ({"async_slots": 7}, Limits(slots=4, async_slots=7)),
        ({"slots": 9, "async_slots": 7, "newer": 1}, Limits(slots=9, async_slots=7)),
    ],
)
async def test_limits_that_are_asked_for_become_a_fact(
    tmp_path: Any, args: dict[str, Any], limits: Limits
) -> None:
    facts = await facts_of(f"{tmp_path}/log.db", "limits", args)
    assert [fact.limits for fact in facts if isinstance(fact, LimitsRequested)] == [limits]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("limits", {}),
        ("limits", {"slots": 0}),
        ("limits", {"slots": "many"}),
        ("limits", {"slots": 4}),
        ("unheard-of", {"slots": 5}),
    ],
)
async def test_what_makes_no_sense_or_changes_nothing_is_passed_over(
    tmp_path: Any, kind: str, args: dict[str, Any]
) -> None:
    assert await facts_of(f"{tmp_path}/log.db", kind, args) == []
