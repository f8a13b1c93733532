"""`asyncflow logs --follow`: the event log says which attempts there are, their log files what they print."""

from __future__ import annotations

import time
from typing import NamedTuple

from asyncflow.cli import terminal
from asyncflow.cli.logs import LineWriter
from asyncflow.cli.reading import OpenStore
from asyncflow.cli.runid import Target
from asyncflow.client.logs import lines
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey

__all__ = ["follow_logs"]

_POLL_S = 0.1
_ENDS = (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost, ev.AttemptCancelled)


class _Open(NamedTuple):
    """An attempt that may still print."""

    key: ManifestKey
    step: str


def follow_logs(store: OpenStore, target: Target, writer: LineWriter) -> None:
    """Write what the target prints, from its beginning, until its run ends or its driver is dead."""
    follower = _Follower(store, target, writer)
    while True:
        is_over = follower.is_over()
        follower.read_events()
        follower.read_logs()
        writer.flush()
        if is_over:
            return
        time.sleep(_POLL_S)


class _Follower:
    def __init__(self, store: OpenStore, target: Target, writer: LineWriter) -> None:
        self._store = store
        self._target = target
        self._writer = writer
        self._run = target.run.run
        self._seq = 0
        self._steps: dict[int, str] = {}
        self._open: dict[int, _Open] = {}
        self._positions: dict[ManifestKey, int] = {}
        self._last: ManifestKey | None = None

    def is_over(self) -> bool:
        """Tell whether nothing will be printed any more."""
        row = self._store.reader.run(self._run)
        if row is None or row.status == "running":
            return False
        if row.status == "interrupted":
            terminal.err(
                f"Run {self._run} is interrupted: nobody drives it. Go on: asyncflow resume {self._run}"
            )
        return True

    def read_events(self) -> None:
        """Learn which attempts began and ended since the last time."""
        for seq, event in self._store.reader.events(self._run, after=self._seq):
            self._seq = seq + 1
            if isinstance(event, ev.TaskCreated):
                self._steps[event.task] = event.step
            elif isinstance(event, ev.TaskCloned):
                self._steps[event.task] = event.step
                self._begin(event.task, event.origin)
                self._end(event.task)
            elif isinstance(event, ev.AttemptLaunched):
                self._begin(event.task, ManifestKey(self._run, event.task, event.number))
            elif isinstance(event, _ENDS):
                self._end(event.task)

    def read_logs(self) -> None:
        """Write what living attempts printed since the last time."""
        for attempt in self._open.values():
            self._read(attempt)

    def _begin(self, task: int, key: ManifestKey) -> None:
        step = self._steps.get(task, "?")
        wanted = self._target
        if (wanted.task is None or wanted.task.task == task) and wanted.step in (None, step):
            self._open[task] = _Open(key, step)

    def _end(self, task: int) -> None:
        attempt = self._open.pop(task, None)
        if attempt is not None:
            self._read(attempt)
            self._positions.pop(attempt.key, None)

    def _read(self, attempt: _Open) -> None:
        if self._last != attempt.key:
            self._writer.end_line()
        self._last = attempt.key
        prefix = "" if self._target.task is not None else f"[{self._run}/{attempt.step}/{attempt.key.task}] "
        position = self._positions.get(attempt.key, 0)
        end = self._writer.write(lines(self._store.home, attempt.key, position=position), prefix)
        self._positions[attempt.key] = end or position
