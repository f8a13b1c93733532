"""The ways a run is driven by a process of its own: a new one, one that goes on, one that takes over an old one's work.

Each opens the log, heeds signals, drives, and leaves nothing behind. The zygote is forked by the caller before any of
this, from a process without threads or an event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.groups import first_of_ours
from asyncflow.runtime.session import Host, Observer, RunRequest, RunResult, drive_new, drive_on, remote_of
from asyncflow.runtime.signals import watch_signals
from asyncflow.store.layout import DATABASE

if TYPE_CHECKING:
    from asyncflow.backends.local import Zygote

__all__ = ["Observer", "RunRequest", "RunResult", "continue_run", "start_run"]


def start_run(request: RunRequest, *, home: str, zygote: Zygote, observer: Observer) -> RunResult:
    """Drive a new run to its end, in an event loop of its own.

    Args:
        request: What to run.
        home: The store's directory.
        zygote: Forked from this process before.
        observer: Told of the run's id, events and log lines.

    Raises:
        StoreError: The run could not be recorded; it has stopped, and can be resumed if it was registered.
    """
    return _run_loop(lambda: _start(request, home, zygote, observer))


def continue_run(
    request: RunRequest, run: int, *, home: str, zygote: Zygote, observer: Observer
) -> RunResult:
    """Go on with a run whose driver died, under its own id.

    Args:
        request: Flow, graph, limits and clones; the rest is what the run was started with.
        run: Its id.
        home: The store's directory.
        zygote: Forked from this process before.
        observer: Told of the run's id, events and log lines.

    Raises:
        RunIsElsewhere: The run's driver lives.
        StoreError: The run could not be read or recorded.
    """
    return _run_loop(lambda: _continue(request, run, home, zygote, observer))


async def _start(request: RunRequest, home: str, zygote: Zygote, observer: Observer) -> RunResult:
    async with _hosted(home, zygote) as host:
        return await drive_new(request, host, observer)


async def _continue(
    request: RunRequest, run: int, home: str, zygote: Zygote, observer: Observer
) -> RunResult:
    async with _hosted(home, zygote) as host:
        return await drive_on(request, run, host, observer)


@asynccontextmanager
async def _hosted(home: str, zygote: Zygote) -> AsyncGenerator[Host]:
    from asyncflow.events.sqlite_log import SqliteLog  # heavy: SQLite

    async def given() -> Zygote:
        return zygote

    clock = SystemClock()
    async with SqliteLog(os.path.join(home, DATABASE)) as log, remote_of(home, log, clock) as remote:
        yield Host(log=log, home=home, clock=clock, zygote=given, steer=watch_signals, remote=remote)


def _run_loop(main: Callable[[], Coroutine[Any, Any, RunResult]]) -> RunResult:
    try:
        return anyio.run(main, backend="asyncio")
    except BaseExceptionGroup as group:
        raise first_of_ours(group) from group
