"""What is published while a run goes on and not recorded."""

from __future__ import annotations

from dataclasses import dataclass

from asyncflow.machine.ids import Attempt

__all__ = ["LogLines", "Notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """A task printed something. The log file in the store has it too, and in full."""

    run: int
    attempt: Attempt
    step: str
    pid: int | None
    stream: str
    """`stdout` or `stderr`."""
    text: bytes
    """Whole lines, as the task wrote them: data, never markup or terminal codes."""


Notice = LogLines
