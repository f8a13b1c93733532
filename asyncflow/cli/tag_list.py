"""`asyncflow tag list`: the tags of a run or of several, by run or by tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow

__all__ = ["list_command"]

_HELP = """List the tags of a run, or of several.

\b
  asyncflow tag list 42
  asyncflow tag list --all --group-by-tag --hide-system-tags

Without a run it is the newest one. Of several runs each tag is listed once, unless they are grouped.
"""


def list_command(script: Script | None) -> click.Command:
    """Make the command."""
    flags = {
        "--all": "Of all runs.",
        "--my-runs": "Of all runs of one's own.",
        "--hide-system-tags": "Only tags of people.",
        "--group-by-tag": "Tag by tag, with the runs that have it.",
        "--group-by-run": "Run by run, with its tags.",
    }
    run_id = [click.Option(["--run-id"], metavar="RUN", help="Which run.", hidden=script is None)]
    return OurCommand(
        name="list",
        params=[
            click.Argument(["run"], metavar="[RUN]", required=False),
            *run_id,
            *(click.Option([name], is_flag=True, help=text) for name, text in flags.items()),
            click.Option(["--flat"], is_flag=True, hidden=True),
        ],
        callback=lambda **given: _list(script, given),
        help=_HELP,
    )


def _list(script: Script | None, given: dict[str, Any]) -> None:  # Any: what click parsed
    by_tag, by_run = given["group_by_tag"], given["group_by_run"]
    if by_tag + by_run + given["flat"] > 1:
        raise CommandError("--group-by-tag, --group-by-run and --flat exclude each other", hint="Give one.")
    with open_store() as store:
        runs = _runs(store, script, given)
        tags = {
            f"{run.flow}/{run.run}": [
                row.tag
                for row in store.reader.tags(run.run)
                if not (row.is_system and given["hide_system_tags"])
            ]
            for run in runs
        }
    if by_tag:
        every = sorted({tag for several in tags.values() for tag in several})
        _tell({tag: [run for run, several in tags.items() if tag in several] for tag in every})
    elif by_run:
        _tell(tags)
    else:
        for tag in dict.fromkeys(tag for several in tags.values() for tag in several):
            terminal.out(tag)


def _runs(store: OpenStore, script: Script | None, given: dict[str, Any]) -> list[RunRow]:  # Any: as above
    flow = None if script is None else script.class_name
    named = given["run"] or given["run_id"]
    several = given["all"] or given["my_runs"]
    if several and named:
        raise CommandError(
            f"Run {named} is asked for, and others", hint="Name a run, or say --all or --my-runs."
        )
    if not several:
        return [find_run(store.reader, named or "latest", flow)]
    from asyncflow.users import user_name

    user = user_name() if given["my_runs"] else None
    return store.reader.runs(flow=flow, user=user, limit=1 << 40)


def _tell(groups: dict[str, list[str]]) -> None:
    for title, members in groups.items():
        terminal.out(Span(title, Style.BOLD))
        for member in members:
            terminal.out("    ", member)
