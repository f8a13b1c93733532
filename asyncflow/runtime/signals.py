"""Ctrl-C, SIGTERM and a hang-up: once asks the run to stop, twice forces it."""

from __future__ import annotations

import signal

import anyio

from asyncflow.machine.facts import CancelRequested
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox

__all__ = ["watch_signals"]


async def watch_signals(inbox: Inbox, clock: Clock) -> None:
    """Turn signals into facts until cancelled. Only in the main thread of a process that is ours to steer.

    A hang-up that we were started to ignore (`nohup`) stays ignored.
    """
    force = False
    with anyio.open_signal_receiver(*_heard()) as received:
        async for number in received:
            name = signal.Signals(number).name
            inbox.put((CancelRequested(at=clock.now(), by=name, force=force),))
            force = True


def _heard() -> list[signal.Signals]:
    is_kept_out = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if is_kept_out else [signal.SIGHUP])]
