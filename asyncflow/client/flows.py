"""All flows of a store, and one flow with its runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from asyncflow.client.errors import NoSuchObject
from asyncflow.client.html import rows_of
from asyncflow.client.objects import Container, local_time
from asyncflow.client.place import current_place, get_namespace
from asyncflow.client.runs import Run
from asyncflow.events.rows import RunRow

__all__ = ["Flow", "Metaflow"]

_SHOWN = 10


class Flow(Container[Run]):
    """A flow that was run. Iterating gives its runs in the namespace, newest first."""

    DEPTH = 1

    def _find(self) -> None:
        if not self._place.has_runs or self._place.reader.latest(self.id) is None:
            raise NoSuchObject(f"There is no run of a flow '{self.id}'", hint="List runs: asyncflow runs")

    @property
    def created_at(self) -> datetime:
        """When it was first run."""
        return local_time(self._place.reader.runs(flow=self.id)[-1].created_at)

    @property
    def latest_run(self) -> Run | None:
        """The newest run in the namespace, however it went; None if there is none."""
        return next(iter(self), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run in the namespace that succeeded; None if there is none."""
        found = self._rows(status="succeeded", limit=1)
        return self._run(found[0]) if found else None

    def runs(self, *tags: str) -> Iterator[Run]:
        """Yield the runs in the namespace that have all of these tags, newest first."""
        return (self._run(row) for row in self._rows(*tags))

    def __iter__(self) -> Iterator[Run]:
        return self.runs()

    def _child(self, name: str) -> Run:
        return Run(f"{self.id}/{name}", _place=self._place)

    def _run(self, row: RunRow) -> Run:
        return Run(f"{self.id}/{row.run}", _namespace_check=False, _place=self._place)

    def _rows(self, *tags: str, status: str | None = None, limit: int | None = None) -> list[RunRow]:
        wanted = get_namespace() if self._is_checked else None
        all_tags = tags if wanted is None else (*tags, wanted)
        return self._place.reader.runs(flow=self.id, tags=all_tags, status=status, limit=limit)

    def _repr_html_(self) -> str:
        rows = self._rows(limit=_SHOWN)
        shown = [(row.run, row.status, local_time(row.created_at), row.tasks, row.user) for row in rows]
        return rows_of(f"Flow {self.id}", ("run", "status", "created", "tasks", "user"), shown)


class Metaflow:
    """Everything in the store that is in the namespace. Iterating gives flows, those run last first."""

    def __init__(self) -> None:
        self._place = current_place()

    @property
    def flows(self) -> list[Flow]:
        """Flows with a run in the namespace."""
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        if not self._place.has_runs:
            return
        wanted = get_namespace()
        rows = self._place.reader.runs(tags=() if wanted is None else (wanted,))
        for name in dict.fromkeys(row.flow for row in rows):
            yield Flow(name, _namespace_check=False, _place=self._place)

    def __getitem__(self, name: str) -> Flow:
        try:
            return Flow(name, _place=self._place)
        except NoSuchObject as error:
            raise KeyError(name) from error

    def __contains__(self, name: object) -> bool:
        return any(flow.id == name for flow in self)

    def __repr__(self) -> str:
        return f"Metaflow({', '.join(flow.id for flow in self)})"
