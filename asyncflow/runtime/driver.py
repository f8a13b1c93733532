"""The turn: facts in, the machine concludes, events are recorded, published, then effects. The machine's only caller.

1. Events are durable before anyone hears of them and before anything is done. If they cannot be recorded the driver
   stops at once: memory is ahead of the log and may not be used any more; resume is cheap.
2. Commands are performed in the order of the turns, beside the next turn.
3. One timer for all retries and timeouts: the time the machine asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import anyio
from anyio.abc import TaskGroup

from asyncflow.backends.base import Backend
from asyncflow.events.protocol import EventLog
from asyncflow.machine.commands import Command
from asyncflow.machine.decide import step_all
from asyncflow.machine.events import Event, RunStatus
from asyncflow.machine.facts import Fact, TimerFired
from asyncflow.machine.rules.timers import next_wake
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.perform import perform_all

if TYPE_CHECKING:
    from asyncflow.runtime.limits import Limiter

__all__ = ["Driver", "Publish"]

Publish = Callable[[int, Sequence[Event]], None]
"""Takes the sequence number of the first event, and the events of one turn. Must not wait."""


class Driver:
    """Feeds one run's machine until the run is over.

    Args:
        state: The run's state: new, or folded from its log.
        log: Where events are recorded.
        backend: Where attempts run. The driver reads its facts, and does not close it.
        clock: The time.
        publish: Told of each turn's events once they are durable.
        limiter: Gets the permits of limits that runs share; entered. None where no step has any.
        inbox: Where facts come in. None: one of its own.
    """

    def __init__(
        self,
        state: RunState,
        *,
        log: EventLog,
        backend: Backend,
        clock: Clock,
        publish: Publish,
        limiter: Limiter | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self.state = state
        self.inbox = inbox or Inbox()
        self._log = log
        self._backend = backend
        self._clock = clock
        self._publish = publish
        self._limiter = limiter

    async def drive(self, run: int, first: Sequence[Fact], repeat: Sequence[Command] = ()) -> RunStatus:
        """Drive the run to its end.

        Args:
            run: The run's id.
            first: Facts to begin with: `RunRequested`, or `DriverStarted` and what became of attempts in flight.
            repeat: Commands that were recorded but perhaps not performed before a restart.

        Returns:
            How the run ended.

        Raises:
            RunIsElsewhere: Another driver writes this run's log.
            StoreError: Events could not be recorded.

        Cancellation:
            Safe at any point: what is recorded stands, and a later driver goes on from there.
        """
        self.inbox.put(first)
        async with anyio.create_task_group() as effects:
            effects.start_soon(self._listen)
            if self._limiter is not None:
                effects.start_soon(self._limiter.keep, self.inbox, self._clock)
            self._perform(effects, run, repeat)
            while not self.state.is_over:
                facts = await self.inbox.take(self._clock, next_wake(self.state))
                await self._turn(effects, run, facts)
            effects.cancel_scope.cancel()
        return cast(RunStatus, self.state.status)  # is_over says it is one

    async def _turn(self, effects: TaskGroup, run: int, facts: list[Fact]) -> None:
        wake_at = next_wake(self.state)
        now = self._clock.now()
        if wake_at is not None and wake_at <= now:
            facts.append(TimerFired(at=now))
        seq = self.state.seq
        turn = step_all(self.state, facts)
        if not turn.events:
            return
        await self._log.append(run, turn.events, expected_seq=seq)
        if self._limiter is not None:
            self._limiter.after_turn(facts, turn.events)
        self._publish(seq, turn.events)
        self._perform(effects, run, turn.commands)

    def _perform(self, effects: TaskGroup, run: int, commands: Sequence[Command]) -> None:
        if not commands:
            return

        async def perform() -> None:
            await perform_all(run, commands, backend=self._backend, inbox=self.inbox, clock=self._clock)

        effects.start_soon(perform)

    async def _listen(self) -> None:
        async with aclosing(self._backend.facts()) as stream:
            async for facts in stream:
                self.inbox.put(facts)
