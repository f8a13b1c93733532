"""What is done for a run's pods beside asking for them: an end to hopeless ones, and cleaning up."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import anyio

from asyncflow.backends.kubernetes.api import Rejected
from asyncflow.backends.kubernetes.asking import Asker
from asyncflow.backends.kubernetes.book import Book, Entry
from asyncflow.backends.kubernetes.gang_tending import GangTender
from asyncflow.backends.kubernetes.reading import Hopeless
from asyncflow.backends.remote.platform import End, EndReason, Phase
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt
from asyncflow.records import record

__all__ = ["Limits", "Tender", "delete_all"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 8


@record
class Limits:
    """How long things may take, in seconds."""

    pending_s: float
    """Without a node or quota."""
    image_s: float = 120.0
    """Without its image: a registry may be busy."""
    configuration_s: float = 120.0
    """Without a secret, a config map or a volume: somebody may be making it."""
    leaving_s: float = 60.0
    """Beyond its grace, of a pod that is being deleted: then its node is taken for lost."""
    gang_s: float = 30.0
    """Between looks at a gang's Job that makes no pods."""
    linger_s: float = 60.0
    """Between the moment that a pod's end was told and its removal, for who wants to look at it."""
    tick_s: float = 1.0


class Tender:
    """Looks after the pods of one run.

    Args:
        asker: Asks the cluster.
        book: Of the run.
        limits: How long things may take.
        keeps: What has ended is left where it is, for its time to live.
        withdraw: Takes back a job that has no pod yet.
        on_news: Called after the book has been told.
    """

    def __init__(
        self,
        asker: Asker,
        book: Book,
        *,
        limits: Limits,
        keeps: bool,
        withdraw: Callable[[Attempt], bool],
        on_news: Callable[[], None],
    ) -> None:
        self._asker = asker
        self._book = book
        self._limits = limits
        self._keeps = keeps
        self._withdraw = withdraw
        self._on_news = on_news
        self._told: deque[tuple[float, Entry]] = deque()
        """What has ended and was told, and when it may be removed."""

    def told(self, entries: Iterable[Entry]) -> None:
        """Note that the end of attempts was taken by who listens."""
        due_at = time.monotonic() + self._limits.linger_s
        for entry in entries:
            entry.is_told = True
            if entry.is_gone or self._keeps or not (entry.name or entry.is_asked):
                self._book.drop(entry.attempt)
            else:
                self._told.append((due_at, entry))

    async def run(self) -> None:
        """Look after them until cancelled."""
        gangs = GangTender(
            self._asker,
            self._book,
            patience_s=self._limits.gang_s,
            tick_s=self._limits.tick_s,
            on_news=self._on_news,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(gangs.run)
            group.start_soon(self._judge)
            group.start_soon(self._clean)

    async def _judge(self) -> None:
        while True:
            await anyio.sleep(self._limits.tick_s)
            now = time.monotonic()
            hopeless = [
                (entry, end) for entry in self._book.open_entries() if (end := self._verdict(entry, now))
            ]
            late = [
                one
                for one in self._book.open_entries()
                if one.is_stopped and one.name and not one.is_deleting
            ]
            for entry, end in hopeless:
                self._withdraw(entry.attempt)
                self._book.end(entry, end)
                entry.is_force, entry.is_deleting = True, False
            if hopeless:
                self._on_news()
            await delete_all(self._asker, [*(entry for entry, _ in hopeless), *late])

    def _verdict(self, entry: Entry, now: float) -> End | None:
        """Say how an attempt ended that will not end by itself."""
        limits = self._limits
        if entry.leaving_by is not None and now > entry.leaving_by + limits.leaving_s:
            reason = EndReason.STOPPED if entry.is_stopped else EndReason.LOST
            return End(reason, f"{_note(entry)}its node does not end it: it is taken for lost")
        if entry.seen is not None and entry.seen.phase is not Phase.PENDING:
            return None
        since = now - entry.hopeless_since
        if entry.hopeless is Hopeless.IMAGE and since > limits.image_s:
            return End(EndReason.IMAGE, _note(entry).rstrip("; "))
        if entry.hopeless is Hopeless.CONFIGURATION and since > limits.configuration_s:
            return End(EndReason.UNSCHEDULABLE, _note(entry).rstrip("; "))
        if now - entry.since > limits.pending_s:
            return End(EndReason.UNSCHEDULABLE, f"{_note(entry)}it waited for {limits.pending_s:g} s")
        return None

    async def _clean(self) -> None:
        while True:
            await anyio.sleep(self._limits.tick_s)
            now = time.monotonic()
            due: list[Entry] = []
            while self._told and self._told[0][0] <= now:
                due.append(self._told.popleft()[1])
            ready = [entry for entry in due if not self._has_company(entry)]
            again = [entry for entry in due if self._has_company(entry)]
            again += await delete_all(self._asker, await self._without_jobs(ready))
            for entry in ready:
                if entry.is_gone:
                    self._book.drop(entry.attempt)
            self._told.extend((now + self._limits.linger_s, entry) for entry in again)

    async def _without_jobs(self, entries: Sequence[Entry]) -> list[Entry]:
        """Remove the Jobs of gangs that are over, with all their pods; return what is left to remove."""
        for namespace, gang in dict.fromkeys(
            (entry.namespace, entry.gang) for entry in entries if entry.gang and not entry.is_gang_deleted
        ):
            try:
                await self._asker.delete_gang(namespace, gang)
            except (Rejected, PlatformError) as error:
                _LOG.warning("job %s cannot be deleted, its time to live will do: %s", gang, error)
                continue
            for entry in self._book.entries():
                if (entry.namespace, entry.gang) == (namespace, gang):
                    entry.is_gang_deleted = True
        for entry in entries:
            entry.is_gone = entry.is_gone or (entry.is_member and not entry.name)
        return [entry for entry in entries if not entry.is_member]

    def _has_company(self, entry: Entry) -> bool:
        """Whether others of its gang still run: they go with the gang's Job."""
        return bool(entry.gang) and any(
            other.gang == entry.gang and not other.is_over for other in self._book.open_entries()
        )


async def delete_all(asker: Asker, entries: Sequence[Entry]) -> list[Entry]:
    """Delete pods of attempts; return those that could not be for now."""
    todo = iter([entry for entry in entries if entry.name and not entry.is_deleting])
    failed: list[Entry] = []

    async def work() -> None:
        for entry in todo:
            entry.is_deleting = True
            try:
                grace_s = 0 if entry.is_force else None
                if not await asker.delete_pod(entry.namespace, entry.name, grace_s=grace_s):
                    entry.is_gone = True
            except Rejected as rejected:
                _LOG.warning("pod %s cannot be deleted: %s", entry.name, rejected.message)
            except PlatformError as error:
                _LOG.warning("pod %s cannot be deleted now: %s", entry.name, error.message)
                entry.is_deleting = False
                failed.append(entry)

    async with anyio.create_task_group() as group:
        for _ in range(min(_AT_ONCE, len(entries))):
            group.start_soon(work)
    return failed


def _note(entry: Entry) -> str:
    note = entry.seen.note if entry.seen is not None else ""
    return f"{note}; " if note else ""
