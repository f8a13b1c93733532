"""`asyncflow tag`: put tags on a run, take them off, list them. Safe beside the process that drives the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand, OurGroup
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.cli.tag_list import list_command

if TYPE_CHECKING:
    from asyncflow.events.rows import RunRow

__all__ = ["command"]

_HELP = """Put tags on a run, or take them off.

\b
  asyncflow tag add 42 reviewed good
  asyncflow tag remove 42 good
  asyncflow tag replace 42 --remove candidate --add production
  asyncflow tag list 42

Tags of the system (user:, date:, and the like) stay as they are. A run may be running.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the group of commands."""

    def add(tags: tuple[str, ...], **which: Any) -> None:  # Any: what click parsed
        _edit(script, which, add=tags)

    def remove(tags: tuple[str, ...], **which: Any) -> None:  # Any: what click parsed
        _edit(script, which, remove=tags)

    def replace(added: tuple[str, ...], removed: tuple[str, ...], **which: Any) -> None:  # Any: click's
        _edit(script, which, add=added, remove=removed)

    tags = click.Argument(["tags"], nargs=-1, required=True, metavar="TAG...")
    both = [
        click.Option(["--add", "added"], multiple=True, required=True, metavar="TAG", help="Put on."),
        click.Option(["--remove", "removed"], multiple=True, required=True, metavar="TAG", help="Take off."),
    ]
    which = _which(script)
    group = OurGroup(name="tag", help=_HELP)
    group.add_command(OurCommand(name="add", params=[*which, tags], callback=add, help="Put tags on a run."))
    group.add_command(
        OurCommand(name="remove", params=[*which, tags], callback=remove, help="Take tags off a run.")
    )
    group.add_command(
        OurCommand(name="replace", params=[*which, *both], callback=replace, help="Both at once.")
    )
    group.add_command(list_command(script))
    return group


def _which(script: Script | None) -> list[click.Parameter]:
    """Return how a run is named: an argument, and in a flow's own file an option, as Metaflow has it."""
    if script is None:
        return [click.Argument(["run"], metavar="RUN")]
    return [
        click.Option(
            ["--run-id", "run"], default="latest", show_default=True, metavar="RUN", help="Which run."
        ),
        click.Option(["--namespace"], metavar="TAG", help="Only if the run has this tag."),
    ]


def _run(store: OpenStore, script: Script | None, which: dict[str, Any]) -> RunRow:
    run = find_run(store.reader, which["run"], None if script is None else script.class_name)
    namespace = which.get("namespace")
    if namespace and all(row.tag != namespace for row in store.reader.tags(run.run)):
        raise CommandError(
            f"Run {run.run} is not in namespace '{namespace}'",
            hint=f"Its tags: asyncflow tag list {run.run}",
        )
    return run


def _edit(
    script: Script | None, which: dict[str, Any], *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> None:
    from asyncflow.client.changing import edit_tags
    from asyncflow.users import user_name

    with open_store() as store:
        run = _run(store, script, which)
        edit_tags(store.reader.path, run.run, add=add, remove=remove, by=user_name())
        tags = [row.tag for row in store.reader.tags(run.run) if not row.is_system]
    terminal.err(f"Tags of run {run.run}: {', '.join(tags) or 'none'}")
