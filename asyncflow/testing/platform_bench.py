"""What the contract suite of platforms works with: how a platform is opened, and what has become known of its jobs."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from asyncflow.backends.remote.platform import End, Job, JobSeen, Phase, Platform, Refused, Size
from asyncflow.backends.remote.provider import PlatformContext, Provider, StepRequest
from asyncflow.machine.ids import Attempt
from asyncflow.records import field, record, replace

__all__ = ["OWN_INDEX", "PlatformBench", "Site", "with_environment"]

OWN_INDEX = (
    'index=$ASYNCFLOW_SPEC_INDEX; if [ -n "$ASYNCFLOW_ARRAY_VARIABLE" ]; then '
    'eval "index=\\$((index + \\$$ASYNCFLOW_ARRAY_VARIABLE))"; fi; '
)
"""Shell code by which a job learns its own index, as a worker does."""


def _unlikely() -> str:
    return secrets.token_hex(4)


@record
class PlatformBench:
    """A platform under test. One bench serves one test: its `owner` is its own, so no others' jobs are in the way."""

    provider: Provider
    scratch: Path
    """A directory, empty, that jobs see under the same path and may write to."""
    refusable: Callable[[Job], Job]
    """Makes of a job one that the platform refuses: a queue or size that does not exist, ..."""
    owner: str = field(default_factory=_unlikely)
    run: int = 7
    options: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # Any: values of the decorator's fields
    """The decorator's fields, where they are not its defaults, such as the image and the queue."""
    size: Size = Size()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: as for `PlatformContext`
    store_url: str = ""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    """What runs a script that follows it."""
    width: int = 5
    """How many jobs stand for many."""
    timeout_s: float = 1.0
    """The shortest time limit of a job that the platform keeps to."""
    longest_s: float = 60.0
    """After this the platform has hung."""

    def context(self, run: int | None = 0) -> PlatformContext:
        """Return what the provider is given. 0 stands for the bench's own run, None for none."""
        return PlatformContext(
            owner=self.owner,
            run=self.run if run == 0 else run,
            flow="ContractFlow",
            user="tester",
            steps=(StepRequest(step="work", options=self._options(), size=self.size),),
            store_url=self.store_url,
            settings=self.settings,
        )

    def job(self, script: str, *args: str, task: int = 1, number: int = 0, index: int = 0) -> Job:
        """Return a job that runs a shell script with arguments (`$1` is the first)."""
        return Job(
            name=f"af-{self.owner}-{self.run}-{task}-{number}",
            attempt=Attempt(task, number),
            run=self.run,
            flow="ContractFlow",
            step="work",
            user="tester",
            owner=self.owner,
            command=(*self.shell, script, "sh", *args),
            environment={"SCRATCH": str(self.scratch)},
            index=index,
            options=self._options(),
            size=self.size,
        )

    def jobs(self, script: str, indexes: Sequence[int]) -> list[Job]:
        """Return jobs of one submit with these places in their spec object; the tasks are numbered 1, 2, ..."""
        return [self.job(script, task=task, index=index) for task, index in enumerate(indexes, start=1)]

    def lines(self, name: str) -> list[str]:
        """Return the lines that jobs have written to `$SCRATCH/name`."""
        path = self.scratch / name
        return path.read_text().splitlines() if path.exists() else []

    @asynccontextmanager
    async def open(self, run: int = 0) -> AsyncGenerator[Site, None]:
        """Open the platform for a run, as a scheduler does that has just been started."""
        async with (
            self.provider.open(self.context(run)) as platform,
            aclosing(platform.changes()) as changes,
        ):
            yield Site(self, platform, changes)

    def _options(self) -> dict[str, Any]:  # Any: as `options`
        made = self.provider.decorator(**self.options)
        return {name: getattr(made, name) for name in made.attribute_names()}


class Site:
    """An open platform, and what it has told."""

    def __init__(
        self, bench: PlatformBench, platform: Platform, changes: AsyncGenerator[Sequence[JobSeen], None]
    ) -> None:
        self.platform = platform
        self.told: list[JobSeen] = []
        """Everything that `changes` has told, in order."""
        self._bench = bench
        self._changes = changes

    async def submit(self, *jobs: Job) -> Sequence[Refused]:
        """Ask for jobs, bounded in time."""
        with anyio.fail_after(self._bench.longest_s):
            return await self.platform.submit(jobs)

    async def run(self, job: Job) -> End:
        """Ask for a job that is not refused, and wait for its end."""
        assert list(await self.submit(job)) == []
        (end,) = await self.until_ended(job.attempt)
        return end

    async def stop(self, *attempts: Attempt, force: bool) -> None:
        """End jobs, bounded in time."""
        with anyio.fail_after(self._bench.longest_s):
            await self.platform.stop(attempts, force=force)

    async def until_ended(self, *attempts: Attempt) -> list[End]:
        """Wait until each of the attempts has ended; return how, in their order."""
        await self.until(lambda: all(self.phase(attempt) is Phase.ENDED for attempt in attempts))
        return [self._last(attempt).end or _no_end(attempt) for attempt in attempts]

    async def until_running(self, *attempts: Attempt) -> None:
        """Wait until each of the attempts runs."""
        await self.until(lambda: all(self.phase(attempt) is Phase.RUNNING for attempt in attempts))

    async def until_written(self, name: str, *, lines: int = 1) -> list[str]:
        """Wait until jobs have written lines to `$SCRATCH/name`; return them."""
        with anyio.fail_after(self._bench.longest_s):
            while True:
                found = self._bench.lines(name)
                if len(found) >= lines:
                    return found
                await anyio.sleep(0.02)

    def phase(self, attempt: Attempt) -> Phase | None:
        """Return where a job was when it was last told of; None: it was not."""
        seen = [each.phase for each in self.told if each.attempt == attempt]
        return seen[-1] if seen else None

    async def until_over(self) -> None:
        """Take what `changes` still tells until it ends by itself, as it does when the platform is closed."""
        with anyio.fail_after(self._bench.longest_s):
            async for seen in self._changes:
                self.told += seen

    async def until(self, is_enough: Callable[[], bool]) -> None:
        """Take what `changes` tells until there is enough in `told`."""
        with anyio.fail_after(self._bench.longest_s):
            while not is_enough():
                self.told += await anext(self._changes)

    def _last(self, attempt: Attempt) -> JobSeen:
        return [each for each in self.told if each.attempt == attempt][-1]


def _no_end(attempt: Attempt) -> End:
    raise AssertionError(f"{attempt} was told as ended, and not how")


def with_environment(job: Job, **variables: str) -> Job:
    """Return a job with more variables."""
    return replace(job, environment={**job.environment, **variables})
