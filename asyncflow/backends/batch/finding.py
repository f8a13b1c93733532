"""Finds a run's jobs again by their names: after a driver's restart, and for `asyncflow reap`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asyncflow.backends.batch.asking import Details, describe_jobs, list_named
from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.caller import Caller
from asyncflow.backends.batch.naming import ATTEMPTS_PARAMETER, JobName, attempts_of, parse_job_name
from asyncflow.backends.batch.queues import Queue
from asyncflow.machine.ids import Attempt

__all__ = ["Found", "Twin", "find_jobs", "note"]

_OVER = ("SUCCEEDED", "FAILED")


class Found(NamedTuple):
    """A job of ours on the platform."""

    id: str
    name: JobName
    full_name: str
    attempts: tuple[Attempt, ...]
    status: str
    created_at: float
    """Seconds since the epoch."""
    queue: str

    @property
    def is_over(self) -> bool:
        """Whether it has ended, an array or a gang with all its members."""
        return self.status in _OVER


class Twin(NamedTuple):
    """A member of a job whose attempt has another job that counts."""

    job: Tracked
    place: int


async def find_jobs(caller: Caller, queues: Iterable[str], prefix: str) -> list[Found]:
    """Return all jobs of some queues whose names begin so and are ours, oldest first. Raises PlatformError."""
    listed: dict[str, tuple[Details, JobName, str]] = {}
    for queue in queues:
        async for job in list_named(caller, queue, f"{prefix}*"):
            name = parse_job_name(str(job["jobName"]))
            if name is not None:
                listed[str(job["jobId"])] = (job, name, queue)
    told = await describe_jobs(caller, [id for id, (_, name, _) in listed.items() if not name.is_range])
    found = [
        Found(
            id=id,
            name=name,
            full_name=str(job["jobName"]),
            attempts=name.attempts() if name.is_range else _told_attempts(told.get(id, {})),
            status=str(job.get("status") or ""),
            created_at=int(job.get("createdAt") or 0) / 1000,
            queue=queue,
        )
        for id, (job, name, queue) in listed.items()
    ]
    return sorted((one for one in found if one.attempts), key=lambda one: (one.created_at, one.id))


def note(
    book: Book, found: Sequence[Found], wanted: Iterable[Attempt], queues: dict[str, Queue]
) -> list[Twin]:
    """Note the jobs of wanted attempts that the book does not know; return those that live although they do not count.

    Of two jobs for one attempt the one that has not ended counts, else the older one.
    """
    asked = set(wanted)
    missing = {attempt for attempt in asked if book.place_of(attempt) is None}
    twins: list[Twin] = []
    for one in sorted(found, key=lambda one: (one.is_over, one.created_at)):
        if book.job(one.id) is not None:
            continue
        tracked = Tracked(
            one.id,
            one.full_name,
            one.name.kind,
            one.attempts,
            queue=queues.get(one.queue) or Queue(name=one.queue, trouble="", machines=()),
            since=time.monotonic(),
        )
        places = [place for place, attempt in enumerate(one.attempts) if attempt in missing]
        if not one.is_over:
            twins += [
                Twin(tracked, place)
                for place, attempt in enumerate(one.attempts)
                if attempt in asked and attempt not in missing
            ]
        if places:
            book.add(tracked, places)
            missing.difference_update(one.attempts)
    return twins


def _told_attempts(about: Details) -> tuple[Attempt, ...]:
    """Return what the job's parameter tells; nothing if it tells nothing sensible."""
    parameters: Details = about.get("parameters") or {}
    try:
        return attempts_of(str(parameters.get(ATTEMPTS_PARAMETER) or ""))
    except ValueError:
        return ()
