"""What somebody who looks around in a store asks: totals, pages, neighbours. Never a lot at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncflow.events.reader import Numbered, Reader
from asyncflow.events.rows import RunRow, TaskRow

__all__ = ["Browser", "LivingTask", "Overview", "StepTotals", "TaskQuery"]

_RECENT = 2000
"""Tasks whose durations an overview has."""


@dataclass(frozen=True, slots=True)
class StepTotals:
    """What is known of a step's tasks as a whole."""

    step: str
    first_task: int
    created: int
    running: int
    waiting: int
    succeeded: int
    caught: int
    failed: int
    cancelled: int
    cloned: int
    width: int
    """Branches that its finished tasks opened."""
    launched_at: float | None
    """The first launch."""
    ended_at: float | None
    """The last end so far."""
    seconds: float
    """Time its ended tasks took, added up."""
    longest_s: float


@dataclass(frozen=True, slots=True)
class LivingTask:
    """A task that has not ended."""

    task: int
    step: str
    status: str
    attempt: int
    since: float | None
    """When its attempt began, seconds since the epoch."""
    pid: int | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A run at one moment; its events from number `row.next_seq` on are what comes after."""

    row: RunRow
    steps: Sequence[StepTotals]
    living: Sequence[LivingTask]
    durations: Sequence[tuple[str, float]]
    """Step and seconds of the last tasks, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which tasks of a run, and in which order."""

    run: int
    step: str | None = None
    status: str | None = None
    text: str | None = None
    """A part of the place, status or error; upper and lower case are alike."""
    sort: str = field(default="attention")
    """`attention` (failed and running first), `longest`, `task`."""


class Browser(Reader):
    """Reads a store page by page. Use it in a `with`, in one thread.

    Raises:
        NoEventLog: There is no database.
        StoreError: It cannot be read. So does every method.
    """

    def overview(self, run: int) -> Overview | None:
        """Return a run as it stands, None if there is none of that id. A few ms for 10,000 tasks."""
        with self._reading():
            self._db.execute("BEGIN")
            try:
                row = self.run(run)
                if row is None:
                    return None
                return Overview(
                    row=row,
                    steps=[StepTotals(*values) for values in self._query("step_totals", (run,))],
                    living=[LivingTask(*values) for values in self._query("living_tasks", (run,))],
                    durations=self._query("recent_durations", {"run": run, "most": _RECENT}),
                )
            finally:
                self._db.execute("COMMIT")

    def count_tasks(self, query: TaskQuery) -> int:
        """Count what `page_of_tasks` gives out in all."""
        with self._reading():
            count: int = self._query("count_of_tasks", _values(query))[0][0]
            return count

    def page_of_tasks(self, query: TaskQuery, *, offset: int, limit: int) -> list[TaskRow]:
        """Return some of a run's tasks."""
        values = {**_values(query), "sort": query.sort, "offset": offset, "limit": limit, "now": self._now()}
        with self._reading():
            return [TaskRow(*row) for row in self._query("page_of_tasks", values)]

    def children(self, run: int, task: int, *, limit: int) -> list[TaskRow]:
        """Return the first tasks that start from a task's result."""
        with self._reading():
            rows = self._query("children_of_task", {"run": run, "task": task, "limit": limit})
            return [TaskRow(*row) for row in rows]

    def neighbour(self, run: int, step: str, task: int, direction: int) -> TaskRow | None:
        """Return the step's next task (direction 1) or the one before (-1); None at the ends."""
        values: dict[str, object] = {"run": run, "step": step, "task": task, "direction": direction}
        with self._reading():
            found = self._query("neighbour_task", values)
        return self.task(run, found[0][0]) if found else None

    def page_of_events(self, run: int, *, offset: int, limit: int) -> list[Numbered]:
        """Return some of a run's events, from number `offset` on."""
        return list(itertools.islice(self.events(run, after=offset), limit))

    def tags_between(self, first: int, last: int) -> dict[int, list[str]]:
        """Return the users' own tags of the runs `first` to `last`, by run."""
        found: dict[int, list[str]] = {}
        with self._reading():
            for run, tag in self._query("tags_of_runs", (first, last)):
                found.setdefault(run, []).append(tag)
        return found


def _values(query: TaskQuery) -> dict[str, object]:
    text = query.text.lower() if query.text else None
    return {"run": query.run, "step": query.step, "status": query.status, "text": text}
