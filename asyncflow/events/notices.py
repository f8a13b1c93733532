"""What is published while a run goes on and not recorded."""

from __future__ import annotations

from asyncflow.machine.ids import Attempt
from asyncflow.records import record

__all__ = ["LogLines", "Notice"]


@record
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
