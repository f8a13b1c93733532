"""Slots that several runs share: a run's launch waits, in order of asking, until one of them is free.

The machine of a run counts its own slots and knows nothing of other runs. So what it launches may have to wait here
before the backend hears of it; the attempt counts as launched and has not started, as one that waits in the queue of a
cluster has.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from anyio.abc import TaskGroup

from asyncflow.backends.base import Backend, Capabilities
from asyncflow.errors import AsyncflowError
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.inbox import Inbox
from asyncflow.worker.spec import TaskSpec

__all__ = ["SharedSlots", "SlottedBackend"]


class SharedSlots:
    """Counts slots for everyone in one event loop; first come, first served.

    Args:
        slots: How many there are.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: dict[object, Callable[[], None]] = {}

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self._free

    def take(self, key: object, begin: Callable[[], None]) -> bool:
        """Take a slot at once and return True; else `begin` is called when one was taken for `key`."""
        if self._free > 0:
            self._free -= 1
            return True
        self._waiting[key] = begin
        return False

    def forget(self, key: object) -> bool:
        """Stop waiting; False if `key` does not wait."""
        return self._waiting.pop(key, None) is not None

    def give_back(self) -> None:
        """Give back a slot, to the one who has waited longest."""
        if self._waiting:
            self._waiting.pop(next(iter(self._waiting)))()
        else:
            self._free += 1


class SlottedBackend:
    """A run's backend behind slots that it shares with other runs (`asyncflow.backends.base.Backend`).

    Async attempts take no slot, as they take none of the machine's.

    Args:
        inner: Where attempts run.
        slots: What is shared.
        inbox: Told of attempts that never came to run.
        clock: The time.
        group: Where launches that had to wait are carried out; outlives the run.
    """

    def __init__(
        self, inner: Backend, slots: SharedSlots, *, inbox: Inbox, clock: Clock, group: TaskGroup
    ) -> None:
        self._inner = inner
        self._slots = slots
        self._inbox = inbox
        self._clock = clock
        self._group = group
        self._waiting: dict[Attempt, TaskSpec] = {}
        self._holding: dict[Attempt, None] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the place where attempts run can do."""
        return self._inner.capabilities

    async def launch(self, spec: TaskSpec) -> None:
        """Start an attempt, now or when there is a slot for it. See `Backend.launch`."""
        attempt = spec.attempt
        if spec.is_async:
            await self._inner.launch(spec)
        elif attempt not in self._waiting and attempt not in self._holding:
            self._waiting[attempt] = spec
            if self._slots.take((self, attempt), lambda: self._begin(attempt)):
                await self._launch(attempt)

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask or force an attempt to end; one that waits will not start. See `Backend.stop`."""
        if attempt in self._waiting:
            self._drop(attempt)
            self._lose(attempt, "stopped before its process was started")
        else:
            await self._inner.stop(attempt, force=force)

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts. See `Backend.facts`."""
        async with aclosing(self._inner.facts()) as stream:
            async for facts in stream:
                for fact in facts:
                    if isinstance(fact, WorkerReported | WorkerLost):
                        self._release(fact.attempt)
                yield facts

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say what became of attempts of a dead driver. See `Backend.adopt`."""
        return await self._inner.adopt(attempts)

    async def aclose(self) -> None:
        """Kill what still runs and give every slot back. See `Backend.aclose`."""
        for attempt in list(self._waiting):
            self._drop(attempt)
        try:
            await self._inner.aclose()
        finally:
            for attempt in list(self._holding):
                self._release(attempt)

    def _begin(self, attempt: Attempt) -> None:
        self._holding[attempt] = None
        self._group.start_soon(self._launch_late, attempt)

    async def _launch(self, attempt: Attempt) -> None:
        self._holding[attempt] = None
        try:
            await self._inner.launch(self._waiting.pop(attempt))
        except BaseException:
            self._release(attempt)
            raise

    async def _launch_late(self, attempt: Attempt) -> None:
        try:
            if attempt in self._waiting:  # else it was stopped meanwhile, or its run has ended
                await self._launch(attempt)
        except AsyncflowError as error:
            self._lose(attempt, f"could not be launched: {error}")

    def _drop(self, attempt: Attempt) -> None:
        """Forget an attempt that waits, or has a slot and no process yet."""
        del self._waiting[attempt]
        self._slots.forget((self, attempt))
        self._release(attempt)

    def _release(self, attempt: Attempt) -> None:
        if attempt in self._holding:
            del self._holding[attempt]
            self._slots.give_back()

    def _lose(self, attempt: Attempt, reason: str) -> None:
        self._inbox.put((WorkerLost(at=self._clock.now(), attempt=attempt, reason=reason),))
