"""How jobs of a run get their pods: many at once, once each, and later where there is no quota now."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

import anyio

from asyncflow.backends.kubernetes.api import Rejected
from asyncflow.backends.kubernetes.asking import Asker, Foreign
from asyncflow.backends.kubernetes.book import Book, Entry
from asyncflow.backends.kubernetes.errors import BadOption
from asyncflow.backends.kubernetes.gang import is_whole
from asyncflow.backends.kubernetes.jsontext import decode
from asyncflow.backends.kubernetes.names import gang_name
from asyncflow.backends.kubernetes.pacing import pause_s
from asyncflow.backends.remote.platform import End, EndReason, Job, Refused
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt

__all__ = ["Launcher"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 24
"""Requests of one submit under way at once; the client has a bound for all."""
_FIRST_QUOTA_S = 2.0

_Unit = Sequence[Job]
"""What becomes one object: a job, or all jobs of a gang."""


class Launcher:
    """Asks for the pods of one run.

    Args:
        asker: Makes the objects.
        book: Is told what was asked for.
        on_news: Called after the book has been told.
        on_namespace: Called with the namespace of what is about to be asked for.
        has_index_limits: The cluster has Jobs whose indexes fail apart (1.29 and newer): gangs can be Jobs.
    """

    def __init__(
        self,
        asker: Asker,
        book: Book,
        *,
        on_news: Callable[[], None],
        on_namespace: Callable[[str], None],
        has_index_limits: bool = True,
    ) -> None:
        self._asker = asker
        self._book = book
        self._on_news = on_news
        self._on_namespace = on_namespace
        self._has_index_limits = has_index_limits
        self._waiting: dict[Attempt, _Unit] = {}
        """What has no pod for want of quota, in order, by the first job's attempt."""
        self._has_waiting = anyio.Event()

    async def submit(self, jobs: Sequence[Job]) -> list[Refused]:
        """Ask for pods; return what was refused for good. Raises PlatformError if the cluster does not answer."""
        units = iter(self._units(jobs))
        refused: list[Refused] = []
        failures: list[PlatformError] = []

        async def work() -> None:
            for unit in units:
                if failures:
                    return
                try:
                    refused.extend(await self._launch(unit))
                except PlatformError as error:
                    failures.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(min(_AT_ONCE, len(jobs))):
                group.start_soon(work)
        for one in refused:
            self._book.drop(one.attempt)
        if failures:
            raise failures[0]
        return refused

    def withdraw(self, attempt: Attempt) -> bool:
        """Take back a job that waits for quota; return whether it did."""
        for first, unit in self._waiting.items():
            if any(job.attempt == attempt for job in unit):
                rest = tuple(job for job in unit if job.attempt != attempt)
                del self._waiting[first]
                self._waiting.update((job.attempt, (job,)) for job in rest)  # a gang no more
                return True
        return False

    async def run(self) -> None:
        """Ask again for what waits for quota, until cancelled."""
        tries = 0
        while True:
            if not self._waiting:
                self._has_waiting = anyio.Event()
                tries = 0
                await self._has_waiting.wait()
            tries += 1
            await anyio.sleep(_FIRST_QUOTA_S + pause_s(tries, random.random()))
            if await self._again():
                tries = 0

    async def _again(self) -> bool:
        """Ask for the waiting ones in order, up to the first that still has no room; return whether one got a pod."""
        has_room = False
        for first in list(self._waiting):
            unit = self._waiting.pop(first, None)
            if unit is None:
                continue  # withdrawn
            try:
                refused = await self._launch(unit, asks_anyway=True)
            except PlatformError as error:
                _LOG.warning("%s waits for quota, and could not be asked for: %s", unit[0].name, error)
                self._put_back(unit)
                return has_room
            for one in refused:
                entry = self._book.get(one.attempt)
                if entry is not None:
                    self._book.end(entry, End(one.reason, one.message))
            self._on_news()
            if unit[0].attempt in self._waiting:
                self._put_back(unit)
                return has_room
            has_room = True
        return has_room

    def _put_back(self, unit: _Unit) -> None:
        """Let it be the first again."""
        others = {first: other for first, other in self._waiting.items() if first != unit[0].attempt}
        self._waiting = {unit[0].attempt: unit, **others}

    def _units(self, jobs: Sequence[Job]) -> Iterable[_Unit]:
        gangs: dict[int, list[Job]] = {}
        singles: list[Job] = []
        for job in jobs:
            if job.gang is None or not self._has_index_limits:
                singles.append(job)
            else:
                gangs.setdefault(job.gang.id, []).append(job)
        for members in gangs.values():
            members.sort(key=lambda job: job.gang.index if job.gang else 0)
            if is_whole(members):
                yield tuple(members)
            else:
                singles.extend(members)
        for job in singles:
            yield (job,)

    async def _launch(self, unit: _Unit, *, asks_anyway: bool = False) -> list[Refused]:
        """Ask for one object.

        Args:
            unit: Its jobs.
            asks_anyway: Also if others wait for quota.
        """
        try:
            namespace = self._asker.options_of(unit[0]).namespace
        except BadOption as error:
            return _refused(unit, error.message)
        self._on_namespace(namespace)
        is_gang = len(unit) > 1
        now = time.monotonic()
        entries = [self._book.claim(job.attempt, "" if is_gang else job.name, namespace, now) for job in unit]
        if any(entry.is_created for entry in entries):
            return []
        for job, entry in zip(unit, entries, strict=True):
            entry.gang = gang_name(job, job.gang) if job.gang is not None else ""
            entry.is_member = is_gang
            entry.name = "" if is_gang else job.name
        if self._waiting and not asks_anyway:
            self._wait(unit, entries, "waits behind others for quota")
            return []
        try:
            await self._create(unit, entries, now)
        except Rejected as rejected:
            if rejected.is_quota:
                self._wait(unit, entries, rejected.message)
                return []
            return _refused(unit, rejected.message)
        except Foreign as foreign:
            return _refused(unit, str(foreign))
        for entry in entries:
            entry.is_asked = True
        await self._stop_late(entries)
        return []

    async def _create(self, unit: _Unit, entries: Sequence[Entry], now: float) -> None:
        if len(unit) > 1:
            await self._asker.create_gang(unit)
            return
        found = await self._asker.create_pod(unit[0])
        entries[0].is_created = True
        if found is not None:
            self._book.saw(decode(found), now)
            self._on_news()

    async def _stop_late(self, entries: Sequence[Entry]) -> None:
        """End what was asked to stop, or given up, while it was asked for."""
        for entry in entries:
            if (entry.is_stopped or entry.is_force) and entry.name:
                entry.is_deleting = True
                await self._asker.delete_pod(
                    entry.namespace, entry.name, grace_s=0 if entry.is_force else None
                )

    def _wait(self, unit: _Unit, entries: Sequence[Entry], message: str) -> None:
        left = [
            job for job, entry in zip(unit, entries, strict=True) if not (entry.is_stopped or entry.is_over)
        ]
        for entry in entries:
            if entry.is_stopped:
                self._book.end(entry, End(EndReason.STOPPED, "stopped before it had a pod"))
            elif not entry.is_over:
                self._book.wait(entry, f"quota: {message}")
        units = [unit] if len(left) == len(unit) else [(job,) for job in left]  # or a gang no more
        self._waiting.update((one[0].attempt, one) for one in units)
        if self._waiting:
            self._has_waiting.set()
        self._on_news()


def _refused(unit: _Unit, message: str) -> list[Refused]:
    return [Refused(job.attempt, EndReason.UNSCHEDULABLE, message) for job in unit]
