"""The plain UI: Metaflow's line format, `YYYY-MM-DD HH:MM:SS.mmm [run/step/task (pid N)] text`, on stdout.

What tasks print is prefixed a chunk at a time, never line by line: 30 to 50 ns a line were measured for lines
of 60 bytes. Lines that arrive before it is known which process prints them wait for the event that tells it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

from asyncflow.cli import terminal
from asyncflow.cli.messages import Message, Story
from asyncflow.cli.writer import Writer, file_sink
from asyncflow.machine import events as ev
from asyncflow.machine.graph import Graph
from asyncflow.machine.ids import PARAMETERS_TASK, Attempt

__all__ = ["PlainUI", "Stamp"]


class Stamp:
    """Formats times in the local zone; the second's part is kept, as most times are close to each other."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        """Return `YYYY-MM-DD HH:MM:SS.mmm`."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._text}.{int((at - second) * 1000):03d}"


class PlainUI:
    """Shows a run on stdout. Every method is called on the event loop, and only `wait_ready` waits.

    Args:
        graph: The flow's graph.
        steps: Step by task, of the tasks that exist already when a run is continued.
        writer: Who writes. None: a thread of its own, to stdout.
        is_terminal: Somebody looks at it, so that text is made harmless and messages are bold.
    """

    def __init__(
        self,
        graph: Graph,
        steps: Mapping[int, str] | None = None,
        *,
        writer: Writer | None = None,
        is_terminal: bool | None = None,
    ) -> None:
        self._writer = writer or Writer(file_sink(sys.stdout))
        self._is_terminal = terminal.is_terminal(sys.stdout) if is_terminal is None else is_terminal
        self._bold = self._is_terminal and terminal.has_colour(sys.stdout)
        self._story = Story(0, graph, steps)
        self._stamp = Stamp()
        self._held: dict[int, list[bytes]] = {}

    def registered(self, run: int) -> None:
        """The run has an id."""
        self._story.run = run

    def events(self, first_seq: int, events: Sequence[ev.Event]) -> None:
        """Say what happened."""
        lines: list[str] = []
        for event in events:
            if self._held and isinstance(event, _ATTEMPT_ENDS) and event.task in self._held:
                self._flush(lines)
                self._release(event.task)
            lines.extend(map(self._line, self._story.tell(event)))
            if self._held and isinstance(event, ev.AttemptStarted) and event.task in self._held:
                self._flush(lines)
                self._release(event.task)
        if events:
            lines.extend(map(self._line, self._story.end_turn(events[-1].at)))
        self._flush(lines)

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """Show what a task printed, or what was printed in an async worker outside of its tasks."""
        if attempt.task == PARAMETERS_TASK:
            self._show(f"{self._story.run}/async-worker/{attempt.number}", text)
        elif self._story.is_started(attempt.task):
            self._show(self._story.place(attempt.task), text)
        else:
            self._held.setdefault(attempt.task, []).append(text)

    async def wait_ready(self) -> None:
        """Wait while the screen is behind. Safe to cancel."""
        await self._writer.wait_ready()

    def close(self) -> None:
        """Write all there is. Blocks as long as whoever reads does."""
        for task in list(self._held):
            self._release(task)
        self._writer.close()

    def _release(self, task: int) -> None:
        for text in self._held.pop(task):
            self._show(self._story.place(task), text)

    def _show(self, place: str, text: bytes) -> None:
        if self._is_terminal:
            text = terminal.visible_bytes(text)
        prefix = f"{self._stamp(time.time())} [{place}] ".encode()
        body = text[:-1] if text.endswith(b"\n") else text
        self._writer.put(b"%b%b\n" % (prefix, body.replace(b"\n", b"\n" + prefix)))

    def _line(self, message: Message) -> str:
        stamp = self._stamp(message.at)
        text = terminal.one_line(message.text)
        if self._bold:
            text = terminal.painted(text, terminal.Style.BOLD, sys.stdout)
        return f"{stamp} [{message.place}] {text}\n" if message.place else f"{stamp} {text}\n"

    def _flush(self, lines: list[str]) -> None:
        if lines:
            self._writer.put("".join(lines).encode("utf-8", "backslashreplace"))
            lines.clear()


_ATTEMPT_ENDS = (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost, ev.AttemptCancelled)
