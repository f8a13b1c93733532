"""`asyncflow cancel RUN[/STEP[/TASK]]`: asks the process that drives a run to stop it or some tasks, and waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import Target, find_target
from asyncflow.cli.script import Script
from asyncflow.errors import ExitCode
from asyncflow.users import user_name

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import RunRow

__all__ = ["command", "named", "refuse_ended"]

_HELP = """Stop a run that goes on elsewhere, or single tasks of it.

    asyncflow cancel 42            the run
    asyncflow cancel 42/train      all tasks of a step
    asyncflow cancel 42/train/7    one task

Tasks are asked to end (SIGTERM) and have ten seconds for that; with --force they are killed at once. Waits until
the run, or those tasks, have ended. What was finished is kept: `asyncflow resume` goes on from there. A task that is
cancelled alone has failed and is not tried again; @catch takes it.
"""

_POLL_S = 0.1


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def cancel(run: str, force: bool) -> int:
        with open_store() as store:
            target = find_target(store.reader, run, None if script is None else script.class_name)
            row = target.run
            refuse_ended(row)
            from asyncflow.client.changing import post_request

            by = f"{user_name()} (asyncflow cancel)"
            if target.step is None and target.task is None:
                post_request(store.reader.path, row.run, "cancel", {"force": force}, by=by)
                terminal.err(f"Asked run {row.run} to stop...")
                return _wait(store.reader, row.run)
            _refuse_ended_task(target)
            post_request(store.reader.path, row.run, "cancel", {"force": force, **named(target)}, by=by)
            terminal.err(f"Asked {target.path} to stop...")
            return _wait_for_tasks(store.reader, target)

    parameters: list[click.Parameter] = [
        click.Argument(["run"], metavar="RUN[/STEP[/TASK]]"),
        click.Option(["--force"], is_flag=True, help="Kill the tasks at once."),
    ]
    return OurCommand(name="cancel", params=parameters, callback=cancel, help=_HELP)


def named(target: Target) -> dict[str, object]:
    """Return the arguments of a request that name a step, or a task of it."""
    if target.task is None:
        return {"step": target.step}
    return {"step": target.task.step, "task": target.task.task}


def refuse_ended(row: RunRow) -> None:
    """Refuse to ask something of a run that does not run. Raises CommandError."""
    if row.status == "interrupted":
        raise CommandError(
            f"Run {row.run} is interrupted already: the process that drove it is dead, and so are its tasks",
            hint=f"Go on with it: asyncflow resume {row.run}",
        )
    if row.status != "running":
        raise CommandError(
            f"Run {row.run} has ended already: it {_became(row.status)}", hint="asyncflow runs"
        )


def _refuse_ended_task(target: Target) -> None:
    from asyncflow.events.rows import LIVING

    if target.task is not None and target.task.status not in LIVING:
        raise CommandError(
            f"Task {target.path} has ended already: {_became(target.task.status)}",
            hint=f"See what it did: asyncflow logs {target.path}",
        )


def _wait_for_tasks(reader: Reader, target: Target) -> int:
    """Wait until what was asked to stop has ended; the run may go on."""
    from asyncflow.events.rows import LIVING

    run, how = target.run.run, ""
    while True:
        row = reader.run(run)
        is_over = row is None or row.status != "running"
        if target.task is not None:
            task = reader.task(run, target.task.task)
            living = 0 if task is None else int(task.status in LIVING)
            how = "" if task is None else f": {_became(task.status)}"
        else:
            living = sum(task.status in LIVING for task in reader.tasks(run, step=target.step))
        if is_over or not living:
            break
        time.sleep(_POLL_S)
    terminal.out(f"{target.path} has ended{how}.")
    return ExitCode.OK


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
