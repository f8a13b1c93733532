"""The local backend: what the driver asks goes to the zygote, what the zygote and the tasks tell becomes facts.

Everything happens in callbacks of the event loop that never wait; `facts` hands on what they have gathered. There is
no task, timer or thread per attempt. Order holds by construction: a task sends its report before it exits, the
zygote tells of an exit after everything of the task is dead, and only then what is left in its pipes is read, its log
closed, and its end told.

When the zygote dies, its tasks die with it. What it leaves is killed, every attempt in flight is told of (a manifest in
the store counts as a report), and a new zygote takes its place.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence

import anyio
import anyio.to_thread

from asyncflow.backends.base import Capabilities, LogSink
from asyncflow.backends.local.async_pool import AsyncPool, environment_of
from asyncflow.backends.local.capacity import cpu_count, gpu_count, memory_mb, raise_descriptor_limit
from asyncflow.backends.local.flight import Flight, reason_of_end, reason_of_refusal
from asyncflow.backends.local.link import Link
from asyncflow.backends.local.orphans import sweep_orphans
from asyncflow.backends.local.outbox import Outbox
from asyncflow.backends.local.pump import Pump
from asyncflow.backends.local.wire import MARKER, Note, Said, Verb, frame, pack_run, read_marker
from asyncflow.backends.local.zygote import Zygote
from asyncflow.errors import AsyncflowError, PlatformError, StoreError
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Outcome
from asyncflow.store.local import LocalStore
from asyncflow.worker import report
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["LocalBackend"]

_CLOSE_S = 8.0
"""How long the zygote may take to kill everything and exit, before it is killed itself."""
_LAST_WORDS_S = 0.5
"""How long a zygote that has hung up may take to end by itself; then its exit code is its own."""
_MOST_STILLBORN = 10
"""How many zygotes in a row may be killed before they are ready."""


class LocalBackend:
    """Runs attempts as processes of this machine (`asyncflow.backends.base.Backend`).

    Args:
        zygote: Forked from this process before the event loop was started. The backend ends it.
        run_spec: The run.
        sink: Told what tasks print.
        isolation: `fork`, or `spawn` for a fresh interpreter per attempt.
        async_workers: How many processes share the attempts of async steps.
        most_log_bytes: How much of each stream of an attempt is kept. None: everything.
    """

    def __init__(
        self,
        zygote: Zygote,
        run_spec: RunSpec,
        sink: LogSink,
        *,
        isolation: str = "fork",
        async_workers: int = 1,
        most_log_bytes: int | None = None,
    ) -> None:
        self._zygote = zygote
        self._run = run_spec
        self._sink = sink
        self._spawns = isolation == "spawn"
        self._store = LocalStore(run_spec.store_root)
        self._pump = Pump(
            run_spec.store_root, run_spec.run, sink, self._on_trouble, most_log_bytes=most_log_bytes
        )
        self._host = os.uname().nodename
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._is_ready = False
        self._stillborn = 0
        self._is_closed = False
        self._last_token = 0
        self._flights: dict[Attempt, Flight] = {}
        self._by_token: dict[int, Flight] = {}
        self._outbox = Outbox(self._pump, self._lose)
        self._pool = AsyncPool(async_workers, self._pump, self._outbox, self)
        self._facts: list[Fact] = []
        self._news = anyio.Event()
        self._failure: AsyncflowError | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What this machine offers: its cores, memory and GPUs, or what of them this process may use."""
        return Capabilities(
            name="local",
            survives_driver=False,
            shares_filesystem=True,
            cpu=cpu_count(),
            memory_mb=memory_mb(),
            gpu=gpu_count(),
        )

    # What the driver asks

    async def launch(self, spec: TaskSpec) -> None:
        """Start an attempt; one that is in flight already is left alone. What goes wrong is told as a fact.

        Raises PlatformError if the backend is closed, or can start nothing any more.
        """
        if spec.attempt in self._flights:
            return
        if self._is_closed or self._failure is not None:
            raise PlatformError(
                f"no task can be started any more: {self._failure or 'the backend is closed'}"
            )
        self._store.discard_manifest(
            spec.run, *spec.attempt
        )  # 1.3 us; one that is there is not this attempt's
        self._open()
        flight = Flight(spec, self._next_token())
        self._flights[spec.attempt] = self._by_token[flight.token] = flight
        if spec.is_async:
            self._launch_async(flight, spec.step)
        else:
            self._outbox.launch(flight)

    def _launch_async(self, flight: Flight, step: str) -> None:
        environment = environment_of(self._run.environment.get(step, {}))
        try:
            self._pool.launch(flight, self._next_token(), environment)
        except OSError as error:
            self._lose(flight, f"could not be launched: no socket for its worker: {error.strerror}")

    def _next_token(self) -> int:
        self._last_token += 1
        return self._last_token

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Send SIGTERM to the attempt's process group, or SIGKILL to all of its processes; cancel a coroutine."""
        flight = self._flights.get(attempt)
        if flight is None:
            return
        flight.is_forced |= force
        if flight.worker is not None:
            self._pool.stop(flight, force=force)
            self._tell(is_certain=force)  # `facts` is to look whether it does end
        elif flight.spec is not None:
            self._outbox.withdraw(flight)
            self._lose(flight, "stopped before its process was started")
        else:
            self._outbox.order(frame(Verb.FORCE if force else Verb.STOP, flight.token))

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts until `aclose`. Consumed once.

        Raises:
            StoreError: A log cannot be written.
            PlatformError: The zygote has died, and no other can be started.

        Cancellation: safe between batches; nothing gathered is lost.
        """
        self._open()
        while not self._is_closed:
            await self._wait_for_news()
            if self._link is not None and self._link.is_lost and not self._is_closed:
                await self._replace_zygote()
            if self._failure is not None:
                raise self._failure
            if self._facts:
                batch, self._facts = self._facts, []
                yield batch

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say of attempts of a dead driver how they ended: with a manifest, or not. None of them lives on.

        Processes the dead driver has left are killed first, and are dead when this returns.
        Raises PlatformError if one cannot be killed.
        """
        if attempts:
            await anyio.to_thread.run_sync(sweep_orphans, self._run.store_root, self._run.run)
        return [self._fact_of_lost(attempt, "its driver died", is_our_fault=True) for attempt in attempts]

    async def aclose(self) -> None:
        """End the zygote, which kills what still runs, and release everything. Bounded; safe to call twice.

        Cancellation: leaves the zygote to the end of this process, which is its end too.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._zygote.hang_up()
        if self._link is not None:
            with anyio.move_on_after(_CLOSE_S):
                while not self._link.is_lost:
                    await self._wait_for_news()
        if not self._zygote.wait(0.05):
            await anyio.to_thread.run_sync(self._bury)
        self._disconnect()
        self._pool.drain()
        for flight in self._flights.values():
            if flight.pipes is not None:
                self._pump.finish(flight.pipes)
        if self._loop is not None:
            self._loop.remove_reader(self._pump.fileno())
        self._pump.close()
        self._zygote.close()
        self._tell()

    # To the zygote

    def _open(self) -> None:
        """Begin to listen, at the first call that has an event loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            raise_descriptor_limit()
            self._loop.add_reader(self._pump.fileno(), self._pump.turn)
            self._connect()

    def _connect(self) -> None:
        zygote = self._zygote
        assert self._loop is not None
        assert zygote.control is not None
        assert zygote.reports is not None
        self._link = Link(zygote.control, zygote.reports)
        self._is_ready = False
        self._loop.add_reader(self._link.fileno(), self._on_notes)
        first = frame(Verb.RUN, body=pack_run(self._run, spawns=self._spawns))
        self._outbox.connect(self._loop, self._link, first)

    def _disconnect(self) -> None:
        if self._link is not None and self._loop is not None:
            self._loop.remove_reader(self._link.fileno())
        self._outbox.disconnect()
        self._link = None

    # From the zygote and its children

    def _on_notes(self) -> None:
        link = self._link
        if link is None:
            return
        started: list[Flight] = []
        ended: list[tuple[Flight, Note]] = []
        for note in link.notes():
            if note.said == Said.READY:
                self._is_ready, self._stillborn = True, 0
                continue
            if self._pool.takes(note):
                continue
            flight = self._by_token[note.token]
            if note.said == Said.EXITED:
                ended.append((flight, note))
                continue
            self._outbox.has_arrived()
            if note.said == Said.STARTED:
                flight.pid = note.value
                started.append(flight)
            else:
                self._lose(flight, reason_of_refusal(note.value))
        self._take_off(started, dict.fromkeys(flight.token for flight, _ in ended))
        if ended:
            self._read_reports(link)
            for flight, note in ended:
                self._land(flight, note)
        if link.is_lost and self._loop is not None:
            self._loop.remove_reader(link.fileno())
            self._outbox.disconnect()
        self._outbox.send()
        self._tell()

    def _take_off(self, started: Sequence[Flight], ended: dict[int, None]) -> None:
        now = time.time()
        for flight in started:
            self._facts.append(
                WorkerStarted(at=now, attempt=flight.attempt, where=self._host, pid=flight.pid)
            )
            if flight.token not in ended and flight.pipes is not None:
                self._pump.watch(flight.pipes)

    def took_off(self, flight: Flight, pid: int) -> None:
        """Tell that an attempt has begun in an async worker."""
        flight.pid = pid
        self._facts.append(
            WorkerStarted(at=time.time(), attempt=flight.attempt, where=self._host, pid=pid or None)
        )

    def reported(self, flight: Flight, outcome: Outcome) -> None:
        """Tell how an attempt in an async worker has ended."""
        self._forget(flight)
        self._facts.append(WorkerReported(at=time.time(), attempt=flight.attempt, outcome=outcome))

    def lost(self, flight: Flight, reason: str, *, exit_code: int | None, is_our_fault: bool) -> None:
        """Tell that an attempt is gone with its async worker, unless it has left a manifest."""
        self._forget(flight)
        self._facts.append(
            self._fact_of_lost(flight.attempt, reason, exit_code=exit_code, is_our_fault=is_our_fault)
        )

    def _read_reports(self, link: Link) -> None:
        for data in link.reports():
            if data.startswith(MARKER):
                attempt = read_marker(data)
                outcome = self._outcome_in_store(attempt)
            else:
                attempt, outcome = report.decode(data)
            flight = self._flights.get(attempt)
            if flight is not None:
                flight.outcome = outcome

    def _land(self, flight: Flight, note: Note) -> None:
        """Tell how an attempt has ended, after everything it has printed."""
        self._forget(flight)
        if flight.outcome is not None:
            self._facts.append(WorkerReported(at=time.time(), attempt=flight.attempt, outcome=flight.outcome))
            return
        reason = reason_of_end(note.value, note.peak_bytes, is_forced=flight.is_forced)
        self._facts.append(self._fact_of_lost(flight.attempt, reason, exit_code=note.value))

    def _lose(self, flight: Flight, reason: str) -> None:
        """Tell that an attempt has never had a process."""
        self._forget(flight)
        self._facts.append(WorkerLost(at=time.time(), attempt=flight.attempt, reason=reason))
        self._tell()

    def _forget(self, flight: Flight) -> None:
        del self._flights[flight.attempt], self._by_token[flight.token]
        if flight.pipes is not None:
            self._pump.finish(flight.pipes)

    def _fact_of_lost(
        self, attempt: Attempt, reason: str, *, exit_code: int | None = None, is_our_fault: bool = False
    ) -> Fact:
        """Return the end of an attempt that has not reported; if it left a manifest, that is its word."""
        outcome = self._outcome_in_store(attempt)
        if outcome is not None:
            return WorkerReported(at=time.time(), attempt=attempt, outcome=outcome)
        return WorkerLost(
            at=time.time(), attempt=attempt, reason=reason, exit_code=exit_code, is_our_fault=is_our_fault
        )

    def _outcome_in_store(self, attempt: Attempt) -> Outcome | None:
        """Return what an attempt's manifest says; None if there is none, or it cannot be read."""
        run = self._run.run
        if not self._store.has_manifest(run, *attempt):
            return None
        try:
            return report.outcome_of(self._store.read_manifest(run, *attempt))
        except StoreError:
            return None

    # A dead zygote

    async def _replace_zygote(self) -> None:
        """Kill what the dead zygote has left, tell of every attempt in flight, start another.

        Raises PlatformError if that is not possible.
        """
        link = self._link
        assert link is not None
        self._read_reports(link)
        await anyio.to_thread.run_sync(self._bury)
        self._disconnect()
        self._pool.drain()  # also of workers that were to be forked meanwhile
        for flight in [flight for flight in self._flights.values() if flight.pipes is not None]:
            self._forget(flight)
            if flight.outcome is not None:
                self._facts.append(
                    WorkerReported(at=time.time(), attempt=flight.attempt, outcome=flight.outcome)
                )
            else:
                reason = "the process it was forked from (the zygote) died"
                self._facts.append(self._fact_of_lost(flight.attempt, reason, is_our_fault=True))
        self._check_stillborn()
        await anyio.to_thread.run_sync(self._zygote.start_again)
        self._connect()

    def _check_stillborn(self) -> None:
        if self._is_ready:
            return
        self._stillborn += 1
        code = self._zygote.exit_code
        if (code is not None and code >= 0) or self._stillborn >= _MOST_STILLBORN:
            raise PlatformError(
                f"The zygote, the process that tasks are forked from, ended with exit code {code} "
                "before it was ready. What it said is above.",
                hint=f"Does `python {self._run.flow_file} check` work? Then: asyncflow resume {self._run.run}",
            )

    def _bury(self) -> None:
        self._zygote.wait(_LAST_WORDS_S)
        self._zygote.kill()
        sweep_orphans(self._run.store_root, self._run.run, grace_s=0)
        self._zygote.kill_adopted()

    # To the driver

    def _on_trouble(self, error: StoreError | None) -> None:
        """The pump cannot write a log, or waits for the sink."""
        self._failure = self._failure or error
        self._tell(is_certain=True)

    def tell(self) -> None:
        """Let `facts` hand on what has been gathered."""
        self._tell()

    def _tell(self, *, is_certain: bool = False) -> None:
        if is_certain or self._facts or self._is_closed or (self._link is not None and self._link.is_lost):
            self._news.set()

    async def _wait_for_news(self) -> None:
        """Wait until there is something to tell; meanwhile go on reading as soon as the sink is ready."""
        check_at = self._pool.check_at
        if self._pump.is_paused:
            async with anyio.create_task_group() as group:
                group.start_soon(self._resume_when_ready)
                await self._news.wait()
                group.cancel_scope.cancel()
        elif check_at is not None:
            with anyio.move_on_after(max(0.0, check_at - time.monotonic())):
                await self._news.wait()
            self._pool.check()
        else:
            await self._news.wait()
        self._news = anyio.Event()

    async def _resume_when_ready(self) -> None:
        await self._sink.wait_ready()
        self._pump.resume()
