"""A run as plain lines from its log: what the dashboard's `s` shows, in pieces, with nothing lost or shown twice."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from asyncflow.cli import terminal
from asyncflow.cli.messages import Message, Story
from asyncflow.cli.plain import Stamp
from asyncflow.cli.runid import graph_of
from asyncflow.client.logs import lines
from asyncflow.events.reader import Reader
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.layout import DATABASE

__all__ = ["PlainStream", "until_key"]

_POLL_S = 0.1
_ENDS = (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost, ev.AttemptCancelled)


class PlainStream:
    """Shows one run after another, each from where it was left.

    Args:
        home: The store's directory.
        write: Takes whole lines. None: stdout.
    """

    def __init__(self, home: str, write: Callable[[bytes], object] | None = None) -> None:
        self._home = home
        self._write = terminal.out_bytes if write is None else write
        self._runs: dict[int, _Told] = {}

    def show(self, run: int, until: Callable[[float], bool] = lambda _: False) -> bool:
        """Write what a run has said and says, until `until(seconds to wait)` is true; tell whether the run has ended.

        Blocking.
        """
        with Reader(os.path.join(self._home, DATABASE)) as reader:
            told = self._runs.get(run)
            if told is None:
                told = self._runs[run] = _Told(
                    self._home, run, Story(run, graph_of(reader, run)), self._write
                )
            while True:
                row = reader.run(run)
                is_over = row is None or row.status != "running"
                for number, event in reader.events(run, after=told.seq):
                    told.take(number, event)
                told.drain()
                if is_over:
                    return True
                if until(_POLL_S):
                    return False


class _Told:
    """How far one run has been shown."""

    def __init__(self, home: str, run: int, story: Story, write: Callable[[bytes], object]) -> None:
        self.seq = 0
        self._home = home
        self._run = run
        self._story = story
        self._write = write
        self._stamp = Stamp()
        self._open: dict[int, ManifestKey] = {}
        self._positions: dict[ManifestKey, int] = {}

    def take(
        self, number: int, event: Any
    ) -> None:  # Any: a recorded event, perhaps of a kind we do not know
        """Show an event; before an attempt's end, all that it printed."""
        self.seq = number + 1
        if isinstance(event, ev.AttemptLaunched):
            self._open[event.task] = ManifestKey(self._run, event.task, event.number)
        elif isinstance(event, _ENDS) and event.task in self._open:
            key = self._open.pop(event.task)
            self._print(key)
            self._positions.pop(key, None)
        for message in self._story.tell(event):
            self._say(message)
        at = getattr(event, "at", None)
        if at is not None:
            for message in self._story.end_turn(at):
                self._say(message)

    def drain(self) -> None:
        """Show what living attempts have printed since the last time."""
        for key in list(self._open.values()):
            self._print(key)

    def _print(self, key: ManifestKey) -> None:
        chunk: list[bytes] = []
        position = self._positions.get(key, 0)
        place = self._story.place(key.task)
        for line in lines(self._home, key, position=position):
            position = line.end
            prefix = f"{self._stamp(line.at)} [{place}] ".encode()
            chunk.append(prefix + terminal.visible_bytes(line.text) + b"\n")
            if len(chunk) >= 1000:
                self._write(b"".join(chunk))
                chunk.clear()
        if chunk:
            self._write(b"".join(chunk))
        self._positions[key] = position

    def _say(self, message: Message) -> None:
        text = terminal.painted(terminal.one_line(message.text), terminal.Style.BOLD, sys.stdout)
        place = f" [{message.place}]" if message.place else ""
        self._write(f"{self._stamp(message.at)}{place} {text}\n".encode("utf-8", "backslashreplace"))


def until_key() -> Callable[[float], bool]:
    """Return what waits some seconds for a key and tells whether one was pressed; the terminal is left as it was."""
    import select
    import termios
    import tty

    def wait(seconds: float) -> bool:
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        try:
            tty.setcbreak(number)
            if select.select([number], [], [], seconds)[0]:
                os.read(number, 64)
                return True
            return False
        finally:
            termios.tcsetattr(number, termios.TCSADRAIN, before)

    return wait
