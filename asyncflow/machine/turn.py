"""One turn of the machine while it is being decided: rules emit events through it and read the state they make."""

from __future__ import annotations

from asyncflow.machine.commands import Command
from asyncflow.machine.events import Event
from asyncflow.machine.evolve import evolve
from asyncflow.machine.state import RunState

__all__ = ["Turn", "TurnUnderWay"]


class Turn:
    """What a turn concluded: events to record, then commands to perform."""

    __slots__ = ("commands", "events")

    def __init__(self, events: tuple[Event, ...], commands: tuple[Command, ...]) -> None:
        self.events = events
        self.commands = commands


class TurnUnderWay:
    """Collects a turn's events; each is folded into the state at once, so later rules see it.

    Attributes:
        state: The run's state; rules read it and never write it.
        events: What was concluded so far.
        at: Time of the fact being decided, seconds since the epoch.
        cause: Sequence number that the fact's first event has or would have.
    """

    __slots__ = ("at", "cause", "events", "state")

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.events: list[Event] = []
        self.at = 0.0
        self.cause = state.seq

    def begin_fact(self, at: float) -> None:
        """Start deciding the next fact: events from here on are its consequences."""
        self.at = at
        self.cause = self.state.seq

    def emit(self, event: Event) -> None:
        """Conclude `event`."""
        evolve(self.state, event)
        self.events.append(event)
