"""`--ui none`: a run that shows nothing while it goes on. Its log files and its events have everything."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.machine.events import Event
from asyncflow.machine.ids import Attempt

__all__ = ["SilentUI"]


class SilentUI:
    """Shows nothing."""

    def registered(self, run: int) -> None:
        """The run has an id."""

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """Something happened."""

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """A task printed something."""

    async def wait_ready(self) -> None:
        """Return at once."""

    def close(self) -> None:
        """Nothing is left to be written."""
