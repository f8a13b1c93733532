"""AWS Batch as a platform: a run's jobs, submitted, watched, found again and ended."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

import anyio

from asyncflow.backends.batch.asking import list_named, terminate
from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.caller import Caller
from asyncflow.backends.batch.ending import ids_to_end
from asyncflow.backends.batch.failures import BatchError, BatchUnreachable
from asyncflow.backends.batch.finding import Found, find_jobs, note
from asyncflow.backends.batch.logs import LogLine, read_stream
from asyncflow.backends.batch.naming import prefix_of
from asyncflow.backends.batch.options import Settings
from asyncflow.backends.batch.pace import Pace, Rhythm
from asyncflow.backends.batch.queues import Queue
from asyncflow.backends.batch.submission import MOST_IN_ARRAY
from asyncflow.backends.batch.submitting import Submitter
from asyncflow.backends.batch.watching import Watcher
from asyncflow.backends.remote.platform import Job, JobSeen, Phase, PlatformCapabilities, Refused
from asyncflow.errors import AsyncflowError
from asyncflow.machine.ids import Attempt

__all__ = ["BatchPlatform"]

_log = logging.getLogger(__name__)
_STOPPED = "asyncflow: stopped"
_CLOSED = "asyncflow: the run has ended"
_OVER = ("SUCCEEDED", "FAILED")


class BatchPlatform:
    """See `asyncflow.backends.remote.platform.Platform`.

    Args:
        caller: Asks AWS; whoever made it closes it.
        owner: Names the store.
        run: Whose jobs they are.
        settings: What holds for all steps.
        queues: Of the run's steps, by the names that these have for them.
        pace: How often AWS is asked, and how patiently.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        owner: str,
        run: int,
        settings: Settings,
        queues: Mapping[str, Queue],
        pace: Pace | None = None,
    ) -> None:
        self._caller = caller
        self._prefix = prefix_of(owner, run)
        self._pace = pace or Pace()
        self._queues = dict(queues)
        self._book = Book()
        self._submitter = Submitter(caller, self._book, self._pace, settings=settings, queues=self._queues)
        self._watcher = Watcher(caller, self._book, self._pace)
        self._rhythm = Rhythm(self._pace)
        self._wake = anyio.Event()
        self._is_detached = False
        self._closing = anyio.Event()
        self._news: list[JobSeen] = []
        """Seen by others than `changes`, which is to tell it."""
        self._listed: Sequence[Found] | None = None
        """What there was of the run when it was looked for it, before the first submission and after a restart.

        None: it was not yet."""
        self._doubtful: set[Attempt] = set()
        """Asked for by an earlier driver, and not found: the request may still have been under way."""
        self._unwanted: set[Attempt] = set()
        """To be stopped as soon as they are submitted."""

    @property
    def capabilities(self) -> PlatformCapabilities:
        """What AWS Batch can do."""
        return PlatformCapabilities(name="batch", most_at_once=MOST_IN_ARRAY, has_array=True)

    @property
    def caller(self) -> Caller:
        """Who asks AWS; it counts what was asked."""
        return self._caller

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        """Ask for jobs of one step. See `Platform.submit`."""
        if self._closing.is_set():
            raise BatchError("No job can be submitted any more: the platform is closed")
        unknown = [job.attempt for job in jobs if self._book.place_of(job.attempt) is None]
        if self._listed is None or any(self._is_doubtful(attempt) for attempt in unknown):
            await self._list()
        await self._adopt(unknown)
        self._doubtful.difference_update(unknown)
        new = [job for job in jobs if self._book.place_of(job.attempt) is None]
        try:
            return await self._submitter.submit(new) if new else []
        finally:
            self._look_soon()
            await self._stop_unwanted(job.attempt for job in new)

    async def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        """Yield what happens to the jobs. See `Platform.changes`."""
        answered_at = time.monotonic()
        while not self._closing.is_set():
            before = sum(self._caller.calls.values())
            news, self._news = self._news, []
            try:
                news += await self._watcher.look()
                await self._submitter.end_twins()
                answered_at = time.monotonic()
            except BatchUnreachable as error:
                if time.monotonic() - answered_at > self._pace.silent_s:
                    raise
                _log.warning("%s; jobs run on, it is tried again", error.message)
            if news:
                yield news
            calls = sum(self._caller.calls.values()) - before
            await self._rest(self._rhythm.after(has_moved=bool(news), calls=calls))

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        """Tell of those attempts' jobs that exist. See `Platform.find`."""
        await self._list()
        await self._adopt(attempts)
        places = {attempt: self._book.place_of(attempt) for attempt in attempts}
        self._doubtful.update(attempt for attempt, place in places.items() if place is None)
        jobs = {place[0].id: place[0] for place in places.values() if place is not None}
        seen = {one.attempt: one for one in await self._watcher.look(list(jobs.values()))}
        self._news += seen.values()  # what has ended ends in `changes`, too
        self._look_soon()
        return [
            seen.get(attempt) or _as_told(*place) for attempt, place in places.items() if place is not None
        ]

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        """Ask jobs to end. See `Platform.stop`.

        AWS Batch sends SIGTERM, and SIGKILL 30 s later. It knows no other way, so `force` asks for the same again.
        """
        known = [place for attempt in attempts if (place := self._book.place_of(attempt)) is not None]
        self._unwanted.update(attempt for attempt in attempts if self._submitter.is_under_way(attempt))
        await terminate(self._caller, ids_to_end(known), _STOPPED)
        self._look_soon()

    async def read_logs(self, attempt: Attempt, *, most: int = 10_000) -> list[LogLine]:
        """Return the last lines that CloudWatch has of an attempt's container, of both its streams together.

        For when the worker could not keep its own: it was killed before it began. Nothing if there are none.

        Raises:
            PlatformError: AWS refuses, or does not answer.
        """
        place = self._book.place_of(attempt)
        return (
            [] if place is None else await read_stream(self._caller, place[0].child_id(place[1]), most=most)
        )

    def detach(self) -> None:
        """Let what runs go on when the platform is closed. See `Platform.detach`."""
        self._is_detached = True

    async def aclose(self) -> None:
        """End what still runs, unless detached. See `Platform.aclose`."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        if self._is_detached:
            return
        with anyio.move_on_after(self._pace.close_s, shield=True) as scope:
            try:
                alive = ((job, place) for job in self._book.alive() for place in job.alive())
                await terminate(self._caller, [*ids_to_end(alive), *await self._under_way()], _CLOSED)
            except AsyncflowError as error:
                _log.warning("%s; what still runs is ended by: asyncflow reap", error.message)
        if scope.cancelled_caught:
            _log.warning("AWS Batch was asked to end jobs and did not answer; see: asyncflow reap")

    def _is_doubtful(self, attempt: Attempt) -> bool:
        return attempt in self._doubtful or self._submitter.is_under_way(attempt)

    async def _list(self) -> None:
        names = dict.fromkeys(queue.name for queue in self._queues.values())
        self._listed = await find_jobs(self._caller, names, self._prefix)

    async def _adopt(self, attempts: Iterable[Attempt]) -> None:
        """Note what an earlier driver has asked for, as far as it is listed."""
        twins = note(self._book, self._listed or (), attempts, self._queues)
        await terminate(self._caller, ids_to_end(twins), "asyncflow: it was submitted twice")

    async def _under_way(self) -> list[str]:
        """Return the ids of jobs whose submission was interrupted, as far as there are any."""
        return [
            str(job["jobId"])
            for name, queue in self._submitter.names_under_way().items()
            async for job in list_named(self._caller, queue, name)
            if job.get("status") not in _OVER
        ]

    async def _stop_unwanted(self, attempts: Iterable[Attempt]) -> None:
        unwanted = [attempt for attempt in attempts if attempt in self._unwanted]
        if unwanted:
            self._unwanted.difference_update(unwanted)
            await self.stop(unwanted, force=False)

    def _look_soon(self) -> None:
        self._rhythm.hurry()
        self._wake.set()

    async def _rest(self, interval_s: float) -> None:
        """Wait until it is time or something is asked for; where there is nothing to look at, until there is."""
        has_work = self._book.alive() or self._submitter.has_repeated
        with anyio.move_on_after(interval_s if has_work else None):
            await self._wake.wait()
        if self._wake.is_set():
            self._wake = anyio.Event()
            with anyio.move_on_after(
                min(interval_s, self._pace.quick_s)
            ):  # what comes at once is looked at once
                await self._closing.wait()


def _as_told(job: Tracked, place: int) -> JobSeen:
    """Say again of a job what was said last."""
    member = job.members[place]
    phase = member.phase or Phase.PENDING
    return JobSeen(attempt=member.attempt, phase=phase, where=job.child_id(place), note=member.note)
