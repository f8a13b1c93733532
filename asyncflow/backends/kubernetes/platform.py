"""The platform of one run on a cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence

import anyio
from anyio.abc import TaskGroup

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.asking import Asker, pods_path
from asyncflow.backends.kubernetes.book import Book, Entry
from asyncflow.backends.kubernetes.launching import Launcher
from asyncflow.backends.kubernetes.names import selector
from asyncflow.backends.kubernetes.tending import Limits, Tender, delete_all
from asyncflow.backends.kubernetes.watching import Watcher
from asyncflow.backends.remote.platform import (
    End,
    EndReason,
    Job,
    JobSeen,
    Phase,
    PlatformCapabilities,
    Refused,
)
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt
from asyncflow.records import record

__all__ = ["KubernetesPlatform", "Timing"]

_LOG = logging.getLogger(__name__)
_GATHER_S = 0.1
"""News that come so soon after others are told together: each telling is a turn of the driver, and a commit."""


@record
class Timing:
    """How long things may take, in seconds."""

    limits: Limits
    silence_s: float = 90.0
    """Of a watch: a server sends a bookmark about once a minute."""
    outage_s: float = 900.0
    """How long the server may be out of reach while pods run, before the run gives up."""
    close_s: float = 20.0
    """For removing everything in the end."""
    open_s: float = 15.0
    """For a cluster that should answer at once: nothing runs yet."""


class KubernetesPlatform:
    """See `asyncflow.backends.remote.platform.Platform`. Made by the provider's `open`.

    Args:
        api: The cluster, entered.
        asker: Makes the objects.
        group: Background tasks run in it; cancelled by who has made it, after `aclose`.
        owner: Names the store.
        run: The run's id.
        namespaces: Where the run's steps have their pods.
        timing: How long things may take.
        keeps: What has ended is left where it is, for its time to live.
        has_index_limits: See `Launcher`.
    """

    def __init__(
        self,
        api: Api,
        asker: Asker,
        group: TaskGroup,
        *,
        owner: str,
        run: int,
        namespaces: Sequence[str],
        timing: Timing,
        keeps: bool = False,
        has_index_limits: bool = True,
    ) -> None:
        self._api = api
        self._asker = asker
        self._group = group
        self._labels = selector(owner, run)
        self._namespaces = tuple(dict.fromkeys(namespaces))
        self._timing = timing
        self._keeps = keeps
        self._book = Book(owner, run)
        self._launcher = Launcher(
            asker,
            self._book,
            on_news=self._wake,
            on_namespace=self._see,
            has_index_limits=has_index_limits,
        )
        self._tender = Tender(
            asker,
            self._book,
            limits=timing.limits,
            keeps=keeps,
            withdraw=self._launcher.withdraw,
            on_news=self._wake,
        )
        self._watchers: dict[str, Watcher] = {}
        self._looking: list[anyio.CancelScope] = []
        """Those in which watchers run."""
        self._news = anyio.Event()
        self._failure: PlatformError | None = None
        self._is_closed = False
        self._is_detached = False
        self._was_used = False

    @property
    def capabilities(self) -> PlatformCapabilities:
        """What Kubernetes can do."""
        return PlatformCapabilities(name="kubernetes", most_at_once=1000)

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        """Ask for pods. See `Platform.submit`."""
        self._check()
        self._open()
        return await self._launcher.submit(jobs)

    async def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        """Yield what happens to the pods. See `Platform.changes`. Raises PlatformError when they cannot be seen."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._is_closed:
                return
            seen = self._book.take_news()
            if not seen:
                self._news = anyio.Event()
                await self._news.wait()
                continue
            yield seen
            # Whoever asks for more has taken what was told: only now may a pod that has ended be removed.
            self._tender.told(self._ended(one.attempt for one in seen if one.phase is Phase.ENDED))
            await anyio.sleep(_GATHER_S)

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        """Tell of those attempts that have pods. See `Platform.find`."""
        self._check()
        self._open()
        for watcher in list(self._watchers.values()):
            await self._wait_listed(watcher)
        now = time.monotonic()
        for attempt in attempts:
            entry = self._book.get(attempt)
            if entry is not None:
                self._book.claim(attempt, entry.name, entry.namespace, now)
        found = self._book.take_news_of(attempts)
        self._tender.told(self._ended(one.attempt for one in found if one.phase is Phase.ENDED))
        return found

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        """Delete pods, with their grace or without. See `Platform.stop`."""
        entries = [entry for one in attempts if (entry := self._book.get(one)) and not entry.is_over]
        for entry in entries:
            entry.is_stopped = True
            if force and not entry.is_force:
                entry.is_force, entry.is_deleting = True, False
            if self._launcher.withdraw(entry.attempt):
                self._book.end(entry, End(EndReason.STOPPED, "stopped before it had a pod"))
        self._wake()
        # What is being asked for right now is deleted when the answer is there, a Job's pod when it is seen.
        await delete_all(self._asker, [entry for entry in entries if entry.is_created])

    async def aclose(self) -> None:
        """Delete what is left of the run. See `Platform.aclose`. What cannot be seen any more is left for a resume."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wake()
        for scope in self._looking:
            scope.cancel()  # a thousand pods that go are a thousand changes that nobody asks for
        if self._is_detached or self._failure is not None:
            return
        with anyio.move_on_after(self._timing.close_s, shield=True) as scope:
            for namespace in self._watchers or self._namespaces:
                await self._remove_all(namespace)
        if scope.cancelled_caught:
            _LOG.warning("pods of the run are left (%s): asyncflow reap removes them", self._labels)

    def detach(self) -> None:
        """Let what runs go on when the platform is closed: another driver has taken over, or one will."""
        self._is_detached = True

    async def tend(self) -> None:
        """Do what is to be done beside, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._launcher.run)
            group.start_soon(self._tender.run)

    # Within

    def _open(self) -> None:
        """Begin to watch, with the first call that needs it."""
        if self._was_used:
            return
        self._was_used = True
        for namespace in self._namespaces:
            self._see(namespace)
        self._group.start_soon(self.tend)

    def _see(self, namespace: str) -> None:
        """Begin to watch a namespace, if that was not begun."""
        if namespace in self._watchers:
            return
        self._watchers[namespace] = watcher = Watcher(
            self._api,
            self._book,
            namespace=namespace,
            labels=self._labels,
            silence_s=self._timing.silence_s,
            outage_s=self._timing.outage_s,
            on_news=self._wake,
        )
        self._group.start_soon(self._watch, watcher)

    async def _watch(self, watcher: Watcher) -> None:
        try:
            with anyio.CancelScope() as scope:
                self._looking.append(scope)
                if not self._is_closed:
                    await watcher.run()
        except PlatformError as error:
            self._failure = error
            watcher.listed.set()
            self._wake()

    async def _wait_listed(self, watcher: Watcher) -> None:
        await watcher.listed.wait()
        if self._failure is not None:
            raise self._failure

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closed:
            raise PlatformError("The platform is closed")

    def _wake(self) -> None:
        if self._book.has_news() or self._failure is not None or self._is_closed:
            self._news.set()

    def _ended(self, attempts: Iterable[Attempt]) -> list[Entry]:
        return [entry for one in attempts if (entry := self._book.get(one)) is not None]

    async def _remove_all(self, namespace: str) -> None:
        """Delete the run's pods in a namespace, with one request where that is allowed."""
        left = [entry for entry in self._book.entries() if entry.namespace == namespace and not entry.is_gone]
        if self._keeps:
            left = [entry for entry in left if not entry.is_over]
        try:
            for gang in dict.fromkeys(
                entry.gang for entry in left if entry.gang and not entry.is_gang_deleted
            ):
                await self._asker.delete_gang(namespace, gang)
            left = [entry for entry in left if not entry.is_member]
            # A driver that had nothing to ask for may still have what an earlier one of the run left.
            may_be_more = bool(left) or not self._was_used
            if may_be_more and not await self._remove_at_once(namespace):
                await delete_all(self._asker, left)
        except (Rejected, PlatformError) as error:
            _LOG.warning("pods of the run (%s) are left in %s: %s", self._labels, namespace, error)

    async def _remove_at_once(self, namespace: str) -> bool:
        query = [("labelSelector", self._labels)]
        if self._keeps:
            query.append(("fieldSelector", "status.phase!=Succeeded,status.phase!=Failed"))
        try:
            await self._api.delete(pods_path(namespace), query=query, patience_s=self._timing.close_s)
        except Rejected as rejected:
            if rejected.status in (403, 405):
                return False  # one by one may be allowed
            raise
        return True
