"""Looks at all jobs of a run, a hundred a call, and tells what is new of them.

Of an array only the counts are looked at (one job in a hundred of a call); its children are listed by state where the
counts say that some have changed, and described once each when they run or have failed, for their log streams.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from asyncflow.backends.batch.asking import Details, describe_jobs, index_of, list_children
from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.caller import Caller
from asyncflow.backends.batch.naming import ARRAY, GANG
from asyncflow.backends.batch.pace import Pace
from asyncflow.backends.batch.seen import ended_without_trace, seen_member
from asyncflow.backends.batch.waiting import Waiting
from asyncflow.backends.remote.platform import JobSeen, Phase

__all__ = ["Watcher"]

_OVER = ("SUCCEEDED", "FAILED")


class Watcher:
    """Tells what is new of the jobs in a book."""

    def __init__(self, caller: Caller, book: Book, pace: Pace) -> None:
        self._caller = caller
        self._book = book
        self._pace = pace
        self._waiting = Waiting(caller, pace)

    async def look(self, only: Sequence[Tracked] | None = None) -> list[JobSeen]:
        """Look once at all jobs that have not ended, or at some.

        Raises:
            PlatformError: AWS refuses, or there is no sensible answer.
        """
        jobs = self._book.alive() if only is None else only
        nodes = [job.child_id(place) for job in jobs if job.kind is GANG for place in job.alive()]
        found = await describe_jobs(self._caller, [*(job.id for job in jobs), *nodes])
        news: list[JobSeen] = []
        for job in jobs:
            about = found.get(job.id)
            if about is None:
                news += self._missing(job)
                continue
            job.missing_since = None
            waiting = await self._waiting.why(job, about)
            if job.kind is ARRAY:
                news += await self._look_at_array(job, about, waiting)
            else:
                members = {place: found.get(job.child_id(place), about) for place in job.alive()}
                news += self._tell(job, members, waiting)
        return news

    def _tell(self, job: Tracked, found: dict[int, Details], waiting: str = "") -> list[JobSeen]:
        told = (
            seen_member(job, place, about, region=self._caller.region, waiting=waiting)
            for place, about in found.items()
        )
        return [seen for seen in told if seen is not None]

    def _missing(self, job: Tracked) -> list[JobSeen]:
        now = time.monotonic()
        job.missing_since = job.missing_since or now
        if now - job.missing_since < self._pace.lost_after_s:
            return []
        message = f"AWS Batch does not know job {job.id} any more"
        return [ended_without_trace(job, place, message) for place in job.alive()]

    # Arrays

    async def _look_at_array(self, job: Tracked, parent: Details, waiting: str) -> list[JobSeen]:
        changed = await self._changed_children(job, parent)
        if parent.get("status") in _OVER:
            changed |= await self._forgotten_children(job, changed)
        await self._describe(job, changed)
        news = self._tell(job, changed)
        still = {
            place: {"status": "RUNNABLE" if waiting else "PENDING"}
            for place, member in enumerate(job.members)
            if member.phase is None or (member.phase is Phase.PENDING and member.note != waiting)
        }
        return news + self._tell(job, still, waiting)

    async def _changed_children(self, job: Tracked, parent: Details) -> dict[int, Details]:
        """Return the children that run or have ended since they were looked at, as far as the counts show them."""
        about: Details = parent.get("arrayProperties") or {}
        counts: dict[str, int] | None = about.get("statusSummary")
        changed: dict[int, Details] = {}
        known = job.statuses()
        for status in (*_OVER, "RUNNING"):
            if counts is not None and int(counts.get(status) or 0) == max(0, known[status]):
                continue
            async for child in list_children(self._caller, job.id, status):
                place = index_of(child)
                before = changed.get(place, {}).get("status", job.members[place].status)
                if not job.members[place].is_over and before not in (status, *_OVER):
                    changed[place] = child
                    known[before] -= 1
                    known[status] += 1
        return changed

    async def _forgotten_children(self, job: Tracked, changed: Iterable[int]) -> dict[int, Details]:
        """Of an array that is over: return what is known of children that no list has."""
        listed = set(changed)
        missing = [place for place in job.alive() if place not in listed]
        found = await describe_jobs(self._caller, [job.child_id(place) for place in missing])
        gone: Details = {
            "status": "FAILED",
            "statusReason": "AWS Batch does not tell of this child of the array",
        }
        return {place: found.get(job.child_id(place), gone) for place in missing}

    async def _describe(self, job: Tracked, changed: dict[int, Details]) -> None:
        """Let descriptions stand for what lists say of children whose log stream was not told, and of failed ones."""
        wanted = [
            place
            for place, child in changed.items()
            if child.get("status") == "FAILED" or not job.members[place].is_known
        ]
        found = await describe_jobs(self._caller, [job.child_id(place) for place in wanted])
        for place in wanted:
            described = found.get(job.child_id(place))
            if described is not None and described.get("status") == changed[place].get("status"):
                changed[place] = described
