"""What a platform knows of its jobs: which attempts they are of, and where each of these is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from asyncflow.backends.batch.naming import ONE, Kind
from asyncflow.backends.batch.queues import Queue
from asyncflow.backends.remote.platform import Phase
from asyncflow.machine.ids import Attempt

__all__ = ["Book", "Member", "Tracked"]


class Member:
    """One attempt's part of a job: the job itself, a child of an array, or a node."""

    __slots__ = ("attempt", "is_known", "is_stopped", "note", "phase", "status")

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.status = ""
        """AWS's word, such as `RUNNABLE`, as far as it matters; empty: not seen yet."""
        self.phase: Phase | None = None
        """As told last. None: nothing was told yet."""
        self.note = ""
        """As told last."""
        self.is_known = False
        """Its log stream was told."""
        self.is_stopped = False
        """We have asked for its end."""

    @property
    def is_over(self) -> bool:
        """Whether its end was told."""
        return self.phase is Phase.ENDED


class Tracked:
    """A job of AWS Batch."""

    __slots__ = ("id", "kind", "members", "missing_since", "name", "queue", "since")

    def __init__(
        self, id: str, name: str, kind: Kind, attempts: Iterable[Attempt], *, queue: Queue, since: float
    ) -> None:
        self.id = id
        self.name = name
        self.kind = kind
        self.members = tuple(Member(attempt) for attempt in attempts)
        self.queue = queue
        self.since = since
        """When it became known, by a clock that never goes back."""
        self.missing_since: float | None = None
        """When AWS said for the first time that it has no such job, by the same clock."""

    @property
    def is_over(self) -> bool:
        """Whether all its ends were told."""
        return all(member.is_over for member in self.members)

    def child_id(self, place: int) -> str:
        """Return the id of a member."""
        return self.id if self.kind is ONE else f"{self.id}{self.kind.separator}{place}"

    def alive(self) -> list[int]:
        """Return the places of the members whose end was not told."""
        return [place for place, member in enumerate(self.members) if not member.is_over]

    def statuses(self) -> Counter[str]:
        """Count the members by status."""
        return Counter(member.status for member in self.members)


class Book:
    """All jobs of a run that are known."""

    def __init__(self) -> None:
        self._places: dict[Attempt, tuple[Tracked, int]] = {}
        self._jobs: dict[str, Tracked] = {}

    def add(self, job: Tracked, places: Iterable[int] | None = None) -> None:
        """Note a job; with `places`, as that of these members only: nothing will be told of the others."""
        counting = range(len(job.members)) if places is None else list(places)
        for place, member in enumerate(job.members):
            if place in counting:
                self._places[member.attempt] = (job, place)
            else:
                member.phase = Phase.ENDED
        self._jobs[job.id] = job

    def place_of(self, attempt: Attempt) -> tuple[Tracked, int] | None:
        """Return an attempt's job and its place in it; None: it is not known."""
        return self._places.get(attempt)

    def job(self, id: str) -> Tracked | None:
        """Return a job by its id."""
        return self._jobs.get(id)

    def alive(self) -> list[Tracked]:
        """Return the jobs that have not ended, and forget that others might have."""
        over = [id for id, job in self._jobs.items() if job.is_over]
        for id in over:
            del self._jobs[id]
        return list(self._jobs.values())

    def __iter__(self) -> Iterator[Tracked]:
        return iter(list(self._jobs.values()))
