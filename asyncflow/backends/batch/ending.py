"""Which requests end which attempts, in as few as possible. Pure but for the book, in which it is noted."""

from __future__ import annotations

from collections.abc import Iterable

from asyncflow.backends.batch.book import Tracked
from asyncflow.backends.batch.naming import ARRAY

__all__ = ["ids_to_end"]


def ids_to_end(members: Iterable[tuple[Tracked, int]]) -> list[str]:
    """Return the ids to terminate so that these members end, and note that it was asked for.

    An array of which everything that lives is to end is one; a gang ends as a whole, as AWS Batch has it.
    """
    jobs: dict[str, tuple[Tracked, list[int]]] = {}
    for job, place in members:
        if not job.members[place].is_over:
            jobs.setdefault(job.id, (job, []))[1].append(place)
    found: list[str] = []
    for job, places in jobs.values():
        is_whole = job.kind is not ARRAY or len(set(places)) == len(job.alive())
        for place in job.alive() if is_whole else places:
            job.members[place].is_stopped = True
        found += [job.id] if is_whole else [job.child_id(place) for place in places]
    return found
