"""`asyncflow code`: the code that a run began with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.group import OurCommand, help_option
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.client.code import MetaflowCode

__all__ = ["command", "tell_file_changes"]

_HELP = """Get back a run's code, or compare it.

\b
  asyncflow code pull 42                write its files to CLASS_42/
  asyncflow code diff 42                what has changed since: the run's files against those here
  asyncflow code diff 42 43             one run's against another's

Kept are the flow's file and those of your own modules that it had imported when the run began.
"""

_STYLES = {"-": Style.RED, "+": Style.GREEN, "@": Style.CYAN}


class _CodeGroup(click.Group):
    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return help_option()


def command(script: Script | None = None) -> click.Command:
    """Make the group of commands."""
    flow = None if script is None else script.class_name

    def pull(run: str, directory: str | None) -> None:
        with open_store() as store:
            row = find_run(store.reader, run, flow)
            code = _code(store, run, flow)
        place = directory or f"{row.flow}_{row.run}"
        if os.path.isdir(place) and os.listdir(place):
            raise CommandError(f"The directory {place} is not empty", hint="Name another: --dir DIR")
        from asyncflow.client.code import write_files

        for path in write_files(code.files, place):
            terminal.out(path)

    def diff(run: str, other: str | None, directory: str | None) -> int:
        with open_store() as store:
            before = _code(store, run, flow).files
            if other is not None:
                after = _code(store, other, flow).files
            else:
                row = find_run(store.reader, run, flow)
                flow_file = store.reader.metadata(row.run)
                known = next((one.value for one in flow_file if one.name == "flow_file"), "")
                after = _files_in(directory or os.path.dirname(known), before)
        if tell_file_changes(before, after):
            return 1
        terminal.err("The code is the same.")
        return 0

    where = click.Option(["--dir", "directory"], type=click.Path(file_okay=False), metavar="DIR")
    group = _CodeGroup(name="code", help=_HELP)
    run = click.Argument(["run"], metavar="RUN")
    where.help = "Where to.  [default: FLOW_RUN]"
    group.add_command(
        OurCommand(name="pull", params=[run, where], callback=pull, help="Write a run's files.")
    )
    other = click.Argument(["other"], required=False, metavar="[RUN]")
    against = click.Option(
        ["--dir", "directory"],
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="The files to compare with.  [default: where the flow is]",
    )
    group.add_command(
        OurCommand(
            name="diff",
            params=[run, other, against],
            callback=diff,
            help="Compare a run's files with those here, or with another run's. Exit code 1: they differ.",
        )
    )
    return group


def tell_file_changes(before: dict[str, bytes], after: dict[str, bytes]) -> bool:
    """Write how files differ, as a unified diff; tell whether they do."""
    import difflib  # only here

    changed = False
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        changed = True
        lines = difflib.unified_diff(
            _lines(old),
            _lines(new),
            name if old is not None else "/dev/null",
            name if new is not None else "/dev/null",
        )
        for line in lines:
            text = line.rstrip("\n")
            head = text[:3] in ("---", "+++")
            style = Style.BOLD if head else _STYLES.get(text[:1])
            terminal.out(Span(text, style) if style else text)
    return changed


def _lines(content: bytes | None) -> list[str]:
    return [] if content is None else content.decode("utf-8", "replace").splitlines(keepends=True)


def _code(store: OpenStore, run: str, flow: str | None) -> MetaflowCode:
    from asyncflow.client.code import code_of
    from asyncflow.client.place import place_at

    row = find_run(store.reader, run, flow)
    code = code_of(place_at(store.home), row)
    if code is None:
        raise NotFoundError(
            f"The code of run {row.run} was not kept", hint="Runs of earlier releases kept none."
        )
    return code


def _files_in(directory: str, names: dict[str, bytes]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in names:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                found[name] = file.read()
        except OSError:
            continue  # it is not there any more
    return found
