"""Keeps a run's lease while it is driven, and hears what other processes ask of the run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from asyncflow.machine.events import Limits
from asyncflow.machine.facts import CancelRequested, Fact, LimitsRequested, RetryRequested, TaskStopRequested
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox

if TYPE_CHECKING:
    from asyncflow.events.requests import Request
    from asyncflow.events.sqlite_log import SqliteLog

__all__ = ["HEARTBEAT_S", "POLL_S", "held_lease", "keep_lease"]

HEARTBEAT_S = 5.0
"""Seconds between two signs of life; a lease without one for six times as long counts as dead elsewhere."""
POLL_S = 0.5
"""Seconds between two looks for requests; a look that finds the database unchanged reads nothing."""


@asynccontextmanager
async def held_lease(log: SqliteLog, run: int) -> AsyncGenerator[None]:
    """Hold the run's lease.

    Raises:
        RunIsElsewhere: A living process drives the run.
    """
    await log.acquire_lease(run)
    try:
        yield
    finally:
        with anyio.move_on_after(5, shield=True):
            await log.release_lease(run)


async def keep_lease(log: SqliteLog, run: int, *, state: RunState, inbox: Inbox, clock: Clock) -> None:
    """Renew the lease and pass on requests until cancelled.

    Raises:
        RunIsElsewhere: Another process took the lease while this one was asleep.
    """
    beat_at = clock.now() + HEARTBEAT_S
    while True:
        await anyio.sleep(POLL_S)
        inbox.put(_facts(await log.take_requests(run), state, clock))
        if clock.now() >= beat_at:
            await log.heartbeat(run)
            beat_at = clock.now() + HEARTBEAT_S


def _facts(requests: Sequence[Request], state: RunState, clock: Clock) -> list[Fact]:
    found = (_fact(request, state, clock.now()) for request in requests)
    return [fact for fact in found if fact is not None]


def _fact(request: Request, state: RunState, at: float) -> Fact | None:
    """Return what a request says to the machine; None: nothing, or something that only a newer release knows."""
    args = request.args
    step, task, force = args.get("step"), args.get("task"), bool(args.get("force", False))
    is_named = isinstance(step, str) and (task is None or isinstance(task, int))
    if request.kind == "cancel" and step is None:
        return CancelRequested(at=at, by=request.by, force=force)
    if request.kind == "cancel" and is_named:
        return TaskStopRequested(at=at, by=request.by, step=str(step), task=task, force=force)
    if request.kind == "retry" and is_named:
        return RetryRequested(at=at, by=request.by, step=str(step), task=task)
    if request.kind == "limits":
        limits = _changed(state.limits, args)
        return LimitsRequested(at=at, limits=limits) if limits != state.limits else None
    return None


def _changed(limits: Limits, args: Mapping[str, Any]) -> Limits:  # Any: JSON-like
    """Return the limits with what was asked for; what makes no sense, or only to a newer release, is left as it is."""
    asked = {name: args[name] for name in ("slots", "async_slots") if name in args}
    is_sensible = all(isinstance(number, int) and number >= 1 for number in asked.values())
    return limits._replace(**asked) if is_sensible else limits
