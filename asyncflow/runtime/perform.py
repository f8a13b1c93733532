"""Performs commands. A failure to perform is a fact like any other, so nothing here raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from asyncflow.backends.base import Backend
from asyncflow.machine.commands import Command, Launch, Stop
from asyncflow.machine.facts import WorkerLost
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox
from asyncflow.worker.spec import TaskSpec

__all__ = ["perform", "perform_all"]

_log = logging.getLogger(__name__)


async def perform_all(
    run: int, commands: Sequence[Command], *, backend: Backend, inbox: Inbox, clock: Clock
) -> None:
    """Perform commands one after another, in the order they were asked for."""
    for command in commands:
        await perform(run, command, backend=backend, inbox=inbox, clock=clock)


async def perform(run: int, command: Command, *, backend: Backend, inbox: Inbox, clock: Clock) -> None:
    """Perform one command; what goes wrong becomes a `WorkerLost`, or for a stop, a log record."""
    try:
        if isinstance(command, Stop):
            await backend.stop(command.attempt, force=command.force)
        else:
            await backend.launch(_spec(run, command))
    except Exception as error:  # noqa: BLE001  # one of the four places that turn a failure into a value
        _report(command, error, inbox, clock)


def _spec(run: int, launch: Launch) -> TaskSpec:
    return TaskSpec(
        run=run,
        attempt=launch.attempt,
        step=launch.step,
        inputs=launch.inputs,
        split=launch.split,
        index=launch.index,
        width=launch.width,
        frames=launch.frames,
        iteration=launch.iteration,
        catches=launch.catches,
        fallback=launch.fallback,
        timeout_s=launch.timeout_s,
        max_retries=launch.max_retries,
        is_async=launch.is_async,
        memory_factor=launch.memory_factor,
    )


def _report(command: Command, error: Exception, inbox: Inbox, clock: Clock) -> None:
    if isinstance(command, Stop):
        _log.warning("attempt %s could not be stopped: %s", command.attempt, error)
        return
    reason = f"could not be launched: {error}"
    inbox.put((WorkerLost(at=clock.now(), attempt=command.attempt, reason=reason),))
