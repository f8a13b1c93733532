"""When a deployed flow runs: by the clock, after an event, after another flow. On this machine they are only kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from asyncflow.flow.decorators.flow_level import Flow, FlowDecorator, decorate_flow
from asyncflow.records import field, record

__all__ = ["Schedule", "Trigger", "TriggerOnFinish", "schedule", "trigger", "trigger_on_finish"]

_EVENT = re.compile(r"[A-Za-z0-9_.-]+")
_CRON_FIELDS = (5, 6)


@record(slots=False)
class Schedule(FlowDecorator):
    """Run by the clock."""

    name: ClassVar[str] = "schedule"
    cron: str | None = None
    weekly: bool = False
    daily: bool = True
    hourly: bool = False
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.cron is not None and len(str(self.cron).split()) not in _CRON_FIELDS:
            self.refuse("cron", "five or six fields, such as '0 10 * * ? *'")

    @property
    def expression(self) -> str:
        """The six fields of its cron expression, as AWS writes them; the most particular of the attributes counts."""
        if self.cron is not None:
            return self.cron
        if self.weekly:
            return "0 0 ? * SUN *"
        return "0 * * * ? *" if self.hourly else "0 0 * * ? *"


@record(slots=False)
class Trigger(FlowDecorator):
    """Run after events."""

    name: ClassVar[str] = "trigger"
    event: Any = None  # Any: a name, or a mapping with name and parameters
    events: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if (self.event is None) == (not self.events):
            self.refuse(
                "event" if self.event is not None else "events", "an event, or a list of them in `events`"
            )
        for event in self.all_events:
            name = event.get("name") if isinstance(event, Mapping) else event
            if not callable(name) and not (isinstance(name, str) and _EVENT.fullmatch(name)):
                self.refuse(
                    "event" if self.event is not None else "events", "a name of letters, digits, _, - and ."
                )

    @property
    def all_events(self) -> list[Any]:  # Any: as `event`
        """The events, all of which have to come."""
        return list(self.events) if self.event is None else [self.event]


@record(slots=False)
class TriggerOnFinish(FlowDecorator):
    """Run after runs of other flows have succeeded."""

    name: ClassVar[str] = "trigger_on_finish"
    flow: Any = None  # Any: a name, or a mapping with name, project, project_branch
    flows: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if (self.flow is None) == (not self.flows):
            self.refuse("flow" if self.flow is not None else "flows", "a flow, or a list of them in `flows`")
        for one in list(self.flows) if self.flow is None else [self.flow]:
            name = one.get("name") if isinstance(one, Mapping) else one
            parts = name.split(".") if isinstance(name, str) else []
            if not parts or not parts[-1].isidentifier() or len(parts) == 2:
                self.refuse(
                    "flow" if self.flow is not None else "flows",
                    "a flow's name: Flow, or project.branch.Flow",
                )


def schedule(**attributes: Any) -> Callable[[Flow], Flow]:  # Any: as Schedule has them
    """Run the flow by the clock once it is deployed: `cron`, `weekly`, `daily` (the default), `hourly`, `timezone`."""
    return decorate_flow(Schedule, attributes)


def trigger(**attributes: Any) -> Callable[[Flow], Flow]:  # Any: as Trigger has them
    """Run the flow after an `event`, or all of some `events`, once it is deployed."""
    return decorate_flow(Trigger, attributes)


def trigger_on_finish(**attributes: Any) -> Callable[[Flow], Flow]:  # Any: as TriggerOnFinish has them
    """Run the flow after a run of `flow`, or of all of some `flows`, has succeeded, once it is deployed."""
    return decorate_flow(TriggerOnFinish, attributes)
