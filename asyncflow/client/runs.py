"""One run: how it went, its steps, its tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from asyncflow.client.changing import edit_tags
from asyncflow.client.code import MetaflowCode, code_of
from asyncflow.client.html import rows_of
from asyncflow.client.objects import Container, local_time
from asyncflow.client.steps import Step
from asyncflow.client.trigger import Trigger
from asyncflow.events.rows import RunRow, TaskRow, TaskStatus
from asyncflow.users import user_name

if TYPE_CHECKING:
    from asyncflow.client.data import RunData
    from asyncflow.client.tasks import Task

__all__ = ["Run"]

_GOOD = (TaskStatus.SUCCEEDED, TaskStatus.CAUGHT, TaskStatus.CLONED)


class Run(Container[Step]):
    """A run. Iterating gives its steps that have tasks, the last begun first."""

    DEPTH = 2

    def _find(self) -> None:
        self._run_row()

    @property
    def status(self) -> str:
        """`running`, `succeeded`, `failed`, `cancelled`, or `interrupted`: its scheduler died and it can be resumed."""
        return self._run_row().status

    @property
    def successful(self) -> bool:
        """It has ended and succeeded."""
        return self.status == "succeeded"

    @property
    def finished(self) -> bool:
        """Its end step has run. A run that failed never gets there: see `status`."""
        return self._end_row() is not None

    @property
    def created_at(self) -> datetime:
        """When it was started, in local time."""
        return local_time(self._run_row().created_at)

    @property
    def finished_at(self) -> datetime | None:
        """When its end step ended; None if it has not."""
        row = self._end_row()
        return None if row is None or row.ended_at is None else local_time(row.ended_at)

    @property
    def origin_pathspec(self) -> str | None:
        """The run this one resumed."""
        origin = self._run_row().origin_run
        return None if origin is None else f"{self._parts[0]}/{origin}"

    @property
    def end_task(self) -> Task | None:
        """The task of the end step; None if that has not run."""
        row = self._end_row()
        return None if row is None else self._child(row.step)[row.task]

    @property
    def data(self) -> RunData | None:
        """The artifacts at the end, by attribute; None if the run did not get there."""
        task = self.end_task
        return None if task is None else task.data

    @property
    def code(self) -> MetaflowCode | None:
        """The flow's file and the user's modules, as the run began with them; None if they were not kept."""
        return code_of(self._place, self._run_row())

    @property
    def trigger(self) -> Trigger | None:
        """What started it: events, or other runs. None: a person or a program did."""
        records = json.loads(self._run_row().meta).get("triggers")
        return Trigger.of_records(records, self._place) if records else None

    @property
    def metadata_dict(self) -> dict[str, str]:
        """What is recorded of the run as a whole: `flow_file`, `argv`, `cwd`, versions and more, as text."""
        return {row.name: row.value for row in self._place.reader.metadata(int(self.id))}

    def steps(self, *tags: str) -> Iterator[Step]:
        """Yield its steps that have tasks, the last begun first; none if the run lacks one of the tags."""
        return iter(self) if set(tags) <= self.tags else iter(())

    def __iter__(self) -> Iterator[Step]:
        names = dict.fromkeys(count.step for count in self._place.reader.steps(int(self.id)))
        return (self._child(name) for name in reversed(names))

    def _child(self, name: str) -> Step:
        return Step(f"{self.pathspec}/{name}", _namespace_check=False, _place=self._place)

    def _end_row(self) -> TaskRow | None:
        number = int(self.id)
        rows = self._place.reader.tasks(number, step=self._place.graph(number).end)
        good = [row for row in rows if row.status in _GOOD]
        return good[-1] if good else None

    def add_tag(self, tag: str | Iterable[str]) -> None:
        """Put a tag on the run. Raises TaggingError."""
        self.add_tags(_listed(tag))

    def add_tags(self, tags: Iterable[str]) -> None:
        """Put tags on the run. Raises TaggingError."""
        self.replace_tags((), tags)

    def remove_tag(self, tag: str | Iterable[str]) -> None:
        """Take a tag off the run; one that it does not have changes nothing. Raises TaggingError."""
        self.remove_tags(_listed(tag))

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Take tags off the run. Raises TaggingError."""
        self.replace_tags(tags, ())

    def replace_tag(self, tag_to_remove: str | Iterable[str], tag_to_add: str | Iterable[str]) -> None:
        """Take one tag off and put another on, at once. Raises TaggingError."""
        self.replace_tags(_listed(tag_to_remove), _listed(tag_to_add))

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Take tags off and put others on, at once: both or nothing.

        Raises:
            TaggingError: A tag is none or too long, belongs to the system, or there would be more than 50.
        """
        edit_tags(
            self._place.database,
            int(self.id),
            add=_listed(tags_to_add),
            remove=_listed(tags_to_remove),
            by=user_name(),
        )

    def _summary(self) -> list[tuple[str, object]]:
        row: RunRow = self._run_row()
        return [
            ("status", row.status),
            ("created", local_time(row.created_at)),
            ("took", _took(row)),
            ("user", row.user),
            ("tags", ", ".join(sorted(self.user_tags))),
            ("failed in", f"{row.failed_step}/{row.failed_task}" if row.failed_step else None),
        ]

    def _repr_html_(self) -> str:
        counts: dict[str, list[str]] = {}
        for count in self._place.reader.steps(int(self.id)):
            counts.setdefault(count.step, []).append(f"{count.count} {count.status}")
        steps = rows_of(
            "Steps", ("step", "tasks"), ((name, ", ".join(said)) for name, said in counts.items())
        )
        return super()._repr_html_() + steps


def _listed(tags: str | Iterable[str]) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)


def _took(row: RunRow) -> str | None:
    return None if row.ended_at is None else f"{row.ended_at - row.created_at:.1f} s"
