"""What jobs of a store there are, and ending those that nobody watches any more."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from asyncflow.backends.batch.asking import (
    Details,
    describe_jobs,
    in_turns,
    index_of,
    list_children,
    terminate,
)
from asyncflow.backends.batch.caller import Caller, open_caller
from asyncflow.backends.batch.finding import Found, find_jobs
from asyncflow.backends.batch.naming import ARRAY, GANG, ONE, prefix_of
from asyncflow.backends.batch.options import Settings
from asyncflow.backends.batch.queues import list_queues
from asyncflow.backends.remote.platform import JobRef
from asyncflow.backends.remote.provider import PlatformContext

__all__ = ["end_jobs", "list_refs"]

_OVER = ("SUCCEEDED", "FAILED")
_REASON = "asyncflow reap"
_LONGEST_END_S = 45.0
"""A little more than the 30 s after which AWS kills what it has asked to end."""
_LOOK_S = 0.5


async def list_refs(context: PlatformContext) -> list[JobRef]:
    """Return one reference for each attempt, of all queues that may be seen. Raises PlatformError, UserError."""
    settings = Settings.read(context.settings)
    given = [step.options.get("queue") or settings.queue for step in context.steps] + [settings.queue]
    async with open_caller() as caller:
        queues = await list_queues(caller, [name for name in given if name])
        found = await find_jobs(caller, queues, prefix_of(context.owner, context.run))
        over: dict[str, set[int]] = {}

        async def look(array: Found) -> None:
            over[array.id] = await _ended_children(caller, array)

        await in_turns(look, [one for one in found if one.name.kind is ARRAY and not one.is_over])
    return [ref for one in found for ref in _refs(one, over.get(one.id, set()))]


async def end_jobs(ids: Sequence[str]) -> None:
    """End jobs, an array of which everything that lives is named by one request, and wait until they are over.

    Not for longer than they have time to end. Raises PlatformError, UserError.
    """
    named: dict[str, list[str]] = {}
    for id in ids:
        parent = id.partition(ARRAY.separator)[0].partition(GANG.separator)[0]
        named.setdefault(parent, []).append(id)
    async with open_caller() as caller:
        about = await describe_jobs(caller, list(named))
        wanted: list[str] = []
        for parent, members in named.items():
            if parent in about and about[parent].get("status") not in _OVER:
                wanted += _fewest(parent, members, about[parent])
        await terminate(caller, wanted, _REASON)
        with anyio.move_on_after(_LONGEST_END_S):
            await _wait_over(caller, wanted)


async def _wait_over(caller: Caller, ids: Sequence[str]) -> None:
    while True:
        found = await describe_jobs(caller, ids)
        if all(job.get("status") in _OVER for job in found.values()):
            return
        await anyio.sleep(_LOOK_S)


def _fewest(parent: str, members: list[str], about: Details) -> list[str]:
    if ARRAY.separator not in members[0]:
        return [parent]
    array: Details = about.get("arrayProperties") or {}
    counts: dict[str, int] = array.get("statusSummary") or {}
    living = int(array.get("size") or 0) - sum(int(counts.get(status) or 0) for status in _OVER)
    return [parent] if len(set(members)) >= living else members


async def _ended_children(caller: Caller, array: Found) -> set[int]:
    return {index_of(child) for status in _OVER async for child in list_children(caller, array.id, status)}


def _refs(found: Found, over: set[int]) -> list[JobRef]:
    kind = found.name.kind
    return [
        JobRef(
            id=found.id if kind is ONE else f"{found.id}{kind.separator}{place}",
            run=found.name.run,
            attempt=attempt,
            created_at=found.created_at,
            is_over=found.is_over or place in over,
        )
        for place, attempt in enumerate(found.attempts)
    ]
