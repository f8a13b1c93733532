"""A platform without a cluster: jobs are processes of this machine, which live on when the scheduler dies.

It keeps the contract of every platform (`platform_suite`), for tests of what stands on platforms. What it knows lies
in a directory, so a scheduler that comes after a killed one finds everything.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.to_thread

from asyncflow.backends.remote.platform import EndReason as Reason
from asyncflow.backends.remote.platform import (
    Job,
    JobRef,
    JobSeen,
    Phase,
    Platform,
    PlatformCapabilities,
    Refused,
    Size,
    array_environment,
    environment_of,
)
from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest
from asyncflow.errors import PlatformError, UserError
from asyncflow.flow.decorators.base import StepDecorator, decorate
from asyncflow.machine.ids import Attempt
from asyncflow.records import record
from asyncflow.testing.process_directory import JobDirectory

__all__ = [
    "ARRAY_INDEX",
    "DIRECTORY_VARIABLE",
    "PROVIDER",
    "Process",
    "ProcessPlatform",
    "ProcessProvider",
    "process",
]

DIRECTORY_VARIABLE = "ASYNCFLOW_PROCESS_PLATFORM"
"""Names the directory in which jobs are kept."""
ARRAY_INDEX = "ASYNCFLOW_PROCESS_INDEX"
"""Tells a job of an array its place in it."""
_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.25
_FORCED_END_S = 10.0
"""How long a killed job may take to be gone."""


@record(slots=False)
class Process(StepDecorator):
    """The step runs as a process of its own that does not need the scheduler."""

    name: ClassVar[str] = "process"
    cpu: Any = None
    memory: Any = None
    """MB."""
    gpu: Any = None

    def __post_init__(self) -> None:
        for attribute in ("cpu", "memory", "gpu"):
            if getattr(self, attribute) is not None:
                self.number(attribute)


def process(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Run the step as a process of its own that does not need the scheduler; for tests."""
    return decorate(Process, method, attributes)


class ProcessPlatform:
    """Jobs as processes. Keeps the contract of `Platform`.

    Args:
        directory: Of the run's jobs.
        has_array: Whether jobs that follow each other are started as an array.
        grace_s: From asking a job to end to killing it.
    """

    def __init__(self, directory: Path, *, has_array: bool = True, grace_s: float = 5.0) -> None:
        self.requests: list[int] = []
        """How many jobs each request for new ones asked for, an array being one."""
        self._directory = directory
        self._grace_s = grace_s
        self._jobs: dict[Attempt, JobDirectory] = {}
        self._told: dict[Attempt, Phase] = {}
        self._news = anyio.Event()
        self._is_closed = False
        self._is_detached = False
        self._capabilities = PlatformCapabilities(
            name=Process.name, has_array=has_array, shares_filesystem=True
        )

    @property
    def capabilities(self) -> PlatformCapabilities:
        """What this platform can do."""
        return self._capabilities

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        """Start jobs; those that are known are left alone. See `Platform.submit`."""
        if self._is_closed:
            raise PlatformError("The platform of processes is closed; no job was started")
        refused = [
            Refused(job.attempt, Reason.UNSCHEDULABLE, why) for job in jobs if (why := _too_much(job.size))
        ]
        unwanted = {each.attempt for each in refused}
        for chunk in self._chunks([job for job in jobs if job.attempt not in unwanted]):
            self.requests.append(len(chunk))
            await anyio.to_thread.run_sync(self._start, chunk)
        self._wake()
        return refused

    async def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        """Yield what happens to all jobs, in batches, until `aclose`. See `Platform.changes`."""
        pause_s = _SHORTEST_LOOK_S
        while not self._is_closed:
            self._news = anyio.Event()
            seen = await anyio.to_thread.run_sync(self._look)
            if seen:
                pause_s = _SHORTEST_LOOK_S
                yield seen
                continue
            with anyio.move_on_after(pause_s):
                await self._news.wait()
                pause_s = _SHORTEST_LOOK_S
                continue
            pause_s = min(pause_s * 1.2, _LONGEST_LOOK_S)

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        """Tell of those attempts' jobs that exist. See `Platform.find`."""

        def look() -> list[JobSeen]:
            for attempt in attempts:
                place = self._place(attempt)
                if place.is_taken:
                    self._jobs[attempt] = place
            return [self._jobs[attempt].seen() for attempt in attempts if attempt in self._jobs]

        found = await anyio.to_thread.run_sync(look)
        self._wake()
        return found

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        """Ask or force jobs to end; unknown ones are no error. See `Platform.stop`."""
        places = [self._jobs[attempt] for attempt in attempts if attempt in self._jobs]

        def tell() -> None:
            for place in places:
                place.stop(force=force)

        await anyio.to_thread.run_sync(tell)
        self._wake()

    async def lose(self, attempt: Attempt) -> None:
        """Let a job be gone as with its node: it is killed and nobody writes down how it ended."""
        await anyio.to_thread.run_sync(self._jobs[attempt].destroy)
        self._wake()

    def detach(self) -> None:
        """Let what runs go on when the platform is closed. See `Platform.detach`."""
        self._is_detached = True

    async def aclose(self) -> None:
        """End what still runs, unless detached: asked first, then forced. Bounded in time; safe to call twice."""
        self._is_closed = True
        if self._is_detached:
            self._wake()
            return
        with anyio.CancelScope(shield=True):
            await self.stop(list(self._jobs), force=False)
            if not await self._all_ended(within_s=self._grace_s):
                await self.stop(list(self._jobs), force=True)
                await self._all_ended(within_s=_FORCED_END_S)

    async def _all_ended(self, *, within_s: float) -> bool:
        places = list(self._jobs.values())
        with anyio.move_on_after(within_s):
            while not await anyio.to_thread.run_sync(  # noqa: ASYNC110 - files tell nobody
                lambda: all(place.end() for place in places)
            ):
                await anyio.sleep(_SHORTEST_LOOK_S)
            return True
        return False

    def _place(self, attempt: Attempt) -> JobDirectory:
        return JobDirectory(self._directory / f"{attempt.task}.{attempt.number}", attempt)

    def _chunks(self, jobs: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """Cut where jobs do not follow each other; each piece is one request."""
        start = 0
        for position in range(1, len(jobs) + 1):
            is_cut = position == len(jobs) or jobs[position].index != jobs[position - 1].index + 1
            if is_cut or not self._capabilities.has_array:
                yield jobs[start:position]
                start = position

    def _start(self, jobs: Sequence[Job]) -> None:
        begun: dict[Attempt, JobDirectory] = {}
        for position, job in enumerate(jobs):
            place = begun[job.attempt] = self._jobs.get(job.attempt) or self._place(job.attempt)
            if len(jobs) == 1:
                environment = environment_of(job)
            else:
                environment = {**array_environment(jobs, ARRAY_INDEX), ARRAY_INDEX: str(position)}
            place.start(job, environment, self._grace_s)
        for attempt, place in begun.items():
            place.wait_begun()
            self._jobs[attempt] = place  # not before: a job that has not begun looks like one that is gone

    def _look(self) -> list[JobSeen]:
        """Return what is new."""
        news: list[JobSeen] = []
        for attempt, place in list(self._jobs.items()):
            told = self._told.get(attempt)
            if told is Phase.ENDED:
                continue
            seen = place.seen()
            if seen.phase is not told:
                self._told[attempt] = seen.phase
                news.append(seen)
        return news

    def _wake(self) -> None:
        self._news.set()


class ProcessProvider:
    """Opens the platform of processes.

    Args:
        directory: Where jobs are kept. None: what ASYNCFLOW_PROCESS_PLATFORM says, or a directory of the user's own in
            the system's for temporary files.
        has_array: As for `ProcessPlatform`.
        grace_s: As for `ProcessPlatform`.
    """

    name = Process.name
    decorator = Process
    runtime_environment = "process"
    shares_filesystem = True

    def __init__(
        self, directory: Path | None = None, *, has_array: bool = True, grace_s: float = 5.0
    ) -> None:
        self._given = directory
        self._has_array = has_array
        self._grace_s = grace_s

    def check(self, steps: Sequence[StepRequest], settings: Mapping[str, Any]) -> None:
        """See that the machine is large enough for the steps. Raises UserError. See `Provider.check`."""
        for each in steps:
            if why := _too_much(each.size):
                raise UserError(
                    f"Step {each.step} cannot run as a process here: {why}",
                    where=each.where,
                    hint="Ask for less in @process or @resources.",
                )
            if each.gang:
                raise UserError(
                    f"Step {each.step} is a gang (num_parallel), which the platform of processes cannot run",
                    where=each.where,
                    hint="Leave @process out: on this machine gangs run without it.",
                )

    @asynccontextmanager
    async def open(self, context: PlatformContext) -> AsyncGenerator[Platform, None]:
        """Open the platform for a run; leaving closes it. See `Provider.open`."""
        if context.run is None:
            raise UserError("The platform of processes is opened for a run, and none was named")
        directory = await anyio.to_thread.run_sync(self._root) / context.owner / str(context.run)
        platform = ProcessPlatform(directory, has_array=self._has_array, grace_s=self._grace_s)
        try:
            yield platform
        finally:
            await platform.aclose()

    async def examine(self, context: PlatformContext) -> Sequence[Finding]:
        """Look whether jobs can be kept, and whether the machine is large enough. See `Provider.examine`."""
        try:
            root = await anyio.to_thread.run_sync(self._root)
        except (OSError, PlatformError) as error:
            return [
                Finding(
                    "directory", is_ok=False, told=str(error), hint=f"Name another in {DIRECTORY_VARIABLE}."
                )
            ]
        findings = [Finding("directory", is_ok=True, told=str(root))]
        for each in context.steps:
            why = _too_much(each.size)
            findings.append(Finding(f"step {each.step}", is_ok=not why, told=why or "fits this machine"))
        return findings

    async def jobs(self, context: PlatformContext) -> Sequence[JobRef]:
        """List the jobs of the context's owner, or of its run. See `Provider.jobs`."""

        def listed() -> list[JobRef]:
            pattern = "*/*" if context.run is None else f"{context.run}/*"
            found = sorted((self._root() / context.owner).glob(pattern))
            return [place.ref() for path in found if (place := JobDirectory.at(path)) is not None]

        return await anyio.to_thread.run_sync(listed)

    async def remove(self, context: PlatformContext, ids: Sequence[str]) -> None:
        """End and remove jobs; those that are gone are no error. See `Provider.remove`."""

        def remove_all() -> None:
            owned = self._root() / context.owner
            for each in ids:
                place = JobDirectory.at(owned / each)
                if place is not None:
                    place.remove(within_s=_FORCED_END_S)

        await anyio.to_thread.run_sync(remove_all)

    def _root(self) -> Path:
        """Return the directory of all jobs, which is this user's alone: environments are kept there."""
        named = self._given or os.environ.get(DIRECTORY_VARIABLE)
        root = Path(named or Path(tempfile.gettempdir()) / f"asyncflow-processes-{os.getuid()}")
        root.mkdir(parents=True, mode=0o700, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise PlatformError(f"{root} belongs to another user; no job is kept there")
        return root


def _too_much(size: Size) -> str:
    """Say what of a job's size this machine does not have; empty if it has all."""
    cores = os.cpu_count() or 1
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    if size.cpu and size.cpu > cores:
        return f"it wants {size.cpu:g} cores, and this machine has {cores}"
    if size.memory_mb and size.memory_mb > memory_mb:
        return f"it wants {size.memory_mb:g} MB of memory, and this machine has {memory_mb:.0f}"
    if size.gpu:
        return f"it wants {size.gpu:g} GPUs, and processes are given none"
    return ""


PROVIDER = ProcessProvider()
