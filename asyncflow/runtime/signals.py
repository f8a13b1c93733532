"""Ctrl-C and SIGTERM: once asks the run to stop, twice forces it."""

from __future__ import annotations

import signal

import anyio

from asyncflow.machine.facts import CancelRequested
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox

__all__ = ["watch_signals"]


async def watch_signals(inbox: Inbox, clock: Clock) -> None:
    """Turn signals into facts until cancelled. Only in the main thread of a process that is ours to steer."""
    force = False
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for number in received:
            name = signal.Signals(number).name
            inbox.put((CancelRequested(at=clock.now(), by=name, force=force),))
            force = True
