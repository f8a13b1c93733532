"""What is asked of AWS Batch about many jobs at once: by hundreds, by pages, a few requests at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import anyio

from asyncflow.backends.batch.caller import Caller, MayBeDone, Refusal
from asyncflow.errors import AsyncflowError

__all__ = [
    "Details",
    "describe_jobs",
    "in_turns",
    "index_of",
    "list_children",
    "list_named",
    "terminate",
]

_MOST_DESCRIBED = 100
_MOST_LISTED = 1000
_MOST_FILTERED = 100
_WHAT = "Jobs cannot be looked at"

Details = dict[str, Any]  # Any: a job, as AWS describes or lists it
_T = TypeVar("_T")


async def describe_jobs(caller: Caller, ids: Sequence[str]) -> dict[str, Details]:
    """Return what AWS says of jobs, by id; those that it does not know are missing. Raises PlatformError."""
    found: dict[str, Details] = {}

    async def ask(part: Sequence[str]) -> None:
        answer = await caller.ask("describe_jobs", _WHAT, jobs=list(part))
        found.update({str(job["jobId"]): job for job in answer.get("jobs") or ()})

    await in_turns(ask, [ids[at : at + _MOST_DESCRIBED] for at in range(0, len(ids), _MOST_DESCRIBED)])
    return found


async def list_children(
    caller: Caller, array: str, status: str, most: int | None = None
) -> AsyncGenerator[Details, None]:
    """Yield the children of an array in one state, in short.

    Args:
        most: So many are enough. None: all.

    Raises:
        PlatformError: AWS refuses, or does not answer.
    """
    asked = {"arrayJobId": array, "jobStatus": status, "maxResults": min(most or _MOST_LISTED, _MOST_LISTED)}
    left = most
    async for page in caller.pages("list_jobs", _WHAT, "jobSummaryList", **asked):
        for child in page if left is None else page[:left]:
            yield child
        left = None if left is None else left - len(page)
        if left is not None and left <= 0:
            return


async def list_named(caller: Caller, queue: str, name: str) -> AsyncGenerator[Details, None]:
    """Yield the jobs of a queue with that name, or that begin so if it ends with `*`; no children or nodes.

    Raises PlatformError.
    """
    asked = {
        "jobQueue": queue,
        "filters": [{"name": "JOB_NAME", "values": [name]}],
        "maxResults": _MOST_FILTERED,
    }
    async for page in caller.pages("list_jobs", _WHAT, "jobSummaryList", **asked):
        for job in page:
            if ":" not in str(job["jobId"]) and "#" not in str(job["jobId"]):
                yield job


async def terminate(caller: Caller, ids: Iterable[str], reason: str) -> None:
    """Ask for jobs to end; those that are over or gone are no error.

    Raises PlatformError for the first that AWS would not end, after all were asked for.
    """

    async def end(id: str) -> None:
        try:
            await caller.try_("terminate_job", jobId=id, reason=reason)
        except Refusal as refused:
            if not refused.problem.is_about_request:
                refusals.append(refused)
        except MayBeDone as lost:
            refusals.append(lost)

    refusals: list[Refusal | MayBeDone] = []
    await in_turns(end, list(ids))
    if refusals:
        raise caller.told(refusals[0].problem, f"{len(refusals)} jobs could not be ended")


async def in_turns(do: Callable[[_T], Awaitable[None]], items: Sequence[_T], *, at_once: int = 4) -> None:
    """Do something for each item, a few at a time; raise the first error when what was begun has ended."""
    if not items:
        return
    waiting = iter(items)
    errors: list[AsyncflowError] = []

    async def work() -> None:
        for item in waiting:
            if errors:
                return
            try:
                await do(item)
            except AsyncflowError as error:
                errors.append(error)
                return

    if len(items) == 1:
        await do(items[0])
        return
    async with anyio.create_task_group() as group:
        for _ in range(min(at_once, len(items))):
            group.start_soon(work)
    if errors:
        raise errors[0]


def index_of(child: Details) -> int:
    """Return the place of an array's child."""
    array: Details = child.get("arrayProperties") or {}
    index = array.get("index")
    return int(index) if index is not None else int(str(child["jobId"]).rpartition(":")[2])
