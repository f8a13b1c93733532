"""What is known of a run's pods, and what of it is news. No I/O; times are of a clock that never goes back.

Whatever is told twice (a relist, a watch that begins again, a late event) is no news. An end is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from asyncflow.backends.kubernetes.names import GANG, TASK, Identity, gang_object, identity_of
from asyncflow.backends.kubernetes.parts import Json, part, text
from asyncflow.backends.kubernetes.reading import Hopeless, Sight, gone, read_pod
from asyncflow.backends.remote.platform import End, JobSeen, Phase
from asyncflow.machine.ids import Attempt

__all__ = ["Book", "Entry"]


class Entry:
    """One attempt's pod. Written by the book and by the platform that asks for pods."""

    __slots__ = (
        "attempt",
        "gang",
        "hopeless",
        "hopeless_since",
        "is_asked",
        "is_claimed",
        "is_created",
        "is_deleting",
        "is_force",
        "is_gang_deleted",
        "is_gone",
        "is_member",
        "is_stopped",
        "is_told",
        "last",
        "leaving_by",
        "name",
        "namespace",
        "seen",
        "since",
    )

    def __init__(self, attempt: Attempt, name: str, namespace: str, since: float) -> None:
        self.attempt = attempt
        self.name = name
        """Of the pod; empty while a Job has not made it yet."""
        self.namespace = namespace
        self.since = since
        """When it was asked for, or found."""
        self.gang = ""
        """Name of the gang's Job and Service, empty: it is of no gang."""
        self.is_gang_deleted = False
        """The server took the request to delete that Job, and with it all its pods."""
        self.is_member = False
        """The gang's Job made its pod."""
        self.is_claimed = False
        """It was submitted or found by who listens: what happens to it is told."""
        self.is_asked = False
        """The server took the request for it, or for its gang's Job."""
        self.is_created = False
        """The server said that its pod is there."""
        self.is_stopped = False
        """We asked it to end."""
        self.is_force = False
        self.is_told = False
        """Its end was taken by who listens."""
        self.is_deleting = False
        """The server was asked to delete its pod."""
        self.is_gone = False
        """The server has no such pod any more."""
        self.seen: JobSeen | None = None
        """What was told, or will be next."""
        self.last: Json | None = None
        """The pod while it is being deleted, for what it says of the reason."""
        self.hopeless: Hopeless | None = None
        self.hopeless_since = 0.0
        self.leaving_by: float | None = None
        """When its node should have ended it."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, told or not."""
        return self.seen is not None and self.seen.phase is Phase.ENDED


class Book:
    """The pods of one run.

    Args:
        owner: The store's.
        run: The run's id.
    """

    def __init__(self, owner: str, run: int) -> None:
        self._owner = owner
        self._run = run
        self._entries: dict[Attempt, Entry] = {}
        self._news: dict[Attempt, JobSeen] = {}
        self._open: dict[Attempt, Entry] = {}
        """What has not ended."""

    def get(self, attempt: Attempt) -> Entry | None:
        """Return what is known of an attempt."""
        return self._entries.get(attempt)

    def open_entries(self) -> list[Entry]:
        """Return what has not ended."""
        return list(self._open.values())

    def entries(self) -> Iterator[Entry]:
        """Yield all that is known."""
        return iter(self._entries.values())

    def claim(self, attempt: Attempt, name: str, namespace: str, now: float) -> Entry:
        """Note that an attempt is asked for: from now on what happens to it is told."""
        entry = self._entries.get(attempt)
        if entry is None:
            entry = self._add(Entry(attempt, name, namespace, now))
        if not entry.is_claimed:
            entry.is_claimed = True
            if entry.seen is not None:
                self._news[attempt] = entry.seen
        return entry

    def drop(self, attempt: Attempt) -> None:
        """Forget an attempt: it was refused, or its pod was removed."""
        self._entries.pop(attempt, None)
        self._open.pop(attempt, None)
        self._news.pop(attempt, None)

    def saw(self, pod: Json, now: float, *, is_deleted: bool = False) -> Entry | None:
        """Take what the server tells of a pod. None: it is none of this run's."""
        metadata: Json = pod["metadata"]
        identity = identity_of(metadata)
        if identity is None or identity != Identity(self._owner, self._run, identity.attempt):
            return None
        entry = self._entries.get(identity.attempt)
        if entry is None:
            if is_deleted:
                return None  # one that we removed ourselves, after its end was told
            entry = self._add(Entry(identity.attempt, metadata["name"], metadata["namespace"], now))
        if entry.name and entry.name != metadata["name"]:
            return None  # another pod with our labels: not the one that we asked for
        self._note(entry, metadata)
        entry.is_gone = is_deleted
        if entry.is_over:
            if is_deleted and entry.is_told:
                self.drop(entry.attempt)
            return entry
        if is_deleted:
            self.end(entry, gone(pod, is_stopped=entry.is_stopped), pod)
        else:
            self._take(entry, read_pod(pod, is_stopped=entry.is_stopped), pod, now)
        return entry

    def expected(self, namespace: str) -> list[Entry]:
        """Return the pods that a list which is asked for after this must have."""
        return [
            one for one in self._open.values() if one.is_created and one.name and one.namespace == namespace
        ]

    def missed(self, expected: Iterable[Entry], listed: Iterable[str]) -> None:
        """End those of `expected` whose names are not among those `listed`."""
        there = dict.fromkeys(listed)
        for entry in expected:
            if entry.name not in there and not entry.is_over:
                entry.is_gone = True
                self.end(entry, gone(entry.last, is_stopped=entry.is_stopped), entry.last)

    def end(self, entry: Entry, end: End, pod: Json | None = None) -> None:
        """Note that an attempt has ended."""
        before = entry.seen
        metadata = _metadata(pod) if pod is not None else dict(before.metadata) if before is not None else {}
        where = _where(pod) if pod is not None else before.where if before is not None else entry.name
        seen = JobSeen(attempt=entry.attempt, phase=Phase.ENDED, where=where, end=end, metadata=metadata)
        self._open.pop(entry.attempt, None)
        entry.last = None
        entry.hopeless = None
        self._tell(entry, seen)

    def wait(self, entry: Entry, note: str) -> None:
        """Note why an attempt has no pod yet."""
        self._tell(entry, JobSeen(attempt=entry.attempt, phase=Phase.PENDING, where=entry.name, note=note))

    def has_news(self) -> bool:
        """Whether something is to be told."""
        return bool(self._news)

    def take_news(self) -> Sequence[JobSeen]:
        """Return what is to be told, the last of each attempt, and forget it."""
        news, self._news = self._news, {}
        return list(news.values())

    def take_news_of(self, attempts: Iterable[Attempt]) -> Sequence[JobSeen]:
        """Return what is known of those attempts, told before or not; it is no news any more."""
        found: list[JobSeen] = []
        for attempt in attempts:
            entry = self._entries.get(attempt)
            if entry is not None and entry.seen is not None:
                self._news.pop(attempt, None)
                found.append(entry.seen)
        return found

    def _add(self, entry: Entry) -> Entry:
        self._entries[entry.attempt] = self._open[entry.attempt] = entry
        return entry

    def _note(self, entry: Entry, metadata: Json) -> None:
        labels: Json = metadata["labels"]
        entry.name = metadata["name"]
        entry.is_created = True
        if GANG in labels:
            entry.gang = gang_object(self._owner, self._run, labels[GANG])
            entry.is_member = TASK not in labels

    def _take(self, entry: Entry, sight: Sight, pod: Json, now: float) -> None:
        if sight.end is not None:
            self.end(entry, sight.end, pod)
            return
        if sight.hopeless is not entry.hopeless:
            entry.hopeless, entry.hopeless_since = sight.hopeless, now
        if sight.leaving_s is not None:
            entry.last = pod
            entry.leaving_by = min(entry.leaving_by or float("inf"), now + sight.leaving_s)
        before = entry.seen
        where = _where(pod)
        if before is not None and (before.phase, before.note, before.where) == (
            sight.phase,
            sight.note,
            where,
        ):
            return
        self._tell(
            entry,
            JobSeen(
                attempt=entry.attempt,
                phase=sight.phase,
                where=where,
                note=sight.note,
                metadata=_metadata(pod),
            ),
        )

    def _tell(self, entry: Entry, seen: JobSeen) -> None:
        if entry.seen == seen:
            return
        entry.seen = seen
        if entry.is_claimed:
            self._news[entry.attempt] = seen


def _where(pod: Json) -> str:
    node = text(pod, "spec", "nodeName")
    name = pod["metadata"]["name"]
    return f"pod {name} on {node}" if node else f"pod {name}"


def _metadata(pod: Json) -> dict[str, str]:
    metadata: Json = pod["metadata"]
    known = {
        "kubernetes-pod-name": metadata.get("name"),
        "kubernetes-pod-namespace": metadata.get("namespace"),
        "kubernetes-pod-id": metadata.get("uid"),
        "kubernetes-pod-service-account-name": text(pod, "spec", "serviceAccountName"),
        "kubernetes-node-ip": text(pod, "status", "hostIP"),
        "kubernetes-job-name": part(metadata, "labels").get("batch.kubernetes.io/job-name"),
    }
    return {name: str(value) for name, value in known.items() if value}
