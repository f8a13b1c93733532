"""`asyncflow retry RUN[/STEP[/TASK]]`: tasks that wait for their next try have it at once."""

from __future__ import annotations

import click

from asyncflow.cli import terminal
from asyncflow.cli.cancel import named, refuse_ended
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import find_target
from asyncflow.cli.script import Script
from asyncflow.errors import ExitCode
from asyncflow.users import user_name

__all__ = ["command"]

_HELP = """Let tasks that wait for their next try have it at once.

Asks the process that drives the run; @retry's wait is cut short, its number of tries stays. A run that has ended
goes on with `asyncflow resume`.

    asyncflow retry 42             every task of the run that waits
    asyncflow retry 42/train/7     one task
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def retry(run: str) -> int:
        from asyncflow.client.changing import post_request

        with open_store() as store:
            target = find_target(store.reader, run, None if script is None else script.class_name)
            refuse_ended(target.run)
            waiting = [
                task
                for task in store.reader.tasks(target.run.run, step=target.step)
                if task.status == "waiting" and target.task in (None, task)
            ]
            if not waiting:
                raise CommandError(
                    f"No task of {target.path} waits for its next try",
                    hint=f"See how the run is: asyncflow tui {target.run.run}",
                )
            by = f"{user_name()} (asyncflow retry)"
            asked = [named(target)] if target.step or target.task else [{"step": t.step} for t in waiting]
            for args in {str(args): args for args in asked}.values():
                post_request(store.reader.path, target.run.run, "retry", args, by=by)
            tasks = "task" if len(waiting) == 1 else "tasks"
            terminal.out(f"Asked run {target.run.run} to try {len(waiting):,} {tasks} now.")
            return ExitCode.OK

    parameters: list[click.Parameter] = [click.Argument(["run"], metavar="RUN[/STEP[/TASK]]")]
    return OurCommand(name="retry", params=parameters, callback=retry, help=_HELP)
