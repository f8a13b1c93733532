"""`asyncflow runs`: what was run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.reading import open_store
from asyncflow.cli.script import Script
from asyncflow.cli.table import Column, write_table
from asyncflow.cli.terminal import Part
from asyncflow.cli.words import duration_text, moment_text, parse_moment, status_span

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import RunRow

__all__ = ["command"]

_HELP = """List runs, newest first.

A run is `interrupted` when the process that drove it is gone: `asyncflow resume` goes on with it.
"""

_STATUSES = ("running", "succeeded", "failed", "cancelled", "interrupted")


class _Moment(click.ParamType):
    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:  # Any: click's
        if isinstance(value, float):
            return value
        at = parse_moment(str(value), time.time())
        if at is None:
            self.fail(
                f"'{value}' is no time: write 30m, 2h, 3d, 2026-01-31 or '2026-01-31 18:00'", param, ctx
            )
        return at


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def runs(flow: str | None, is_json: bool, tags: tuple[str, ...], **given: Any) -> None:  # Any: click's
        with open_store() as store:
            name = flow if flow is not None or script is None else script.class_name
            found = store.reader.runs(flow=name, tags=tags, **given)
            if is_json:
                _write_json(store.reader, found)
            else:
                _write_table(found)

    return OurCommand(name="runs", params=_options(), callback=runs, help=_HELP)


def _options() -> list[click.Parameter]:
    return [
        click.Option(["--flow"], metavar="NAME", help="Only runs of this flow."),
        click.Option(["--status"], type=click.Choice(_STATUSES), help="Only runs in this status."),
        click.Option(
            ["--tag", "tags"], multiple=True, metavar="TAG", help="Only runs with this tag. May be repeated."
        ),
        click.Option(["--user"], metavar="NAME", help="Only runs of this user."),
        click.Option(
            ["--since"],
            type=_Moment(),
            metavar="TIME",
            help="Only runs that began at this time or later: 30m, 2h, 3d (ago), or 2026-01-31.",
        ),
        click.Option(
            ["--limit"],
            type=Count(min=1),
            default=50,
            show_default=True,
            metavar="N",
            help="Show at most so many.",
        ),
        click.Option(["--json", "is_json"], is_flag=True, help="Write a JSON list, with all that is known."),
    ]


def _write_table(found: Sequence[RunRow]) -> None:
    if not found:
        terminal.err("No runs.")
        return
    columns = [
        Column("RUN", is_right=True),
        Column("FLOW", can_shrink=True),
        Column("STATUS"),
        Column("STARTED"),
        Column("TOOK", is_right=True),
        Column("TASKS", is_right=True),
        Column("USER", can_shrink=True),
    ]
    now = time.time()
    write_table(columns, [_cells(row, now) for row in found])


def _cells(row: RunRow, now: float) -> list[Part]:
    end = row.ended_at if row.ended_at is not None else now
    took = "" if row.status == "interrupted" else duration_text(end - row.created_at)
    done = row.succeeded + row.caught + row.cloned
    return [
        str(row.run),
        row.flow,
        status_span(row.status),
        moment_text(row.created_at),
        took,
        f"{done}/{row.tasks + row.branches_left}",
        row.user,
    ]


def _write_json(reader: Reader, found: Sequence[RunRow]) -> None:
    terminal.out(json.dumps([_plain(reader, row) for row in found], indent=2))


def _plain(reader: Reader, row: RunRow) -> dict[str, Any]:  # Any: JSON-like
    tags = reader.tags(row.run)
    return {
        "run": row.run,
        "flow": row.flow,
        "status": row.status,
        "user": row.user,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "origin_run": row.origin_run,
        "failed_step": row.failed_step,
        "failed_task": row.failed_task,
        "tags": [tag.tag for tag in tags if not tag.is_system],
        "system_tags": [tag.tag for tag in tags if tag.is_system],
        "tasks": {
            name: getattr(row, name)
            for name in (
                "created",
                "running",
                "waiting",
                "succeeded",
                "caught",
                "failed",
                "cancelled",
                "cloned",
            )
        },
        "limits": json.loads(row.limits),
        "meta": json.loads(row.meta),
    }
