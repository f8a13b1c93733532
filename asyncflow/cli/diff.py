"""`asyncflow diff`: how two runs differ: their parameters, code and artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.code import tell_file_changes
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.client.comparing import Difference, RunsCompared

__all__ = ["command"]

_HELP = """Show how two runs differ.

Compared are parameters, code, and what the tasks of each step have made.

\b
  asyncflow diff 42 43
  asyncflow diff 42 latest --json

Artifacts are compared by content. Of steps with many tasks it is told in how many an artifact differs. The exit code is
1 if anything differs.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""
    flow = None if script is None else script.class_name

    def diff(before: str, after: str, is_json: bool) -> int:
        from asyncflow.client.comparing import compare_runs
        from asyncflow.client.place import place_at

        with open_store() as store:
            rows = find_run(store.reader, before, flow), find_run(store.reader, after, flow)
            compared = compare_runs(place_at(store.home), *rows)
        if is_json:
            _tell_json(compared)
        else:
            _tell(compared)
        return int(compared.differ)

    parameters: list[click.Parameter] = [
        click.Argument(["before"], metavar="RUN"),
        click.Argument(["after"], metavar="RUN"),
        click.Option(["--json", "is_json"], is_flag=True, help="Write one JSON object."),
    ]
    return OurCommand(name="diff", params=parameters, callback=diff, help=_HELP)


def _tell(compared: RunsCompared) -> None:
    if not compared.differ:
        terminal.out("Parameters, code and artifacts are the same.")
        return
    _tell_values("Parameters", compared.parameters)
    if compared.code_before != compared.code_after:
        terminal.out(Span("Code", Style.BOLD))
        tell_file_changes(compared.code_before, compared.code_after)
    for step, differences in compared.steps.items():
        _tell_values(f"Step {step}", differences)


def _tell_values(title: str, differences: list[Difference]) -> None:
    if not differences:
        return
    terminal.out(Span(title, Style.BOLD))
    for one in differences:
        counted = f"  (in {one.differing} of {one.tasks} tasks)" if one.tasks > 1 else ""
        terminal.out(f"    {one.name}: {one.before} -> {one.after}{counted}")


def _tell_json(compared: RunsCompared) -> None:
    import json  # only for programs

    def plain(several: list[Difference]) -> list[dict[str, Any]]:  # Any: JSON-like
        return [
            {
                "name": one.name,
                "before": one.before,
                "after": one.after,
                "tasks": one.tasks,
                "differing": one.differing,
            }
            for one in several
        ]

    names = sorted({*compared.code_before, *compared.code_after})
    told = {
        "parameters": plain(compared.parameters),
        "code": [name for name in names if compared.code_before.get(name) != compared.code_after.get(name)],
        "steps": {step: plain(several) for step, several in compared.steps.items()},
    }
    terminal.out(json.dumps(told))
