"""The JSON UI: one JSON object a line on stdout. Events as they are recorded, and what tasks print as notices."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from asyncflow.cli.writer import Writer, file_sink
from asyncflow.events.codec import to_plain
from asyncflow.machine.events import Event
from asyncflow.machine.ids import Attempt

__all__ = ["JsonUI"]


class JsonUI:
    """Writes `{"run": 42, "seq": 7, "event": "AttemptStarted", ...}` and `{"run": 42, "notice": "LogLines", ...}`.

    Args:
        writer: Who writes. None: a thread of its own, to stdout.
    """

    def __init__(self, *, writer: Writer | None = None) -> None:
        self._writer = writer or Writer(file_sink(sys.stdout))
        self._run = 0

    def registered(self, run: int) -> None:
        """The run has an id."""
        self._run = run

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """Write one turn's events."""
        rows = [
            json.dumps({"run": self._run, "seq": seq, **to_plain(event)}, default=str)
            for seq, event in enumerate(events, first_seq)
        ]
        self._writer.put("\n".join([*rows, ""]).encode("ascii"))

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """Write what a task printed, a chunk of whole lines at a time."""
        notice = {
            "run": self._run,
            "notice": "LogLines",
            "task": attempt.task,
            "number": attempt.number,
            "stream": stream,
            "text": text.decode("utf-8", "backslashreplace"),
        }
        self._writer.put(json.dumps(notice).encode("ascii") + b"\n")

    async def wait_ready(self) -> None:
        """Wait while whoever reads is behind. Safe to cancel."""
        await self._writer.wait_ready()

    def close(self) -> None:
        """Write all there is. Blocks as long as whoever reads does."""
        self._writer.close()
