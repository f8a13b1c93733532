"""`asyncflow tui [RUN]`: the dashboard on what runs, and on everything that ever ran."""

from __future__ import annotations

import os
import sys

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.script import Script
from asyncflow.errors import ExitCode

__all__ = ["command"]

_HELP = """Browse runs in the terminal, and watch those that live.

\b
  asyncflow tui                  all runs
  asyncflow tui latest           the newest run, live if it is running
  asyncflow tui 42/train/7       a task of run 42

It only reads: it may be closed, or killed, and no run notices. Press ? inside for the keys.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def tui(run: str | None, is_read_only: bool, has_mouse: bool) -> int:
        if not (terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)):
            raise CommandError(
                "The dashboard needs a terminal, for input and for output",
                hint="Without one: asyncflow runs, asyncflow logs RUN, asyncflow dump RUN/STEP",
            )
        return _show(run, script, is_read_only=is_read_only, has_mouse=has_mouse)

    parameters: list[click.Parameter] = [
        click.Argument(["run"], required=False, metavar="[RUN]"),
        click.Option(
            ["--read-only", "is_read_only"], is_flag=True, help="Nothing can be cancelled or changed."
        ),
        click.Option(
            ["--mouse/--no-mouse", "has_mouse"],
            default=True,
            help="Leave the mouse to the terminal, so that it selects text.",
        ),
    ]
    return OurCommand(name="tui", params=parameters, callback=tui, help=_HELP)


def _show(run: str | None, script: Script | None, *, is_read_only: bool, has_mouse: bool) -> int:
    from asyncflow.cli.runid import find_target

    number = task = None
    with open_store() as store:
        home = store.home
        if run is not None:
            target = find_target(store.reader, run, None if script is None else script.class_name)
            number = target.run.run
            task = None if target.task is None else target.task.task
    from asyncflow.cli.apart import watch

    left = watch(home, run=number, task=task, is_read_only=is_read_only, has_mouse=has_mouse)
    if left is None:
        return ExitCode.FAILURE
    if left.kind == "resume" and left.run is not None:
        from asyncflow.tui.outside import command_line

        os.execv(sys.executable, command_line("resume", str(left.run), *([left.step] if left.step else [])))
    return ExitCode.OK
