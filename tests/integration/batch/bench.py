"""What the tests of AWS Batch share: jobs, an opened platform, and what it has told so far."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from asyncflow.backends.batch.pace import Pace
from asyncflow.backends.batch.platform import BatchPlatform
from asyncflow.backends.batch.provider import BatchProvider
from asyncflow.backends.remote.platform import End, EndReason, Job, JobSeen, Phase, Size
from asyncflow.backends.remote.provider import PlatformContext, StepRequest
from asyncflow.machine.ids import Attempt
from tests.services.batch.handle import IMAGE, Batch

RUN = 7
PACE = Pace(
    quick_s=0.1,
    slow_s=0.5,
    lost_after_s=0.5,
    silent_s=5,
    waiting_s=0.4,
    twins_after_s=0.2,
    close_s=10,
    tries=6,
)
"""In a hurry."""


def owner_of(batch: Batch) -> str:
    """The store's name, another for each test: they share a server."""
    return batch.queue.removeprefix("queue-")


def options(batch: Batch, **more: Any) -> dict[str, Any]:
    """What `@batch` says."""
    return {"queue": batch.queue, "image": IMAGE, "iam_role": batch.job_role, **more}


def shell(script: str) -> tuple[str, ...]:
    """A command that runs a script."""
    return ("sh", "-c", script)


def held(gate: Path, then: str = "true") -> str:
    """A script that runs another once a file is there."""
    return f"until [ -e {gate} ]; do sleep 0.1; done; {then}"


def jobs_of(
    batch: Batch,
    tasks: Iterable[int],
    command: Sequence[str] = ("true",),
    *,
    number: int = 0,
    apart: bool = False,
    **more: Any,
) -> list[Job]:
    """Jobs of a step for these tasks. With `apart`, none is to follow another, so that there is no array."""
    return [
        Job(
            name=f"af-{owner_of(batch)}-{RUN}-{task}-{number}",
            attempt=Attempt(task, number),
            run=RUN,
            flow="Wide",
            step="work",
            user="ada",
            owner=owner_of(batch),
            command=tuple(command),
            environment={"ASYNCFLOW_SPEC_URL": "s3://bucket/spec"},
            index=at * 2 if apart else at,
            **{"options": options(batch), "size": Size(cpu=1, memory_mb=64), **more},
        )
        for at, task in enumerate(tasks)
    ]


def context(batch: Batch, *, run: int | None = RUN, **more: Any) -> PlatformContext:
    """For what the platform is opened."""
    step = {"options": options(batch), "size": Size(cpu=1, memory_mb=64), "where": "flow.py:12", **more}
    return PlatformContext(
        owner=owner_of(batch), run=run, flow="Wide", user="ada", steps=[StepRequest(step="work", **step)]
    )


@dataclass
class Told:
    """Everything that the platform told, in its order."""

    seen: list[JobSeen] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def add(self, news: Iterable[JobSeen]) -> None:
        self.seen += news
        self.changed.set()
        self.changed = anyio.Event()

    def phases(self, task: int) -> list[Phase]:
        """The phases of a task, each once."""
        return list(dict.fromkeys(one.phase for one in self.seen if one.attempt.task == task))

    def ends(self) -> dict[int, End]:
        """How tasks ended."""
        return {one.attempt.task: one.end for one in self.seen if one.end is not None}

    def reasons(self) -> dict[int, EndReason]:
        """Why tasks ended."""
        return {task: end.reason for task, end in self.ends().items()}

    def metadata(self, task: int) -> dict[str, str]:
        """All that was told of a task."""
        return {
            name: text for one in self.seen if one.attempt.task == task for name, text in one.metadata.items()
        }

    async def until(self, is_so: Callable[[], object], what: str, within_s: float = 20) -> None:
        """Wait until something is so."""
        with anyio.move_on_after(within_s):
            while not is_so():
                await self.changed.wait()
        assert is_so(), f"not in {within_s} s: {what}; told were {self.seen[-5:]}"

    async def ended(self, tasks: Iterable[int], within_s: float = 20) -> None:
        """Wait until tasks have ended."""
        wanted = set(tasks)
        await self.until(lambda: wanted <= set(self.ends()), f"the end of {sorted(wanted)[:5]}...", within_s)

    async def running(self, tasks: Iterable[int]) -> None:
        """Wait until tasks run."""
        wanted = set(tasks)
        await self.until(lambda: all(Phase.RUNNING in self.phases(task) for task in wanted), "they run")


@asynccontextmanager
async def opened(batch: Batch, *, pace: Pace = PACE, **more: Any) -> AsyncGenerator[BatchPlatform]:
    """A platform, opened as the lead opens it."""
    async with BatchProvider(pace).open(context(batch, **more)) as platform:
        yield platform


@asynccontextmanager
async def told_by(platform: BatchPlatform) -> AsyncGenerator[Told]:
    """Listen to a platform."""
    told = Told()

    async def listen() -> None:
        async with aclosing(platform.changes()) as changes:
            async for news in changes:
                told.add(news)

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        yield told
        group.cancel_scope.cancel()


async def eventually(is_so: Callable[[], object], what: str, within_s: float = 20) -> None:
    """Wait until something is so on the server, while the platform goes on."""
    with anyio.move_on_after(within_s):
        while not is_so():  # noqa: ASYNC110 - the server is another process
            await anyio.sleep(0.05)
    assert is_so(), f"not in {within_s} s: {what}"


def alive(batch: Batch) -> list[str]:
    """Ids of the jobs of the queue that have not ended."""
    states = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
    listed = [
        job["jobId"]
        for state in states
        for job in batch.client().list_jobs(jobQueue=batch.queue, jobStatus=state)["jobSummaryList"]
    ]
    return list(dict.fromkeys(listed))  # one that went on from one state to the next is listed twice


def submitted(batch: Batch) -> list[str]:
    """Names of all jobs of the queue."""
    told = batch.client().list_jobs(jobQueue=batch.queue, filters=[{"name": "JOB_NAME", "values": ["af-*"]}])
    return [job["jobName"] for job in told["jobSummaryList"]]
