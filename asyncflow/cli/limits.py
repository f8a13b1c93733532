"""`asyncflow limits`: changes what a living run may do at a time, and shows what runs on this machine share."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Count
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import find_run
from asyncflow.cli.script import Script
from asyncflow.cli.table import Column, write_table
from asyncflow.cli.terminal import Part
from asyncflow.errors import ExitCode

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.events.rows import RunRow
    from asyncflow.runtime.limits_ledger import Ledger

__all__ = ["command"]

_HELP = """Change a living run's limits, or see what runs share.

With RUN and an option: the run goes on with the new limit, from the next task on; tasks that run are left alone.
With RUN alone: what its limits are. Without RUN: which limits of @concurrency and @rate_limit the runs of this
user on this machine share now, and which runs hold or wait for permits.
"""

_POLL_S = 0.1
_WORDS = {"slots": "task", "async_slots": "async task"}
"""What is counted, by the name of the limit in the machine."""
_WINDOWS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def limits(run: str | None, is_json: bool, **given: int | None) -> int:
        wanted = {name: number for name, number in given.items() if number is not None}
        if run is None:
            _refuse_without_run(wanted)
            _show_shared(is_json=is_json)
            return ExitCode.OK
        with open_store() as store:
            row = find_run(store.reader, run, None if script is None else script.class_name)
            if not wanted:
                _show_run(row, is_json=is_json)
                return ExitCode.OK
            return _change(store.reader, row, wanted)

    parameters: list[click.Parameter] = [
        click.Argument(["run"], metavar="[RUN]", required=False),
        click.Option(
            ["--max-workers", "slots"],
            type=Count(min=1),
            metavar="N",
            help="How many tasks may run at the same time.",
        ),
        click.Option(
            ["--max-async", "async_slots"],
            type=Count(min=1),
            metavar="N",
            help="How many async tasks may run at the same time.",
        ),
        click.Option(["--json", "is_json"], is_flag=True, help="Write JSON."),
    ]
    return OurCommand(name="limits", params=parameters, callback=limits, help=_HELP)


def _refuse_without_run(wanted: Mapping[str, int]) -> None:
    if wanted:
        raise CommandError(
            "Which run is to have another limit?",
            hint="Name it: asyncflow limits RUN --max-workers N. What runs now: asyncflow runs --status running",
        )


# A run's own limits ---------------------------------------------------------------------------------------------


def _show_run(row: RunRow, *, is_json: bool) -> None:
    limits = json.loads(row.limits)
    if is_json:
        terminal.out(json.dumps(limits, indent=2))
        return
    for name, word in _WORDS.items():
        if name in limits:
            terminal.out(f"Run {row.run}: {_up_to(limits[name], word)} at a time.")


def _change(reader: Reader, row: RunRow, wanted: Mapping[str, int]) -> int:
    _refuse_ended(row)
    from asyncflow.client.changing import post_request

    by = f"{getpass.getuser()} (asyncflow limits)"
    before = json.loads(row.limits)
    post_request(reader.path, row.run, "limits", dict(wanted), by=by)
    while row.status == "running":
        limits = json.loads(row.limits)
        if all(limits.get(name) == number for name, number in wanted.items()):
            for name, number in wanted.items():
                said = f"Run {row.run}: {_up_to(number, _WORDS[name])} at a time"
                terminal.out(f"{said}, before it was {before.get(name)}.")
            return ExitCode.OK
        time.sleep(_POLL_S)
        row = reader.run(row.run) or row
    terminal.err(f"Run {row.run} ended before its limits could be changed: it {_became(row.status)}.")
    return ExitCode.FAILURE


def _refuse_ended(row: RunRow) -> None:
    if row.status == "interrupted":
        raise CommandError(
            f"Run {row.run} is interrupted: the process that drove it is dead",
            hint=f"Go on with it, with limits as you like: asyncflow resume {row.run} --max-workers N",
        )
    if row.status != "running":
        raise CommandError(
            f"Run {row.run} has ended already: it {_became(row.status)}", hint="asyncflow runs"
        )


def _became(status: str) -> str:
    return {"cancelled": "was cancelled", "interrupted": "was interrupted"}.get(status, status)


def _up_to(number: int, word: str) -> str:
    return f"up to {number:,} {word if number == 1 else word + 's'}"


# What runs share ------------------------------------------------------------------------------------------------


def _show_shared(*, is_json: bool) -> None:
    from asyncflow.runtime.limits_directory import find_directory, holders_now

    ledgers = holders_now(find_directory())
    if is_json:
        terminal.out(json.dumps([_plain(ledger) for ledger in ledgers], indent=2))
    elif not ledgers:
        terminal.err("No run on this machine uses @concurrency or @rate_limit now.")
    else:
        columns = [
            Column("KEY", can_shrink=True),
            Column("LIMIT"),
            Column("RUN", can_shrink=True),
            Column("PID", is_right=True),
            Column("HOLDS", is_right=True),
            Column("WAITS FOR", is_right=True),
        ]
        write_table(columns, [cells for ledger in ledgers for cells in _cells(ledger)])


def _cells(ledger: Ledger) -> list[list[Part]]:
    return [
        [
            _key(ledger) if place == 0 else "",
            _limit(ledger) if place == 0 else "",
            holder.run,
            str(holder.pid),
            str(holder.held),
            str(holder.wants),
        ]
        for place, holder in enumerate(ledger.holders.values())
    ]


def _plain(ledger: Ledger) -> dict[str, Any]:  # Any: JSON-like
    return {
        "key": _key(ledger),
        "limit": ledger.limit(),
        "per_s": ledger.per_s,
        "holders": [
            {"run": holder.run, "pid": holder.pid, "holds": holder.held, "waits_for": holder.wants}
            for holder in ledger.holders.values()
        ],
    }


def _key(ledger: Ledger) -> str:
    return ledger.permit.split(":", 1 if ledger.per_s is None else 2)[-1]


def _limit(ledger: Ledger) -> str:
    if ledger.per_s is None:
        return f"{ledger.limit()} at a time"
    return f"{ledger.limit()} per {_WINDOWS.get(ledger.per_s) or f'{ledger.per_s:g} s'}"
