"""One run, driven from its first fact to its end: its lease, its backend, its driver, and what keeps watch beside them.

`api.py` does this for a process that drives one run; the engine does it for many at once.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from asyncflow.backends.base import Backend, LogSink
from asyncflow.errors import RunIsElsewhere
from asyncflow.flow.parse import parse_flow
from asyncflow.machine.commands import Command
from asyncflow.machine.events import Event, Limits, RunStatus
from asyncflow.machine.evolve import fold
from asyncflow.machine.facts import CancelRequested, DriverStarted, Fact, RunRequested, WorkerLost
from asyncflow.machine.graph import Graph
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.state import CloneKey, CloneSource, RunState
from asyncflow.records import field, record
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.driver import Driver
from asyncflow.runtime.groups import holds
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.lease import held_lease, keep_lease
from asyncflow.store.layout import remote_path, run_directory
from asyncflow.worker.spec import RunSpec

if TYPE_CHECKING:
    from asyncflow.backends.local import Zygote
    from asyncflow.events.sqlite_log import SqliteLog
    from asyncflow.runtime.elsewhere import OpenPlace
    from asyncflow.runtime.limits import Limiter
    from asyncflow.runtime.mirror import Mirror
    from asyncflow.runtime.places import Place
    from asyncflow.runtime.remote import RemoteHome

__all__ = ["Host", "Observer", "RunRequest", "RunResult", "drive_new", "drive_on", "remote_of"]

CLOSE_S = 20.0
"""Longest wait for the backend to end what still runs, seconds."""
CLOSE_ELSEWHERE_S = 60.0
"""The same, where jobs of other platforms are to be ended."""


class Observer(LogSink, Protocol):
    """Who watches a run from inside the driving process: the plain UI, the JSON UI."""

    def registered(self, run: int) -> None:
        """The run has an id and a lease; nothing has been launched. Never waits."""
        ...

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """One turn's events, durable. Never waits."""
        ...


@record
class RunRequest:
    """What is to be run, and how."""

    flow: type
    """The FlowSpec subclass."""
    flow_file: str
    graph: Graph
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    """Values by attribute name. Ignored when a run is continued: it keeps its own."""
    constants: Mapping[str, object] = field(default_factory=dict[str, object])
    graph_info: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON-like
    limits: Limits = Limits()
    user: str = ""
    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: JSON-like, recorded with the run
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Environment variables by step (@environment)."""
    origin_run: int | None = None
    rerun_steps: tuple[str, ...] = ()
    clones: Mapping[CloneKey, CloneSource] = field(default_factory=dict[CloneKey, CloneSource])
    isolation: str = "fork"
    async_workers: int = 1
    """How many processes share the tasks of async steps."""
    most_log_bytes: int | None = None
    """How much of each stream of an attempt is kept. None: everything."""
    in_front: Callable[[Backend], Backend] = lambda backend: backend
    """Puts something in front of the run's backend. By default nothing."""
    places: tuple[Place, ...] = ()
    """Where the steps run that do not run on this machine."""
    gangs: Mapping[str, str] = field(default_factory=dict[str, str])
    """Steps that run as gangs, and the split that opens each."""
    package_suffixes: tuple[str, ...] = ()
    """Of files that are packed with the flow's code for workers elsewhere, besides the usual ones."""
    clones_only: bool = False
    """Take over what can be taken over, launch nothing, and end."""
    cache: str | None = None
    """`all`: as if every step had @cache; `none`: results are noted, but none is taken over. None: as the steps say."""


@record
class RunResult:
    """How a run ended."""

    run: int
    status: RunStatus


@record
class Host:
    """What a process gives to the runs it drives."""

    log: SqliteLog
    home: str
    """The store's directory."""
    clock: Clock
    zygote: Callable[[], Awaitable[Zygote]]
    """Gives a run its zygote. Called once for each run, which ends it."""
    steer: Callable[[Inbox, Clock], Coroutine[Any, Any, None]]
    """Runs beside the driver, which cancels it at the end; may ask things of the run, as signals do."""
    share: Callable[[Backend, Inbox], Backend] = lambda backend, inbox: backend
    """Puts what runs share in front of a run's backend. By default they share nothing."""
    remote: RemoteHome | None = None
    """The bucket that the home stands for; None: the home is the store itself."""

    @asynccontextmanager
    async def held(self, run: int) -> AsyncGenerator[Mirror | None]:
        """Be a run's only driver; yields what copies it to the bucket, if the store is in one.

        Raises:
            RunIsElsewhere: A living process drives the run.
            StoreError: The store cannot be written.
        """
        async with held_lease(self.log, run):
            if self.remote is None:
                yield None
                return
            async with self.remote.held(run) as mirror:
                yield mirror


@asynccontextmanager
async def remote_of(home: str, log: SqliteLog, clock: Clock) -> AsyncGenerator[RemoteHome | None]:
    """Open the bucket that a home stands for; None: the home is the store itself.

    Raises:
        StoreError: The bucket cannot be reached.
    """
    if not os.path.exists(remote_path(home)):  # noqa: ASYNC240 - one stat
        yield None
        return
    from asyncflow.runtime.remote import opened_remote  # for those who have a bucket

    async with opened_remote(home, log, clock) as remote:
        yield remote


async def drive_new(request: RunRequest, host: Host, observer: Observer) -> RunResult:
    """Drive a new run to its end.

    Raises:
        StoreError: The run could not be recorded; it has stopped, and can be resumed if it was registered.

    Cancellation:
        What runs is killed; what is recorded stands, and the run can be resumed.
    """
    run = await _new_run_id(host)
    async with _opened_places(request, host, run) as platforms, host.held(run) as mirror:
        key = await anyio.to_thread.run_sync(_write_parameters, request, host.home, run)
        observer.registered(run)
        state = RunState(graph=request.graph, clones=request.clones)
        spec = _run_spec(request, run, host.home, key)
        first = RunRequested(
            at=host.clock.now(),
            run=run,
            user=request.user,
            tags=request.tags,
            limits=request.limits,
            origin_run=request.origin_run,
            rerun_steps=request.rerun_steps,
            meta=request.meta,
        )
        facts: list[Fact] = [first]
        if request.clones_only:
            facts.append(CancelRequested(at=first.at, by="--clone-only", force=True))
        session = _Session(host=host, observer=observer, request=request, mirror=mirror, platforms=platforms)
        return await session.drive(spec, state, lambda attempts: facts)


async def _new_run_id(host: Host) -> int:
    """Return a run id of which nothing is in the store, even when the database that knew of it was lost."""
    if host.remote is not None:
        return await host.remote.new_run_id()
    run = await host.log.create_run_id()
    while os.path.exists(run_directory(host.home, run)):  # noqa: ASYNC240 - one stat
        run = await host.log.create_run_id()
    return run


async def drive_on(request: RunRequest, run: int, host: Host, observer: Observer) -> RunResult:
    """Go on with a run whose driver died, under its own id, and drive it to its end.

    Raises:
        RunIsElsewhere: The run's driver lives.
        StoreError: The run could not be read or recorded.

    Cancellation:
        As of `drive_new`.
    """
    async with _opened_places(request, host, run) as platforms, host.held(run) as mirror:
        observer.registered(run)
        state = fold(request.graph, await host.log.read(run), request.clones)
        if state.is_over:
            raise RunIsElsewhere(
                f"run {run} has ended meanwhile ({state.status})", hint=f"asyncflow resume {run}"
            )
        spec = _run_spec(request, run, host.home, ManifestKey(run, 0, 0))
        started = DriverStarted(
            at=host.clock.now(), host=os.uname().nodename, pid=os.getpid(), limits=request.limits
        )
        session = _Session(host=host, observer=observer, request=request, mirror=mirror, platforms=platforms)
        return await session.drive(spec, state, lambda adopted: [started, *adopted])


@asynccontextmanager
async def _opened_places(request: RunRequest, host: Host, run: int) -> AsyncGenerator[Sequence[OpenPlace]]:
    """Open the platforms on which steps run; nothing is recorded of a run whose platform cannot be used.

    Raises:
        UserError: A platform's configuration is wrong.
        PlatformError: A platform does not answer.
    """
    if not request.places:
        yield ()
        return
    from asyncflow.runtime.elsewhere import opened  # only for flows that have such steps

    async with opened(request, host, run) as places:
        yield places


@record
class _Session:
    host: Host
    observer: Observer
    request: RunRequest
    mirror: Mirror | None = None
    """Copies the run to a bucket; None: the store is in none."""
    platforms: Sequence[OpenPlace] = ()
    """Open platforms for steps that run elsewhere."""

    async def drive(
        self, spec: RunSpec, state: RunState, begin: Callable[[Sequence[Fact]], list[Fact]]
    ) -> RunResult:
        """Drive one run beside the keepers of its lease; close the backend whatever happens."""
        host, inbox = self.host, Inbox()
        in_flight = [Attempt(task, state.tasks[task].number) for task in state.running]
        status: RunStatus | None = None
        async with (
            _permits(state, spec) as limiter,
            self._backend(spec, state, inbox) as backend,
            anyio.create_task_group() as keepers,
        ):
            driver = Driver(
                state,
                log=host.log,
                backend=backend,
                clock=host.clock,
                publish=self._publish,
                limiter=limiter,
                inbox=inbox,
            )
            keepers.start_soon(host.steer, inbox, host.clock)
            adopted = await backend.adopt(in_flight)
            adopted = [*adopted, *_vanished(state, in_flight, adopted, host.clock.now())]
            keepers.start_soon(self._keep_lease, spec.run, driver)
            if self.mirror is not None:
                keepers.start_soon(self.mirror.keep)
            status = await driver.drive(spec.run, begin(adopted), _to_repeat(state, adopted))
            if self.mirror is not None:
                await self.mirror.finish()
            keepers.cancel_scope.cancel()
        assert status is not None, "a driver that returns has a status"
        return RunResult(run=spec.run, status=status)

    def _publish(self, first_seq: int, events: Sequence[Event]) -> None:
        self.observer.events(first_seq, events)
        if self.mirror is not None:
            self.mirror.note(first_seq, events)

    @asynccontextmanager
    async def _backend(self, spec: RunSpec, state: RunState, inbox: Inbox) -> AsyncGenerator[Backend]:
        """Open the run's backend; close it whatever happens, with all that still runs."""
        from asyncflow.backends.local import LocalBackend

        local = LocalBackend(
            await self.host.zygote(),
            spec,
            self.observer,
            isolation=self.request.isolation,
            async_workers=self.request.async_workers,
            most_log_bytes=self.request.most_log_bytes,
        )
        shared = self.host.share(local, inbox)
        async with self._routed(shared, spec, state) as (routed, detach):
            backend = self.request.in_front(routed)
            try:
                async with self._cached(backend, spec, inbox) as cached:
                    yield cached
            except Exception as error:
                # The run goes on later, here or elsewhere, and takes over what runs. One that is over does not.
                if not state.is_over or holds(error, RunIsElsewhere):
                    detach()
                raise
            finally:
                with anyio.move_on_after(CLOSE_S if not self.platforms else CLOSE_ELSEWHERE_S, shield=True):
                    await backend.aclose()

    @asynccontextmanager
    async def _routed(
        self, local: Backend, spec: RunSpec, state: RunState
    ) -> AsyncGenerator[tuple[Backend, Callable[[], None]]]:
        """Put the backends of other places beside this machine's, if steps run there.

        Yields what lets go of what runs there, too.
        """
        if not self.platforms:
            yield local, lambda: None
            return
        from asyncflow.runtime.elsewhere import routed_backend  # only for flows that have such steps

        async with routed_backend(
            self.platforms,
            local,
            request=self.request,
            host=self.host,
            spec=spec,
            state=state,
            sink=self.observer,
            mirror=self.mirror,
        ) as routed:
            yield routed, routed.detach

    @asynccontextmanager
    async def _cached(self, backend: Backend, spec: RunSpec, inbox: Inbox) -> AsyncGenerator[Backend]:
        """Put what earlier tasks have made in front of a backend, if the flow asks for it."""
        request = self.request
        if request.cache != "all" and not _asks_for_cache(request.flow):
            yield backend
            return
        from asyncflow.runtime.caching import CachedBackend, cached_steps  # only for flows that have some

        async with anyio.create_task_group() as group:
            yield CachedBackend(
                backend,
                cached_steps(request.flow, request.cache),
                request.flow,
                spec,
                takes_over=request.cache != "none",
                inbox=inbox,
                clock=self.host.clock,
                group=group,
            )
            group.cancel_scope.cancel()

    async def _keep_lease(self, run: int, driver: Driver) -> None:
        await keep_lease(self.host.log, run, state=driver.state, inbox=driver.inbox, clock=self.host.clock)


def _written_secrets(flow_class: type) -> tuple[str, ...]:
    decorators = [one for info in parse_flow(flow_class).steps.values() for one in info.decorators]
    if not any(one.name == "secrets" for one in decorators):
        return ()
    from asyncflow.flow.decorators.secrets import written_secrets

    return written_secrets(decorators)


def _asks_for_cache(flow_class: type) -> bool:
    return any(
        one.name == "cache" for info in parse_flow(flow_class).steps.values() for one in info.decorators
    )


def _vanished(
    state: RunState, in_flight: Sequence[Attempt], adopted: Sequence[Fact], at: float
) -> list[Fact]:
    """Return the loss of attempts that had started, and of which no backend knows any more."""
    answered = {getattr(fact, "attempt", None) for fact in adopted}
    return [
        WorkerLost(at=at, attempt=attempt, reason="it is gone without a trace", is_our_fault=True)
        for attempt in in_flight
        if attempt not in answered and state.tasks[attempt.task].is_started
    ]


def _to_repeat(state: RunState, adopted: Sequence[Fact]) -> tuple[Command, ...]:
    from asyncflow.machine.decide import outstanding

    answered = {getattr(fact, "attempt", None) for fact in adopted}
    return tuple(command for command in outstanding(state) if command.attempt not in answered)


@asynccontextmanager
async def _permits(state: RunState, spec: RunSpec) -> AsyncGenerator[Limiter | None]:
    """Keep the permits of limits that runs share, if any step has such; they are given back when nothing runs."""
    if not state.permits:
        yield None
        return
    from asyncflow.runtime.limits import Limiter  # random, hashlib: 5 ms that other runs need not take

    async with Limiter(state, run=f"{spec.flow}/{spec.run}") as limiter:
        yield limiter


def _write_parameters(request: RunRequest, home: str, run: int) -> ManifestKey:
    from asyncflow.flow.sources import users_files
    from asyncflow.store.code import write_code
    from asyncflow.store.local import LocalStore
    from asyncflow.worker.parameters import write_parameters

    store = LocalStore(home)
    return write_parameters(
        store,
        run,
        request.graph.flow,
        dict(request.parameters),
        dict(request.constants),
        dict(request.graph_info),
        code=write_code(store, users_files(request.flow_file), hidden=_written_secrets(request.flow)),
    )


def _run_spec(request: RunRequest, run: int, home: str, parameters: ManifestKey) -> RunSpec:
    namespace: str | None = request.meta.get("namespace")
    return RunSpec(
        run=run,
        flow=request.graph.flow,
        flow_file=request.flow_file,
        store_root=home,
        parameters=parameters,
        user=request.user,
        tags=request.tags,
        namespace=f"user:{request.user}" if namespace is None else namespace,
        looks_in_namespace=namespace is not None,
        origin_run=request.origin_run,
        environment={step: dict(values) for step, values in request.environment.items()},
        project=dict(request.meta.get("project") or {}),
        triggers=tuple(request.meta.get("triggers") or ()),
    )
