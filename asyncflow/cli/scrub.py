"""`asyncflow logs scrub`: make unreadable what tasks printed."""

from __future__ import annotations

from typing import Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.reading import OpenStore, local_home, open_store
from asyncflow.cli.runid import Target, find_target
from asyncflow.cli.script import Script

__all__ = ["command"]

_HELP = """Overwrite what tasks printed, for good.

\b
  asyncflow logs scrub 42/train/7               both streams of the last attempt
  asyncflow logs scrub 42/train --stdout --all  one stream of every attempt

In place of the text stands [REDACTED stdout] or [REDACTED stderr]. A task that still runs is refused;
--include-not-done leaves it out instead.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def scrub(
        path: str, *, is_stdout: bool, is_stderr: bool, not_stdout: bool, not_stderr: bool, **how: Any
    ) -> int:  # Any: what click parsed
        only_stdout, only_stderr = is_stdout or not_stderr, is_stderr or not_stdout
        is_one = only_stdout != only_stderr
        streams = ("stdout" if only_stdout else "stderr",) if is_one else ("stdout", "stderr")
        local_home("Scrubbing logs of")
        with open_store() as store:
            target = find_target(store.reader, path, None if script is None else script.class_name)
            if target.step is None and target.task is None:
                raise CommandError(
                    f"'{path}' is a whole run; scrub is about a step or a task", hint=f"Write {path}/STEP."
                )
            count = _scrub(store, target, streams, how)
        terminal.out(f"Scrubbed {count} log{'' if count == 1 else 's'} of {target.path}.")
        return 0

    parameters: list[click.Parameter] = [
        click.Argument(["path"], metavar="RUN/STEP[/TASK]"),
        click.Option(["--stdout", "is_stdout"], is_flag=True, help="Only what was printed to stdout."),
        click.Option(["--stderr", "is_stderr"], is_flag=True, help="Only what was printed to stderr."),
        click.Option(["--both/--no-both"], hidden=True, expose_value=False),
        click.Option(["--no-stdout", "not_stdout"], is_flag=True, hidden=True),
        click.Option(["--no-stderr", "not_stderr"], is_flag=True, hidden=True),
        click.Option(["--attempt"], type=Count(min=0), metavar="N", help="Only this attempt of each task."),
        click.Option(["--all/--latest", "is_all"], default=False, help="Every attempt, or the last only."),
        click.Option(
            ["--include-not-done", "skips_living"], is_flag=True, help="Leave out tasks that still run."
        ),
    ]
    return OurCommand(name="scrub", params=parameters, callback=scrub, help=_HELP)


def _scrub(store: OpenStore, target: Target, streams: tuple[str, ...], how: dict[str, Any]) -> int:
    from asyncflow.events.rows import LIVING
    from asyncflow.store.layout import log_path
    from asyncflow.store.logfile import scrub_log

    tasks = [target.task] if target.task is not None else store.reader.tasks(target.run.run, step=target.step)
    living = [task for task in tasks if task.status in LIVING]
    if living and not how["skips_living"]:
        raise CommandError(
            f"Task {living[0].run}/{living[0].step}/{living[0].task} has not ended",
            hint="What it prints later would be readable. Wait until it has ended, or leave it out: --include-not-done",
        )
    count = 0
    for task in tasks:
        if task in living or task.origin is not None:
            continue  # a task that was taken over has printed nothing here
        last = max(task.attempt, 0)
        numbers = range(last + 1) if how["is_all"] else [last if how["attempt"] is None else how["attempt"]]
        for number in numbers:
            path = log_path(store.home, task.run, task.task, number)
            count += scrub_log(store.home, path, streams)
    return count
