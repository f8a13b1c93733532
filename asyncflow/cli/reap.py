"""`asyncflow reap`: finds jobs on other platforms that no living run waits for, and removes them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import OpenStore, open_store
from asyncflow.cli.script import Script
from asyncflow.cli.table import Column, write_table
from asyncflow.errors import ExitCode
from asyncflow.text import moment_text

if TYPE_CHECKING:
    from asyncflow.backends.remote.platform import JobRef
    from asyncflow.backends.remote.provider import PlatformContext, Provider

__all__ = ["command"]

_HELP = """End and remove jobs on other platforms that nobody waits for.

Looks at all jobs of this store on a platform: those of runs that have ended, or whose driver is dead, are orphans.
A run whose driver is dead may be gone on with, and would take its jobs over: they are left alone for a day, unless
--all is given.

\b
  asyncflow reap --backend kubernetes --dry-run
  asyncflow reap --backend batch --run 42
"""
_GRACE_S = 86_400.0
_YOUNG_S = 600.0
"""A job is that young, and its run not to be seen yet: that one is perhaps being started on another machine."""


class _Orphan(NamedTuple):
    job: JobRef
    why: str


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def reap(backend: str, run: int | None, is_dry_run: bool, is_all: bool) -> int:
        from asyncflow.backends.remote.registry import provider_named

        provider = provider_named(backend)
        with open_store() as store:
            context = _context(store, run)
            jobs = _jobs(provider, context)
            orphans = _orphans(store, jobs, is_all=is_all)
        _show(orphans, len(jobs))
        if orphans and not is_dry_run:
            _remove(provider, context, [orphan.job.id for orphan in orphans])
            terminal.err(f"Removed {len(orphans):,}.")
        return ExitCode.OK

    parameters: list[click.Parameter] = [
        click.Option(
            ["--backend"], required=True, metavar="NAME", help="The platform: kubernetes, batch, ..."
        ),
        click.Option(["--run"], type=int, metavar="RUN", help="Of this run only."),
        click.Option(["--dry-run", "is_dry_run"], is_flag=True, help="Show them, and leave them."),
        click.Option(
            ["--all", "is_all"], is_flag=True, help="Those of interrupted runs, too, however young they are."
        ),
    ]
    return OurCommand(name="reap", params=parameters, callback=reap, help=_HELP)


def _context(store: OpenStore, run: int | None) -> PlatformContext:
    from asyncflow.backends.remote.provider import PlatformContext
    from asyncflow.store.replica import owner_of

    if run is not None and store.reader.run(run) is None:
        raise CommandError(f"There is no run {run}", hint="List runs: asyncflow runs")
    return PlatformContext(owner=owner_of(store.home), run=run)


def _jobs(provider: Provider, context: PlatformContext) -> Sequence[JobRef]:
    import anyio

    return anyio.run(provider.jobs, context)


def _remove(provider: Provider, context: PlatformContext, ids: Sequence[str]) -> None:
    import anyio

    anyio.run(provider.remove, context, ids)


def _orphans(store: OpenStore, jobs: Sequence[JobRef], *, is_all: bool) -> list[_Orphan]:
    status: dict[int, str] = {}
    found: list[_Orphan] = []
    for job in jobs:
        if job.run not in status:
            row = store.reader.run(job.run)
            status[job.run] = "unknown" if row is None else row.status
        why = _why(status, job, is_all=is_all)
        if why:
            found.append(_Orphan(job, why))
    return found


def _why(status: Mapping[int, str], job: JobRef, *, is_all: bool) -> str:
    """Say why a job is an orphan; empty: it is none."""
    of_run = status[job.run]
    if of_run == "running":
        return ""
    grace_s = {"interrupted": _GRACE_S, "unknown": _YOUNG_S}.get(of_run, 0.0)
    if not is_all and time.time() - job.created_at < grace_s:
        return ""
    return "no such run" if of_run == "unknown" else f"the run is {of_run}"


def _show(orphans: Sequence[_Orphan], count: int) -> None:
    if not orphans:
        terminal.err(f"No orphans among {count:,} jobs.")
        return
    columns = [
        Column("JOB", can_shrink=True),
        Column("TASK"),
        Column("SINCE"),
        Column("STATE"),
        Column("WHY"),
    ]
    rows = [
        [
            one.job.id,
            f"{one.job.run}/{one.job.attempt.task}",
            moment_text(one.job.created_at)[:19],
            "over" if one.job.is_over else "living",
            one.why,
        ]
        for one in orphans
    ]
    write_table(columns, rows)
