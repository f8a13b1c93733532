"""Steps that run on other platforms: opens those for a run, and makes one backend of them and this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from asyncflow.backends.base import Backend, LogSink
from asyncflow.backends.remote.backend import RemoteBackend, opened_backend
from asyncflow.backends.remote.flights import Ordering
from asyncflow.backends.remote.platform import Platform
from asyncflow.backends.remote.provider import PlatformContext
from asyncflow.backends.routed import RoutedBackend
from asyncflow.machine.state import RunState
from asyncflow.records import record
from asyncflow.runtime.mirror import Mirror
from asyncflow.runtime.places import Place
from asyncflow.runtime.session import Host, RunRequest
from asyncflow.runtime.workers import environment_for, workers_beside, workers_in_containers
from asyncflow.store.directory import DirectoryObjects, InThreads
from asyncflow.store.layout import shared_directory
from asyncflow.store.local import LocalStore
from asyncflow.store.objects import Objects
from asyncflow.store.replica import owner_of
from asyncflow.worker.attempt import has_cards
from asyncflow.worker.spec import RunSpec

__all__ = ["OpenPlace", "opened", "routed_backend"]


@record
class OpenPlace:
    """A platform that is open for a run."""

    place: Place
    platform: Platform


@asynccontextmanager
async def opened(request: RunRequest, host: Host, run: int) -> AsyncGenerator[Sequence[OpenPlace]]:
    """Open the platforms on which a run's steps run.

    Raises:
        UserError: A platform's configuration is wrong.
        PlatformError: A platform does not answer.
    """
    async with AsyncExitStack() as stack:
        places: list[OpenPlace] = []
        for place in request.places:
            context = PlatformContext(
                owner=owner_of(host.home),
                run=run,
                flow=request.graph.flow,
                user=request.user,
                steps=list(place.steps.values()),
                tags=request.tags,
                store_url=_objects(host).url,
                settings=place.settings,
            )
            platform = await stack.enter_async_context(place.provider.open(context))
            places.append(OpenPlace(place=place, platform=platform))
        yield places


@asynccontextmanager
async def routed_backend(
    places: Sequence[OpenPlace],
    local: Backend,
    *,
    request: RunRequest,
    host: Host,
    spec: RunSpec,
    state: RunState,
    sink: LogSink,
    mirror: Mirror | None,
) -> AsyncGenerator[RoutedBackend]:
    """Make one backend of this machine's and those of open platforms; the latter are closed at the end.

    Raises:
        PackageError: The flow's code cannot be packed.
        StoreError: The store cannot be written.
    """
    async with AsyncExitStack() as stack:
        others: dict[str, RemoteBackend] = {}
        for one in places:
            backend = await stack.enter_async_context(
                opened_backend(
                    one.platform,
                    await _ordering(one.place, request, host, spec),
                    objects=_objects(host),
                    store=LocalStore(host.home),
                    sink=sink,
                    recorded=_nothing_to_wait_for if mirror is None else mirror.settled,
                    now=host.clock.now,
                )
            )
            others.update(dict.fromkeys(one.place.steps, backend))
        routed = RoutedBackend(local, others, lambda task: state.tasks[task].step)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(routed.keep)
        try:
            yield routed
        finally:
            group.cancel_scope.cancel()


async def _ordering(place: Place, request: RunRequest, host: Host, spec: RunSpec) -> Ordering:
    objects = _objects(host)
    is_bucket = host.remote is not None
    environment = environment_for(
        place.provider, run=spec.run, user=spec.user, store_url=objects.url, is_bucket=is_bucket
    )
    if is_bucket:
        workers = await workers_in_containers(
            request.flow,
            request.flow_file,
            environment,
            objects=objects,
            suffixes=request.package_suffixes,
        )
    else:
        workers = workers_beside(request.flow, request.flow_file, environment)
    return Ordering(
        run=spec,
        owner=owner_of(host.home),
        luggage=workers.luggage,
        steps=place.steps,
        gangs=request.gangs,
        command=workers.command,
        environment=workers.environment,
        has_cards=has_cards(request.flow),
    )


def _objects(host: Host) -> Objects:
    """Return the run's store as workers see it."""
    if host.remote is not None:
        return host.remote.objects
    return InThreads(DirectoryObjects(shared_directory(host.home)))


async def _nothing_to_wait_for() -> None:
    """The store is a directory: what is recorded is where everybody who may go on with the run finds it."""
