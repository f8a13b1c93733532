"""The flows that are killed, and what is particular about each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.commands import FLOWS

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One flow."""

    name: str
    heals: bool = False
    """Its own rules (@retry, @catch) bring it through the death of a task; else the run fails and is resumed."""
    varying: tuple[str, ...] = ()
    """Artifacts that tell how a failure was, which differs when it was a kill."""
    leaves_processes: bool = False
    """Its steps start processes and leave them."""

    @property
    def file(self) -> Path:
        """The flow's file."""
        return FLOWS / f"{self.name}.py"


SHAPES = (
    Shape(name="linear"),
    Shape(name="branch"),
    Shape(name="wide"),
    Shape(name="nested"),
    Shape(name="switch"),
    Shape(name="recursion"),
    Shape(name="retry", heals=True),
    Shape(name="catch", heals=True, varying=("failure",)),
    Shape(name="timeout", heals=True, varying=("failure",)),
    Shape(name="processes", leaves_processes=True),
    Shape(name="big"),
    Shape(name="chatty"),
    Shape(name="async_wide"),
    Shape(name="async_retry", heals=True),
)
