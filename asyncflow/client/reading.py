"""Opens a store's log for reading, wherever the store is; of one in a bucket, what is asked for is fetched first."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Any

from asyncflow.client.catching_up import Replica, replica_at
from asyncflow.events.reader import INTERRUPTED, Numbered, Reader, StepCount
from asyncflow.events.rows import ArtifactRow, AttemptRow, MetadataRow, RunRow, TagRow, TaskRow
from asyncflow.store.layout import DATABASE, remote_path

__all__ = ["open_log"]

_FRESH_S = 1.0
"""What was caught up with so long ago, or less, is not looked at again in the bucket."""


def open_log(home: str) -> Reader:
    """Return a reader of a home's log, to be used in a `with`, in one thread.

    Raises:
        NoEventLog: Nothing has been run there yet.
        StoreError: It cannot be read, or the bucket it stands for cannot.
    """
    path = os.path.join(home, DATABASE)
    if not os.path.exists(remote_path(home)):
        return Reader(path)
    replica = replica_at(home)
    if replica is None:
        return Reader(path)
    replica.catch_up_list()
    return _ReplicaReader(path, replica)


class _ReplicaReader(Reader):
    """Reads a replica; before a run is read, what others recorded of it is copied here. Blocks for that."""

    def __init__(self, path: str, replica: Replica) -> None:
        super().__init__(path)
        self._replica = replica
        self._caught_up: dict[int | None, float] = {None: time.monotonic()}
        """By run, None for the list of runs: when it was looked at last."""

    def runs(self, **wanted: Any) -> list[RunRow]:  # Any: as `Reader.runs` takes it
        """Return runs, newest first. See `Reader.runs`."""
        self._see(None)
        return super().runs(**wanted)

    def run(self, run: int) -> RunRow | None:
        """Return a run. See `Reader.run`."""
        is_fresh = self._see(run)
        row = super().run(run)
        if row is not None and row.status == INTERRUPTED and not is_fresh:  # or its driver has ended it since
            self._look(run)
            return super().run(run)
        return row

    def tasks(self, run: int, *, step: str | None = None, status: str | None = None) -> list[TaskRow]:
        """Return a run's tasks. See `Reader.tasks`."""
        self._see(run)
        return super().tasks(run, step=step, status=status)

    def steps(self, run: int) -> list[StepCount]:
        """Count a run's tasks by step and status. See `Reader.steps`."""
        self._see(run)
        return super().steps(run)

    def task(self, run: int, task: int) -> TaskRow | None:
        """Return a task. See `Reader.task`."""
        self._see(run)
        return super().task(run, task)

    def attempts(self, run: int, task: int) -> list[AttemptRow]:
        """Return a task's attempts. See `Reader.attempts`."""
        self._see(run)
        return super().attempts(run, task)

    def artifacts(self, run: int, task: int, attempt: int | None = None) -> list[ArtifactRow]:
        """Return what an attempt made anew. See `Reader.artifacts`."""
        self._see(run)
        return super().artifacts(run, task, attempt)

    def tags(self, run: int) -> list[TagRow]:
        """Return a run's tags. See `Reader.tags`."""
        self._see(run)
        return super().tags(run)

    def metadata(self, run: int, task: int = 0) -> list[MetadataRow]:
        """Return what is known of a task. See `Reader.metadata`."""
        self._see(run)
        return super().metadata(run, task)

    def events(self, run: int, *, after: int = 0) -> Generator[Numbered]:
        """Yield a run's events. See `Reader.events`."""
        self._see(run)
        yield from super().events(run, after=after)

    def has_changed(self) -> bool:
        """Tell whether something was recorded since the last call, elsewhere, too."""
        for run in list(self._caught_up):
            self._see(run)
        return super().has_changed()

    def _see(self, run: int | None) -> bool:
        """Catch up with a run, or with the list of runs, unless that was done a moment ago; say whether it was now."""
        now = time.monotonic()
        if now - self._caught_up.get(run, now - 2 * _FRESH_S) < _FRESH_S:
            return False
        self._look(run)
        return True

    def _look(self, run: int | None) -> None:
        if run is None:
            self._replica.catch_up_list()
        else:
            self._replica.catch_up_origins(run)
        self._caught_up[run] = time.monotonic()
