"""Several backends as one: each step's attempts go where the step runs; what is only recorded is done here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

import anyio

from asyncflow.backends.base import Backend, Capabilities
from asyncflow.backends.remote.backend import RemoteBackend
from asyncflow.errors import AsyncflowError
from asyncflow.machine.facts import Fact, WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.worker.spec import TaskSpec

__all__ = ["RoutedBackend"]

_MOST_WAITING = 64


class RoutedBackend:
    """Hands each attempt to the backend of its step (`asyncflow.backends.base.Backend`).

    Args:
        local: For steps that run on this machine, and for the fallbacks of @catch.
        others: By step.
        step_of: Names the step of a task that has an attempt in flight.
    """

    def __init__(
        self, local: Backend, others: Mapping[str, RemoteBackend], step_of: Callable[[int], str]
    ) -> None:
        self._local = local
        self._others = others
        self._step_of = step_of
        self._places: dict[Attempt, Backend] = {}
        self._hearing, self._heard = anyio.create_memory_object_stream[Sequence[Fact] | AsyncflowError](
            _MOST_WAITING
        )
        self._all: list[Backend] = list({id(one): one for one in (local, *others.values())}.values())

    @property
    def capabilities(self) -> Capabilities:
        """What this machine can do: it is what the machine's counts are about."""
        return self._local.capabilities

    async def launch(self, spec: TaskSpec) -> None:
        """Start an attempt. See `Backend.launch`."""
        place = self._local if spec.fallback is not None else self._others.get(spec.step, self._local)
        self._places[spec.attempt] = place
        await place.launch(spec)

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Ask or force an attempt to end. See `Backend.stop`."""
        place = self._places.get(attempt)
        if place is not None:
            await place.stop(attempt, force=force)

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens to all attempts, as `keep` hears it. See `Backend.facts`."""
        async for facts in self._heard:
            if isinstance(facts, AsyncflowError):
                raise facts
            for fact in facts:
                if isinstance(fact, WorkerReported | WorkerLost):
                    self._places.pop(fact.attempt, None)
            yield facts

    async def keep(self) -> None:
        """Listen to all backends until cancelled, or until they are closed."""
        async with anyio.create_task_group() as group:
            for backend in self._all:
                group.start_soon(self._pump, backend)

    async def _pump(self, backend: Backend) -> None:
        try:
            async with aclosing(backend.facts()) as stream:
                async for facts in stream:
                    await self._hearing.send(facts)
        except AsyncflowError as error:
            await self._hearing.send(error)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # closed while more was said than anybody listened to

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say what became of attempts of a dead driver. See `Backend.adopt`.

        Of a fallback nobody knows any more: it runs no code, and is done again.
        """
        by_place: dict[int, list[Attempt]] = {}
        for attempt in attempts:
            place = self._others.get(self._step_of(attempt.task), self._local)
            self._places[attempt] = place
            by_place.setdefault(id(place), []).append(attempt)
        facts: list[Fact] = []
        for backend in self._all:
            facts.extend(await backend.adopt(by_place.get(id(backend), [])))
        return facts

    def detach(self) -> None:
        """Let what runs elsewhere go on when the backend is closed: another driver takes it over."""
        for backend in self._others.values():
            backend.detach()

    async def aclose(self) -> None:
        """Kill what still runs, everywhere, at the same time. See `Backend.aclose`."""
        async with anyio.create_task_group() as group:
            for backend in self._all:
                group.start_soon(backend.aclose)
        self._hearing.close()
        self._heard.close()
