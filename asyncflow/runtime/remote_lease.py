"""A run's lease in a bucket: one object for each driver the run has had, numbered; the last one drives it.

Taking over is writing the next number, which one of any number of writers can do, and then the next piece of the run's
stream. So a driver that was thought dead and is not can add nothing to the stream; it notices, and stops.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.lease import Lease, Owner, is_alive
from asyncflow.records import fields, replace
from asyncflow.runtime.clock import Clock
from asyncflow.store.objects import Objects
from asyncflow.store.s3.keys import lease_key, lease_prefix, number_of

__all__ = ["RemoteLease"]


class RemoteLease:
    """One process's hold on one run.

    Args:
        objects: The store's.
        run: The run.
        owner: This process.
        clock: The time.
    """

    def __init__(self, objects: Objects, run: int, owner: Owner, clock: Clock) -> None:
        self._objects = objects
        self._run = run
        self._owner = owner
        self._clock = clock
        self._epoch = 0
        self._acquired_at = 0.0

    @property
    def is_first(self) -> bool:
        """Nobody has driven the run before."""
        return self._epoch == 1

    @property
    def lease(self) -> Lease:
        """What is said of the holder now."""
        owner, now = self._owner, self._clock.now()
        return Lease(
            run=self._run,
            owner=owner.id,
            host=owner.host,
            boot=owner.boot,
            pid=owner.pid,
            process_start=owner.process_start,
            acquired_at=self._acquired_at,
            heartbeat_at=now,
        )

    async def acquire(self) -> None:
        """Become the run's driver.

        Raises:
            RunIsElsewhere: A driver lives, or another one was quicker.
            StoreError: The bucket cannot be read or written.
        """
        epoch = await self._last_epoch()
        if epoch:
            await self._refuse_living(epoch)
        self._acquired_at = self._clock.now()
        if not await self._objects.put_new(lease_key(self._run, epoch + 1), self._data()):
            raise self._elsewhere("Another process has taken it a moment ago")
        self._epoch = epoch + 1

    async def renew(self) -> None:
        """Give a sign of life. Raises RunIsElsewhere if another process has taken over, StoreError."""
        if await self._objects.head(lease_key(self._run, self._epoch + 1)) is not None:
            raise self._elsewhere("Another process has taken it over, and this one stops")
        await self._objects.put(lease_key(self._run, self._epoch), self._data())

    async def release(self) -> None:
        """Stop being the run's driver. Raises StoreError."""
        await self._objects.put(lease_key(self._run, self._epoch), self._data(is_released=True))

    async def _last_epoch(self) -> int:
        last = 0
        async with aclosing(self._objects.list(lease_prefix(self._run))) as found:
            async for info in found:
                last = max(last, number_of(info.key) or 0)
        return last

    async def _refuse_living(self, epoch: int) -> None:
        received = await self._objects.get(lease_key(self._run, epoch))
        held = None if received is None else _read(received.data)
        if received is None or held is None:
            return
        now = self._clock.now()
        # By the server's clock, whatever the other machine's says; machines elsewhere may be called as this one is.
        held = replace(held, heartbeat_at=now - received.info.age_s)
        if held.boot != self._owner.boot:
            held = replace(held, boot="")
        if held.owner != self._owner.id and is_alive(held, now):
            raise self._elsewhere(f"It is driven by process {held.pid} on {held.host}, which is alive")

    def _data(self, *, is_released: bool = False) -> bytes:
        lease = self.lease
        said: dict[str, Any] = {item.name: getattr(lease, item.name) for item in fields(Lease)}  # Any: JSON
        return json.dumps({**said, "is_released": is_released}).encode()

    def _elsewhere(self, why: str) -> RunIsElsewhere:
        return RunIsElsewhere(
            f"Run {self._run} in {self._objects.url} is not this process's to drive. {why}.",
            hint=f"Watch it: asyncflow logs {self._run} --follow. Stop it: asyncflow cancel {self._run}",
        )


def _read(data: bytes) -> Lease | None:
    """Read a lease; None if it was given back, or is none."""
    try:
        said: dict[str, Any] = json.loads(data)  # Any: JSON
        if said.pop("is_released", False):
            return None
        return Lease(**{item.name: said[item.name] for item in fields(Lease)})
    except (ValueError, KeyError, TypeError):
        return None
