"""`asyncflow gc`: removes what nobody needs from the store."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.numbers import Amount, Count
from asyncflow.cli.reading import local_home
from asyncflow.cli.script import Script
from asyncflow.cli.words import bytes_text, parse_moment
from asyncflow.errors import ExitCode

if TYPE_CHECKING:
    from asyncflow.runtime.cleaning import Cleaned

__all__ = ["command"]

_HELP = """Remove what nobody needs from the store.

Without options that is what no run refers to: artifacts whose runs are gone, files of killed processes. With
--keep-last or --older-than whole runs go first; with both, those that both let go. Runs that go on, and runs whose
tasks others have taken over, always stay. It may be done beside running runs, and stopped and repeated at any time.

\b
  asyncflow gc --dry-run
  asyncflow gc --keep-last 20 --older-than 30d
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def gc(keep_last: int | None, older_than: str | None, grace: float, is_dry: bool, as_json: bool) -> int:
        from asyncflow.runtime.cleaning import Keeping, clean

        since = None
        if older_than is not None:
            since = parse_moment(older_than, time.time())
            if since is None:
                raise CommandError(
                    f"--older-than {older_than} is no time", hint="Write 30d, 12h, or 2026-01-31."
                )
        cleaned = clean(
            local_home("Cleaning"), Keeping(last=keep_last, since=since), grace_s=grace, is_dry=is_dry
        )
        if as_json:
            _write_json(cleaned)
        else:
            _tell(cleaned, is_dry=is_dry)
        return ExitCode.OK

    parameters: list[click.Parameter] = [
        click.Option(
            ["--keep-last"],
            type=Count(min=0),
            metavar="N",
            help="Keep the newest N runs of each flow.",
        ),
        click.Option(
            ["--older-than"], metavar="WHEN", help="Let go runs that ended before: 30d, 12h, 2026-01-31."
        ),
        click.Option(
            ["--grace"],
            type=Amount(min=0),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Leave alone what was written since.",
        ),
        click.Option(["--dry-run", "is_dry"], is_flag=True, help="Only say what would go."),
        click.Option(["--json", "as_json"], is_flag=True, help="Say it as JSON."),
    ]
    return OurCommand(name="gc", params=parameters, callback=gc, help=_HELP)


def _tell(cleaned: Cleaned, *, is_dry: bool) -> None:
    parts = [
        _counted(len(cleaned.runs), "run"),
        _counted(cleaned.blobs.files, "artifact file"),
        _counted(cleaned.run_files.files, "log and manifest file"),
        _counted(cleaned.temporary.files, "unfinished file"),
    ]
    found = [part for part in parts if part]
    if not found:
        terminal.out("There is nothing that nobody needs.")
    else:
        verb = "Would remove" if is_dry else "Removed"
        terminal.out(f"{verb} {', '.join(found)}: {bytes_text(cleaned.size_bytes)}.")
    if cleaned.needed:
        shown = ", ".join(str(run) for run in sorted(cleaned.needed)[:10])
        more = ", ..." if len(cleaned.needed) > 10 else ""
        terminal.out(f"Kept, as other runs have taken over tasks of them: {shown}{more}.")


def _counted(count: int, what: str) -> str:
    return "" if not count else f"{count:,} {what}{'' if count == 1 else 's'}"


def _write_json(cleaned: Cleaned) -> None:
    told = {
        "runs": cleaned.runs,
        "needed": cleaned.needed,
        "blobs": cleaned.blobs.files,
        "run_files": cleaned.run_files.files,
        "temporary_files": cleaned.temporary.files,
        "size_bytes": cleaned.size_bytes,
    }
    terminal.out(json.dumps(told))
