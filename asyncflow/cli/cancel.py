"""`asyncflow cancel RUN`: asks the process that drives a run to stop it, and waits for the end."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.errors import ExitCode

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import RunRow

__all__ = ["command"]

_HELP = """Stop a run that goes on in another process.

Its tasks are asked to end (SIGTERM) and have ten seconds for that; with --force they are killed at once. Waits
until the run has ended. What was finished is kept: `asyncflow resume` goes on from there.
"""

_POLL_S = 0.1


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def cancel(run: str, force: bool) -> int:
        with open_store() as store:
            row = find_run(store.reader, run, None if script is None else script.class_name)
            _refuse_ended(row)
            from asyncflow.events.requests import post_request

            by = f"{getpass.getuser()} (asyncflow cancel)"
            post_request(store.reader.path, row.run, "cancel", {"force": force}, by=by)
            terminal.err(f"Asked run {row.run} to stop...")
            return _wait(store.reader, row.run)

    parameters: list[click.Parameter] = [
        click.Argument(["run"], metavar="RUN"),
        click.Option(["--force"], is_flag=True, help="Kill its tasks at once."),
    ]
    return OurCommand(name="cancel", params=parameters, callback=cancel, help=_HELP)


def _refuse_ended(row: RunRow) -> None:
    if row.status == "interrupted":
        raise CommandError(
            f"Run {row.run} is interrupted already: the process that drove it is dead, and so are its tasks",
            hint=f"Go on with it: asyncflow resume {row.run}",
        )
    if row.status != "running":
        raise CommandError(
            f"Run {row.run} has ended already: it {_became(row.status)}", hint="asyncflow runs"
        )


def _wait(reader: Reader, run: int) -> int:
    while True:
        row = reader.run(run)
        if row is None or row.status != "running":
            break
        time.sleep(_POLL_S)
    status = "interrupted" if row is None else row.status
    if status == "cancelled":
        terminal.out(f"Run {run} was cancelled.")
        return ExitCode.OK
    if status == "interrupted":
        terminal.err(f"The process that drove run {run} died before it could stop it in order.")
        terminal.err(f"    Go on with it: asyncflow resume {run}")
    else:
        terminal.err(f"Run {run} ended before it could be stopped: it {_became(status)}.")
    return ExitCode.FAILURE


def _became(status: str) -> str:
    return {"cancelled": "was cancelled"}.get(status, status)
