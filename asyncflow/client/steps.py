"""One step of a run, with its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from asyncflow.client.errors import NoSuchObject
from asyncflow.client.html import rows_of
from asyncflow.client.objects import Container, local_time, numbered
from asyncflow.client.tasks import Task
from asyncflow.events.rows import LIVING, TaskRow
from asyncflow.store.manifest import PARAMETERS_STEP

__all__ = ["Step"]

_SHOWN = 20


class Step(Container[Task]):
    """A step that has tasks. Iterating gives them, newest first, with one query however many there are."""

    DEPTH = 3

    def _find(self) -> None:
        self._run_row()
        if self.id != PARAMETERS_STEP and not self._counts():
            steps = ", ".join(self._place.graph(self._run_number).steps)
            raise NoSuchObject(
                f"Run '{'/'.join(self._parts[:2])}' has no task of a step '{self.id}'",
                hint=f"Its flow has {steps}.",
            )

    @property
    def _run_number(self) -> int:
        return numbered(self._parts[1])

    def _counts(self) -> dict[str, int]:
        counts = self._place.reader.steps(self._run_number)
        return {count.status: count.count for count in counts if count.step == self.id}

    def _rows(self) -> list[TaskRow]:
        return self._place.reader.tasks(self._run_number, step=self.id)

    @property
    def created_at(self) -> datetime:
        """When its first task came to be, in local time."""
        rows = self._rows()
        return local_time(rows[0].created_at if rows else self._run_row().created_at)

    @property
    def task(self) -> Task | None:
        """The newest task: of a foreach, any."""
        return next(iter(self), None)

    def tasks(self, *tags: str) -> Iterator[Task]:
        """Yield its tasks, newest first; none if the run lacks one of the tags."""
        return iter(self) if set(tags) <= self.tags else iter(())

    def __iter__(self) -> Iterator[Task]:
        if self.id == PARAMETERS_STEP:
            yield self._child("0")
            return
        for row in reversed(self._rows()):
            yield Task.of_row(self, row)

    def _child(self, name: str) -> Task:
        return Task(f"{self.pathspec}/{name}", _namespace_check=False, _place=self._place)

    @property
    def control_task(self) -> Task | None:
        """The first task of a gang (`num_parallel`); None where the step is none."""
        return next(self.control_tasks(), None)

    def control_tasks(self, *tags: str) -> Iterator[Task]:
        """Yield the first task of each gang."""
        graph = self._place.graph(self._run_number)
        gangs = [name for node in graph.steps.values() if node.transition == "parallel" for name in node.next]
        if self.id in gangs:
            yield from (task for task in self.tasks(*tags) if task.index == 0)

    @property
    def finished_at(self) -> datetime | None:
        """When its last task ended; None if one has not."""
        rows = self._rows()
        ends = [row.ended_at or row.created_at for row in rows]
        return None if not rows or any(row.status in LIVING for row in rows) else local_time(max(ends))

    @property
    def environment_info(self) -> dict[str, str]:
        """The versions its tasks ran with."""
        return {
            tag.partition(":")[0]: tag.partition(":")[2] for tag in self.system_tags if "_version:" in tag
        }

    @property
    def parent_steps(self) -> Iterator[Step]:
        """The steps before this one that have tasks."""
        steps = self._place.graph(self._run_number).steps
        return self._those([name for name, node in steps.items() if self.id in node.next])

    @property
    def child_steps(self) -> Iterator[Step]:
        """The steps after this one that have tasks."""
        node = self._place.graph(self._run_number).steps.get(self.id)
        return self._those(list(node.next) if node else [])

    def _those(self, names: list[str]) -> Iterator[Step]:
        known = dict.fromkeys(count.step for count in self._place.reader.steps(self._run_number))
        base = "/".join(self._parts[:2])
        return (
            Step(f"{base}/{name}", _namespace_check=False, _place=self._place)
            for name in names
            if name in known
        )

    def _repr_html_(self) -> str:
        rows = self._rows()
        shown = [
            (row.task, row.path, row.status, row.attempt + 1, row.error_message)
            for row in reversed(rows[-_SHOWN:])
        ]
        title = f"Step {self.pathspec}: {len(rows)} tasks"
        return rows_of(title, ("task", "index", "status", "attempts", "error"), shown)
