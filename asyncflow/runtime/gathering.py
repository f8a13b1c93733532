"""Gathers what a piece of a run's stream is made of: rows of its log, and what the attempts in them left. Blocks."""

from __future__ import annotations

import os
from collections.abc import Sequence

from asyncflow.errors import StoreError
from asyncflow.events.codec import decode_batch
from asyncflow.events.position import RawBatch
from asyncflow.machine.events import AttemptFailed, AttemptLaunched, AttemptLost, AttemptSucceeded
from asyncflow.machine.ids import PARAMETERS_TASK, Attempt
from asyncflow.records import field, record
from asyncflow.runtime.attempt_files import attempts_with_file
from asyncflow.store.layout import blob_path, log_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifests import decode_manifest
from asyncflow.store.pieces import Batch, KeptManifest, LogPart, Piece
from asyncflow.store.sweep import digests_of

__all__ = ["Gathered", "Gathering"]

_MANIFEST_BYTES = 16 << 20
"""A piece takes no further batch once its manifests are longer than that."""
_LOG_BYTES = 4 << 20
"""So much of all logs goes into one piece."""
_ENDS = (AttemptSucceeded, AttemptFailed, AttemptLost)


@record
class Gathered:
    """A piece, and what has to be in the bucket before it."""

    piece: Piece
    next_seq: int
    """Number of the first event behind it."""
    blobs: tuple[str, ...] = ()
    """Digests of those that are here only."""
    read_to: dict[Attempt, int] = field(default_factory=dict[Attempt, int])
    """How far logs are in pieces once this one is."""
    closed: tuple[Attempt, ...] = ()
    """Attempts whose log will not grow any more and is in pieces wholly."""

    @property
    def is_empty(self) -> bool:
        """There is nothing to copy."""
        return not any(self.piece)


class Gathering:
    """Remembers what of a run has been copied.

    Args:
        home: The replica.
        run: The run.
        is_new: Nothing of it is in the bucket yet.
    """

    def __init__(self, home: str, run: int, *, is_new: bool) -> None:
        self._home = home
        self._run = run
        self._store = LocalStore(home)
        self._is_new = is_new
        self._logs: dict[Attempt, int] = {}
        """How far the logs of attempts in flight, or that ended a moment ago, are in pieces."""
        self._ended: dict[Attempt, None] = {}

    def gather(self, batches: Sequence[RawBatch]) -> Gathered:
        """Return the next piece: as many of the batches as one piece takes. Raises StoreError."""
        taken: list[Batch] = []
        manifests: list[KeptManifest] = []
        size, next_seq = 0, 0
        if self._is_new and batches:
            manifests += self._manifest(Attempt(PARAMETERS_TASK, 0))
        for batch in batches:
            if size > _MANIFEST_BYTES:
                break
            for attempt in self._ends_in(batch):
                kept = self._manifest(attempt)
                manifests += kept
                size += sum(len(one.body) for one in kept)
            taken.append(Batch(*batch))
            next_seq = batch.seq + batch.count
        logs, read_to = self._log_parts()
        return Gathered(
            piece=Piece(tuple(taken), tuple(manifests), logs),
            next_seq=next_seq,
            blobs=tuple(self._blobs_here(manifests)),
            read_to=read_to,
            closed=tuple(one for one in self._ended if read_to.get(one, self._logs[one]) >= self._size(one)),
        )

    def in_flight(self) -> list[Attempt]:
        """Return the attempts that have begun and not ended, as far as was gathered."""
        return [attempt for attempt in self._logs if attempt not in self._ended]

    def sent(self, gathered: Gathered) -> None:
        """Note that a piece is in the bucket."""
        if gathered.piece.batches:
            self._is_new = False
        self._logs.update(gathered.read_to)
        for attempt in gathered.closed:
            self._ended.pop(attempt, None)
            self._logs.pop(attempt, None)

    def _ends_in(self, batch: RawBatch) -> list[Attempt]:
        """Note which attempts begin in a batch, return those that end in it."""
        ended: list[Attempt] = []
        for event in decode_batch(batch.body):
            if isinstance(event, AttemptLaunched):
                self._logs.setdefault(Attempt(event.task, event.number), 0)
            elif isinstance(event, _ENDS):
                attempt = Attempt(event.task, event.number)
                self._logs.setdefault(attempt, 0)
                self._ended[attempt] = None
                ended.append(attempt)
        return ended

    def _manifest(self, attempt: Attempt) -> list[KeptManifest]:
        body = self._store.manifest_bytes(self._run, *attempt)
        return [] if body is None else [KeptManifest(*attempt, body)]

    def _blobs_here(self, manifests: Sequence[KeptManifest]) -> dict[str, None]:
        """Return the blobs that manifests name and that are in the replica and perhaps nowhere else."""
        found: dict[str, None] = {}
        for kept in manifests:
            try:
                manifest = decode_manifest(kept.body)
            except ValueError as error:
                raise StoreError(
                    f"The manifest of task {kept.task}, attempt {kept.attempt} of run {self._run} is damaged: {error}",
                    hint="See what is there: asyncflow doctor",
                ) from error
            for digest in digests_of(manifest):
                if digest not in found and os.path.exists(blob_path(self._home, digest)):
                    found[digest] = None
        return found

    def _log_parts(self) -> tuple[tuple[LogPart, ...], dict[Attempt, int]]:
        parts: list[LogPart] = []
        read_to: dict[Attempt, int] = {}
        left = _LOG_BYTES
        for attempt in attempts_with_file(self._home, self._run, self._logs, ".log"):
            offset = self._logs[attempt]
            data = _read(self._log_path(attempt), offset, left) if left > 0 else b""
            if data:
                parts.append(LogPart(*attempt, offset, data))
                read_to[attempt] = offset + len(data)
                left -= len(data)
        return tuple(parts), read_to

    def _log_path(self, attempt: Attempt) -> str:
        return log_path(self._home, self._run, *attempt)

    def _size(self, attempt: Attempt) -> int:
        try:
            return os.stat(self._log_path(attempt)).st_size
        except FileNotFoundError:
            return 0


def _read(path: str, offset: int, most: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(fd, most, offset)
    finally:
        os.close(fd)
