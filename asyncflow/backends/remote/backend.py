"""A backend made of a platform: attempts run in its jobs, orders and results go through the run's store.

Launches are gathered for a moment; those of one step become one spec object and one `submit`. Nothing is asked for
before the intent is where a driver on another machine would find it (`recorded`). What the platform tells is noted per
attempt; when a job has ended, or the platform does not know it, the store says how the attempt ended. So events that
were lost, late or told twice change nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import NamedTuple

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from asyncflow.backends.base import Capabilities, LogSink
from asyncflow.backends.remote.agent import CLAIMED
from asyncflow.backends.remote.conclusions import conclude
from asyncflow.backends.remote.flights import Flight, Ordering
from asyncflow.backends.remote.handover import base_of, fresh_seal, handed_over, is_handed_over
from asyncflow.backends.remote.keeping import ManifestKeeping
from asyncflow.backends.remote.logs import RemoteLogs
from asyncflow.backends.remote.platform import End, JobSeen, Phase, Platform
from asyncflow.backends.remote.specs import SpecWriter
from asyncflow.errors import AsyncflowError, PlatformError, StoreError
from asyncflow.machine.facts import AttemptAdopted, Fact, WorkerLost, WorkerPending, WorkerStarted
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.records import replace
from asyncflow.store.digests import digest_of
from asyncflow.store.left import Left, decode_left
from asyncflow.store.live_files import LiveFiles
from asyncflow.store.local import LocalStore
from asyncflow.store.objects import Objects
from asyncflow.store.s3.keys import cards_prefix, claim_key, result_key, spec_key
from asyncflow.worker.spec import TaskSpec

__all__ = ["RemoteBackend", "opened_backend"]

_GATHER_S = 0.02
_GATHER_ARRAY_S = 0.1
"""How long launches are gathered for a platform that has arrays."""
_TAIL_FIRST_S, _TAIL_LONGEST_S = 1.0, 5.0
_CARDS_S = 0.5
"""How often it is looked what cards show."""
_SILENT_S = 600.0
"""A job that the platform says is running, and whose worker gives no sign of life for so long, is lost."""
_SPEC_BYTES = 32 << 20
"""A spec object takes no further attempt once it is longer than that."""
_MOST_NOTES = 8
"""So many reasons for waiting are remembered of an attempt."""
_RESULTS_AT_ONCE = 32
_CLOSE_S = 30.0
_LONG_AGO = 0.0
"""Of an attempt that a dead driver started: what it has printed may have begun at any time."""


class _Carried(NamedTuple):
    """An attempt that has ended, with its result: the platform has brought it."""

    attempt: Attempt
    end: End | None
    left: Left


class RemoteBackend:
    """Runs attempts as jobs of a platform (`asyncflow.backends.base.Backend`). Made by `opened_backend`.

    Args:
        platform: Opened for the run. It is closed with the backend.
        ordering: What is the same for all jobs of the run.
        objects: The run's store, as workers see it.
        store: The scheduler's own.
        sink: Told what tasks print.
        recorded: Waits until everything recorded now is where other machines find it.
        now: The time, seconds since the epoch.
    """

    def __init__(
        self,
        platform: Platform,
        ordering: Ordering,
        *,
        objects: Objects,
        store: LocalStore,
        sink: LogSink,
        recorded: Callable[[], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._platform = platform
        self._ordering = ordering
        self._objects = objects
        self._store = store
        self._recorded = recorded
        self._now = now
        self._group: TaskGroup | None = None
        """Runs what goes on beside the driver; None before `keep` and after `aclose`."""
        self._run = ordering.run.run
        self._seal = fresh_seal()
        self._base: tuple[ManifestKey, bytes] | None = None
        """The manifest that a result was shortened by last: siblings start from the same."""
        self._luggage = replace(ordering.luggage, seal=self._seal)
        self._kept = ManifestKeeping(store, self._run)
        self._logs = RemoteLogs(objects, store.root, self._run, sink)
        self._flights: dict[Attempt, Flight] = {}
        self._adopting: dict[Attempt, JobSeen | None] = {}
        """Attempts that are being adopted, and what was told of them last meanwhile."""
        self._queue: dict[Attempt, TaskSpec] = {}
        self._has_queue = anyio.Event()
        self._facts: list[Fact] = []
        self._news = anyio.Event()
        self._failure: AsyncflowError | None = None
        self._is_closed = False
        self._results = anyio.CapacityLimiter(_RESULTS_AT_ONCE)

    @property
    def capabilities(self) -> Capabilities:
        """What the platform offers; how much of it is not counted here."""
        known = self._platform.capabilities
        return Capabilities(name=known.name, survives_driver=True, shares_filesystem=known.shares_filesystem)

    # What the driver asks

    async def launch(self, spec: TaskSpec) -> None:
        """Ask for a job, together with others. See `Backend.launch`."""
        if spec.attempt in self._flights:
            return
        if self._is_closed or self._failure is not None:
            raise PlatformError(
                f"no task can be started any more: {self._failure or 'the backend is closed'}"
            )
        self._flights[spec.attempt] = Flight(base=base_of(self._ordering.run, spec))
        self._queue[spec.attempt] = spec
        self._has_queue.set()

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask or force a job to end; one that was not asked for yet never is. See `Backend.stop`."""
        flight = self._flights.get(attempt)
        if flight is None:
            return
        if self._queue.pop(attempt, None) is not None:
            self._lose(attempt, "stopped before it was started")
            return
        flight.is_stopped, flight.is_forced = True, force
        if flight.is_submitted:
            await self._platform.stop([attempt], force=force)

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts until `aclose`. Consumed once.

        Raises:
            PlatformError: The platform does not answer any more, or refuses everything.
            StoreError: The store cannot be read or written.
        """
        while not self._is_closed:
            self._news = anyio.Event()
            if self._failure is not None:
                raise self._failure
            if self._facts:
                batch, self._facts = self._facts, []
                yield batch
                continue
            await self._news.wait()

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say what became of attempts of a dead driver: of those of which nothing is said nobody knows.

        Raises PlatformError if the platform, StoreError if the store does not answer.
        """
        if not attempts:
            return ()
        self._adopting = dict.fromkeys(attempts)
        seen = {one.attempt: one for one in await self._platform.find(attempts)}
        facts: list[Fact] = []

        async def ask(attempt: Attempt) -> None:
            job = seen.get(attempt)
            if job is not None and job.phase is not Phase.ENDED:
                flight = self._flights[attempt] = Flight(is_submitted=True)
                self._logs.open(attempt, _LONG_AGO)
                facts.append(AttemptAdopted(at=self._now(), attempt=attempt))
                facts.extend(self._news_of(job, flight))
                return
            left = await self._left(attempt)
            if left is not None or job is not None or await self._was_claimed(attempt):
                end = None if job is None else job.end
                self._logs.open(attempt, _LONG_AGO)
                facts.append(await self._conclusion(attempt, left, end))

        async with anyio.create_task_group() as group:
            for attempt in attempts:
                group.start_soon(ask, attempt)
        told, self._adopting = self._adopting, {}
        self._hear(job for job in told.values() if job is not None)
        return facts

    def detach(self) -> None:
        """Let jobs go on when the backend is closed: another driver takes them over."""
        self._platform.detach()

    async def aclose(self) -> None:
        """End what still runs, unless detached; release everything. Bounded; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._tell()
        if self._group is not None:
            self._group.cancel_scope.cancel()
        with anyio.move_on_after(_CLOSE_S, shield=True):
            await self._platform.aclose()

    # Beside the driver

    async def keep(self) -> None:
        """Submit, listen and read logs, until the backend is closed. What goes wrong for good is told by `facts`."""
        async with anyio.create_task_group() as group:
            self._group = group
            for work in (self._submit, self._listen, self._tail, self._show_cards):
                group.start_soon(self._carefully, work)

    async def _carefully(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except AsyncflowError as error:
            self._failure = self._failure or error
            self._tell()

    async def _submit(self) -> None:
        pause_s = _GATHER_ARRAY_S if self._platform.capabilities.has_array else _GATHER_S
        while True:
            await self._has_queue.wait()
            await anyio.sleep(pause_s)
            self._has_queue = anyio.Event()
            taken, self._queue = self._queue, {}
            await self._recorded()
            for specs in self._ordering.batches(
                list(taken.values()), self._platform.capabilities.most_at_once
            ):
                await self._submit_batch([spec for spec in specs if not self._was_stopped(spec.attempt)])

    def _was_stopped(self, attempt: Attempt) -> bool:
        """Tell whether an attempt was stopped while it waited to be asked for; then it never is."""
        flight = self._flights.get(attempt)
        if flight is None or flight.is_stopped:
            self._lose(attempt, "stopped before it was started")
            return True
        return False

    async def _stop_late(self, attempts: Sequence[Attempt]) -> None:
        """Stop what was to be stopped while it was asked for: the platform may have heard of the one first."""
        for attempt in attempts:
            flight = self._flights.get(attempt)
            if flight is not None and flight.is_stopped:
                await self._platform.stop([attempt], force=flight.is_forced)

    async def _submit_batch(self, specs: Sequence[TaskSpec]) -> None:
        """Write one spec object, or several if they are large, and ask for its jobs."""
        rest = list(specs)
        while rest:
            writer = SpecWriter(self._ordering.run_for_workers, self._luggage, self._manifest)
            taken = await anyio.to_thread.run_sync(_fill, writer, rest)
            rest = rest[len(taken) :]
            data = writer.finish()
            key = spec_key(self._run, digest_of([data], len(data)))
            await self._objects.put_new(key, data)
            jobs = self._ordering.jobs(taken, f"{self._objects.url}/{key}")
            for job in jobs:
                self._flights[job.attempt].is_submitted = True
                self._logs.open(job.attempt, self._now())
            for refused in await self._platform.submit(jobs):
                if refused.attempt in self._flights:
                    await self._land(refused.attempt, End(refused.reason, refused.message))
            await self._stop_late([job.attempt for job in jobs])

    async def _listen(self) -> None:
        async with aclosing(self._platform.changes()) as stream:
            async for jobs in stream:
                self._hear(jobs)

    def _hear(self, jobs: Iterable[JobSeen]) -> None:
        """Note what the platform tells of jobs; what it tells while a job is being adopted is for afterwards."""
        carried: list[_Carried] = []
        for job in jobs:
            flight = self._flights.get(job.attempt)
            if job.attempt in self._adopting:
                self._adopting[job.attempt] = job
            elif flight is not None:
                self._facts.extend(self._news_of(job, flight))
                if job.phase is Phase.ENDED and not flight.is_landing:
                    flight.is_landing = True
                    left = self._carried(job.end, flight)
                    if left is None or left.stamps:
                        self._begin(partial(self._land, job.attempt, job.end, left))
                    else:
                        carried.append(_Carried(job.attempt, job.end, left))
        if carried:
            self._begin(partial(self._land_all, carried))
        self._tell()

    def _carried(self, end: End | None, flight: Flight) -> Left | None:
        """Return the result that the platform has brought. None: the store has it."""
        if end is None or flight.base is None or not is_handed_over(end.result):
            return None
        if self._base is None or self._base[0] != flight.base:
            self._base = (flight.base, self._manifest(flight.base))
        return handed_over(end.result, self._seal, self._base[1])

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._group is not None:
            self._group.start_soon(self._carefully, work)

    def _news_of(self, job: JobSeen, flight: Flight) -> list[Fact]:
        """Return what is new about a job, its end excepted; one that has ended with a place has run."""
        has_run = job.phase is Phase.RUNNING or (job.phase is Phase.ENDED and bool(job.where))
        if has_run and not flight.is_started:
            flight.is_started, flight.heard_at = True, self._now()
            metadata = dict(job.metadata)
            return [WorkerStarted(at=self._now(), attempt=job.attempt, where=job.where, metadata=metadata)]
        if job.phase is Phase.PENDING and job.note and job.note not in flight.notes and not flight.is_started:
            flight.notes = (*flight.notes[-_MOST_NOTES + 1 :], job.note)
            return [WorkerPending(at=self._now(), attempt=job.attempt, why=job.note)]
        return []

    async def _land(self, attempt: Attempt, end: End | None, left: Left | None = None) -> None:
        """Tell how an attempt has ended, after everything it has printed. `left`: None, the store has it."""
        async with self._results:
            left = left or await self._left(attempt)
            flight = self._flights.get(attempt)
            if left is None and flight is not None and end is not None and end.exit_code == CLAIMED:
                flight.is_landing, flight.is_claimed = False, True  # its result, or its silence, tells
                return
            fact = await self._conclusion(attempt, left, end)
        self._landed(attempt, fact)

    async def _land_all(self, carried: Sequence[_Carried]) -> None:
        """Tell how attempts have ended of which the platform has brought everything."""
        await self._kept.keep([(one.attempt, one.left.manifest) for one in carried if one.left.manifest])
        for attempt, end, left in carried:
            self._landed(attempt, await self._concluded(attempt, left, end))

    def _landed(self, attempt: Attempt, fact: Fact) -> None:
        if self._flights.pop(attempt, None) is not None:
            self._facts.append(fact)
            self._tell()

    async def _conclusion(self, attempt: Attempt, left: Left | None, end: End | None) -> Fact:
        if left is not None and left.manifest:
            await self._kept.keep([(attempt, left.manifest)])
        return await self._concluded(attempt, left, end)

    async def _concluded(self, attempt: Attempt, left: Left | None, end: End | None) -> Fact:
        """Return how an attempt has ended, once its manifest is kept and its log is read."""
        await self._logs.finish(attempt, left)
        name = self._platform.capabilities.name
        return conclude(attempt, left, end, at=self._now(), platform=name)

    async def _was_claimed(self, attempt: Attempt) -> bool:
        """Tell whether a worker has begun with an attempt, so that it cannot be begun again."""
        return await self._objects.head(claim_key(self._run, *attempt)) is not None

    async def _left(self, attempt: Attempt) -> Left | None:
        received = await self._objects.get(result_key(self._run, *attempt))
        if received is None:
            return None
        try:
            return decode_left(received.data)
        except ValueError as error:
            raise StoreError(f"What attempt {attempt} left is damaged: {error}") from error

    async def _tail(self) -> None:
        """Read what tasks print, and notice workers that are silent."""
        pause_s = _TAIL_FIRST_S
        while True:
            await anyio.sleep(pause_s)
            if not any(flight.is_started for flight in self._flights.values()):
                pause_s = _TAIL_FIRST_S
                continue
            heard = await self._logs.catch_up()
            now = self._now()
            for attempt in heard:
                flight = self._flights.get(attempt)
                if flight is not None:
                    flight.heard_at = now
            pause_s = _TAIL_FIRST_S if heard else min(_TAIL_LONGEST_S, pause_s * 1.3)
            await self._look_for_results()
            await self._lose_silent(now)

    async def _show_cards(self) -> None:
        """Bring here what cards of attempts elsewhere show while they run."""
        files = LiveFiles(self._store.root, self._run)
        while self._ordering.has_cards:
            await anyio.sleep(_CARDS_S)
            if any(flight.is_started for flight in self._flights.values()):
                async with aclosing(self._objects.list(cards_prefix(self._run))) as found:
                    infos = [info async for info in found]
                for info in files.changed(infos):
                    received = await self._objects.get(info.key)
                    if received is not None:
                        await anyio.to_thread.run_sync(files.take, info.key, info.etag, received.data)

    async def _look_for_results(self) -> None:
        """Land those whose job has ended because another worker runs them, once that one has left its result."""
        for attempt, flight in list(self._flights.items()):
            if flight.is_claimed and not flight.is_landing and await self._left(attempt) is not None:
                flight.is_landing = True
                await self._land(attempt, None)

    async def _lose_silent(self, now: float) -> None:
        silent = [
            attempt
            for attempt, flight in self._flights.items()
            if flight.is_started and not flight.is_landing and now - flight.heard_at > _SILENT_S
        ]
        for attempt in silent:
            await self._platform.stop([attempt], force=True)
            left = await self._left(attempt)
            if left is not None:
                await self._land(attempt, None)
            else:
                await self._logs.finish(attempt, None)
                self._lose(
                    attempt, f"its worker gave no sign of life for {_SILENT_S:.0f} s", is_our_fault=True
                )

    # Small things

    def _manifest(self, key: ManifestKey) -> bytes:
        body = self._store.manifest_bytes(*key)
        if body is None:
            raise StoreError(
                f"The manifest of run {key.run}, task {key.task}, attempt {key.attempt} is missing",
                hint="See what is there: asyncflow doctor",
            )
        return body

    def _lose(self, attempt: Attempt, reason: str, *, is_our_fault: bool = False) -> None:
        if self._flights.pop(attempt, None) is not None:
            fact = WorkerLost(at=self._now(), attempt=attempt, reason=reason, is_our_fault=is_our_fault)
            self._facts.append(fact)
            self._tell()

    def _tell(self) -> None:
        self._news.set()


def _fill(writer: SpecWriter, specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    taken: list[TaskSpec] = []
    for spec in specs:
        if taken and writer.size_bytes > _SPEC_BYTES:
            break
        writer.add(spec)
        taken.append(spec)
    return taken


@asynccontextmanager
async def opened_backend(
    platform: Platform,
    ordering: Ordering,
    *,
    objects: Objects,
    store: LocalStore,
    sink: LogSink,
    recorded: Callable[[], Awaitable[None]],
    now: Callable[[], float],
) -> AsyncGenerator[RemoteBackend]:
    """Run a backend over a platform that is open; it is closed at the end, with all that still runs."""
    async with anyio.create_task_group() as group:
        backend = RemoteBackend(
            platform,
            ordering,
            objects=objects,
            store=store,
            sink=sink,
            recorded=recorded,
            now=now,
        )
        group.start_soon(backend.keep)
        try:
            yield backend
        finally:
            await backend.aclose()
