"""What started a run: other runs that finished, or events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncflow.client.objects import local_time
from asyncflow.client.place import Place

if TYPE_CHECKING:
    from asyncflow.client.runs import Run

__all__ = ["MetaflowEvent", "Trigger"]

RUN, EVENT = "run", "event"


class MetaflowEvent(NamedTuple):
    """One thing that happened. Metaflow's name, as flows spell it out."""

    name: str
    """The event's; of a run, its flow's."""
    id: str
    """The event's own; of a run, its pathspec."""
    timestamp: datetime | None
    """When it happened, in local time; None if that is not known."""
    type: str
    """`run` or `event`."""


class Trigger:
    """What started a run, the newest first. `trigger["Flow"]` is the event of that name."""

    def __init__(self, events: Iterable[MetaflowEvent], *, _place: Place | None = None) -> None:
        oldest = datetime.fromtimestamp(0)
        self._events = sorted(events, key=lambda one: one.timestamp or oldest, reverse=True)
        self._place = _place

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Any]], place: Place) -> Trigger:  # Any: JSON-like
        """Make one of what is recorded with the run that was started."""
        events = [
            MetaflowEvent(
                str(one["name"]),
                str(one["id"]),
                None if one.get("at") is None else local_time(float(one["at"])),
                str(one["type"]),
            )
            for one in records
        ]
        return cls(events, _place=place)

    @property
    def event(self) -> MetaflowEvent | None:
        """The newest event; None if there is none."""
        return self._events[0] if self._events else None

    @property
    def events(self) -> list[MetaflowEvent]:
        """All of them, the newest first."""
        return list(self._events)

    @property
    def run(self) -> Run | None:
        """The newest run that finished; None if events of other kinds were it."""
        return next(iter(self.runs), None)

    @property
    def runs(self) -> list[Run]:
        """The runs that finished, the newest first. Raises NoSuchObject if one is not there any more."""
        from asyncflow.client.runs import Run

        return [
            Run(one.id, _namespace_check=False, _place=self._place) for one in self._events if one.type == RUN
        ]

    def __getitem__(self, name: str) -> Run | MetaflowEvent:
        """Return the run of the flow of that name, or the event. Raises KeyError."""
        from asyncflow.client.runs import Run

        for one in self._events:
            if one.name == name:
                return Run(one.id, _namespace_check=False, _place=self._place) if one.type == RUN else one
        raise KeyError(name)

    def __iter__(self) -> Iterator[MetaflowEvent]:
        return iter(self._events)

    def __contains__(self, name: object) -> bool:
        return any(one.name == name for one in self._events)

    def __repr__(self) -> str:
        return f"Trigger({', '.join(one.id for one in self._events)})"
