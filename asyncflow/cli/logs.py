"""`asyncflow logs`: what tasks printed, once or as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import NotFoundError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.plain import Stamp
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import Target, find_target
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.client.logs import LogLine
    from asyncflow.events.rows import TaskRow
    from asyncflow.machine.ids import ManifestKey

__all__ = ["LineWriter", "command"]

_HELP = """Show what tasks printed.

\b
  asyncflow logs latest                 every task of the newest run
  asyncflow logs 42/train               every task of a step
  asyncflow logs 42/train/7             one task
  asyncflow logs latest --follow        as it comes, until the run ends

`asyncflow logs scrub 42/train/7` makes unreadable what was printed; see its --help.

Of a task that was tried several times the last attempt is shown. The task in question is named on stderr;
stdout has the bytes that were printed, and nothing else.
"""

_FLUSH_BYTES = 1 << 18


@record
class _Wanted:
    stream: str | None
    """None: both."""
    timestamps: bool
    attempt: int | None
    """None: the last."""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def logs(
        *,
        path: str,
        follow: bool,
        is_stdout: bool,
        is_stderr: bool,
        is_both: bool | None,
        not_stdout: bool,
        not_stderr: bool,
        timestamps: bool,
        attempt: int | None,
    ) -> None:
        only_stdout, only_stderr = is_stdout or not_stderr, is_stderr or not_stdout
        stream = None if is_both or only_stdout == only_stderr else ("stdout" if only_stdout else "stderr")
        wanted = _Wanted(stream=stream, timestamps=timestamps, attempt=attempt)
        with open_store() as store:
            target = find_target(store.reader, path, None if script is None else script.class_name)
            if follow:
                from asyncflow.cli.follow import follow_logs  # only here

                follow_logs(store, target, LineWriter(stream=stream, timestamps=timestamps))
            else:
                _show_all(store, target, wanted)

    return _LogsCommand(script, name="logs", params=_parameters(), callback=logs, help=_HELP)


class _LogsCommand(OurCommand):
    """Takes `logs show RUN`, Metaflow's words, for `logs RUN`; `logs scrub` is a command of its own."""

    def __init__(self, script: Script | None, **options: Any) -> None:  # Any: click's
        super().__init__(**options)
        self._script = script

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # Any: click's
    ) -> click.Context:
        """Parse, as the command that is asked for."""
        if args[:1] != ["scrub"]:
            return super().make_context(info_name, args, parent=parent, **extra)
        from asyncflow.cli.scrub import command  # only for those who ask

        return command(self._script).make_context(f"{info_name} scrub", args[1:], parent=parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse."""
        return super().parse_args(ctx, args[1:] if args[:1] == ["show"] else args)


def _parameters() -> list[click.Parameter]:
    return [
        click.Argument(["path"], metavar="RUN[/STEP[/TASK]]"),
        click.Option(["--follow"], is_flag=True, help="Go on as tasks print, until the run ends."),
        click.Option(["--stdout", "is_stdout"], is_flag=True, help="Only what was printed to stdout."),
        click.Option(["--stderr", "is_stderr"], is_flag=True, help="Only what was printed to stderr."),
        click.Option(["--both/--no-both", "is_both"], default=None, hidden=True),
        click.Option(["--no-stdout", "not_stdout"], is_flag=True, hidden=True),
        click.Option(["--no-stderr", "not_stderr"], is_flag=True, hidden=True),
        click.Option(
            ["--timestamps/--no-timestamps"], default=False, help="Put the time in front of each line."
        ),
        click.Option(
            ["--attempt"],
            type=Count(min=0),
            metavar="N",
            help="Show this attempt of each task, 0 being the first.  [default: the last]",
        ),
    ]


class LineWriter:
    """Writes log lines to stdout in pieces of a good size; harmless on a terminal, as they are elsewhere.

    Args:
        stream: Only lines of this stream. None: both.
        timestamps: Put the time in front.
    """

    def __init__(self, *, stream: str | None, timestamps: bool) -> None:
        self._stream = stream
        self._stamp = Stamp() if timestamps else None
        self._is_terminal = terminal.is_terminal(sys.stdout)
        self._parts: list[bytes] = []
        self._size = 0
        self._open: str | None = None
        """Stream whose last line is not at its end."""

    def write(self, lines: Iterable[LogLine], prefix: str = "") -> int:
        """Write lines, each with a prefix; return where in the log to go on, 0 if there was none."""
        head = prefix.encode()
        end = 0
        for line in lines:
            end = line.end
            if self._stream is not None and line.stream != self._stream:
                continue
            self._add(line, head)
        return end

    def flush(self) -> None:
        """Write what was collected."""
        if not self._parts:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        terminal.out_bytes(terminal.visible_bytes(data) if self._is_terminal else data)

    def end_line(self) -> None:
        """End a line that was left open: what follows is another task's."""
        if self._open is not None:
            self._parts.append(b"\n")
            self._open = None

    def _add(self, line: LogLine, head: bytes) -> None:
        if self._open != line.stream:
            self.end_line()
            if self._stamp is not None:
                self._parts.append(self._stamp(line.at).encode() + b" ")
            self._parts.append(head)
        self._parts.append(line.text)
        self._size += len(line.text) + 40
        if line.is_whole:
            self._parts.append(b"\n")
        self._open = None if line.is_whole else line.stream
        if self._size > _FLUSH_BYTES:
            self.flush()


def _show_all(store: OpenStore, target: Target, wanted: _Wanted) -> None:
    from asyncflow.client.logs import has_log, lines

    writer = LineWriter(stream=wanted.stream, timestamps=wanted.timestamps)
    has_any = False
    for task in _tasks(store, target):
        key = _attempt_of(store, task, wanted.attempt, is_only=target.task is not None)
        if key is None or not has_log(store.home, key):
            continue
        has_any = True
        if target.task is None:
            writer.flush()
            terminal.err(Span(f"--- {task.run}/{task.step}/{task.task}", Style.BOLD))
        writer.write(lines(store.home, key))
        writer.end_line()
    writer.flush()
    if not has_any:
        terminal.err(f"Nothing was printed by {target.path}.")


def _tasks(store: OpenStore, target: Target) -> Iterator[TaskRow]:
    if target.task is not None:
        yield target.task
    else:
        yield from store.reader.tasks(target.run.run, step=target.step)


def _attempt_of(store: OpenStore, task: TaskRow, number: int | None, *, is_only: bool) -> ManifestKey | None:
    """Return which attempt's log to show; None where the task has no such attempt."""
    key = task.key
    if number is None:
        return key
    if number <= (key.attempt if task.origin is not None else task.attempt):
        return key._replace(attempt=number)
    if is_only:
        there = "it has not begun" if task.attempt < 0 else f"its last is {key.attempt}"
        raise NotFoundError(
            f"Task {task.run}/{task.step}/{task.task} has no attempt {number}: {there}",
            hint=f"asyncflow logs {task.run}/{task.step}/{task.task}",
        )
    return None
