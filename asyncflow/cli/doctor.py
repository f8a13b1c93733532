"""`asyncflow doctor`: is the store whole, and what can be repaired?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import known_home, open_store
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import ExitCode, StoreError

if TYPE_CHECKING:
    from asyncflow.client.health import Health

__all__ = ["command"]

_HELP = """Check the store, and repair what can be repaired.

Looks at the database, at every run's event log, at the views that `runs` and the like read, and whether what
finished tasks left is still there. Changes nothing, but with --rebuild-views. Exits with 1 when something is lost.


  asyncflow doctor
  asyncflow doctor --backend kubernetes flow.py    credentials, permissions, bucket, images, sizes
"""

_MOST_LOSSES = 20


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def doctor(is_rebuilding: bool, is_thorough: bool, backend: str | None, flow_file: str | None) -> int:
        if backend is not None:
            from asyncflow.cli.examine import examine_backend

            return examine_backend(backend, script.file if script is not None else flow_file)
        if flow_file is not None:
            raise CommandError("A flow is looked at for a platform: add --backend kubernetes, or another one")
        home = known_home()
        terminal.out(f"Store: {home}")
        if is_rebuilding:
            _rebuild(home)
        is_whole = _check_database(home)
        is_whole = _check_directory(home) and is_whole
        is_whole = _check_artifacts(is_thorough=is_thorough) and is_whole
        return ExitCode.OK if is_whole else ExitCode.FAILURE

    parameters: list[click.Parameter] = [
        click.Option(
            ["--rebuild-views", "is_rebuilding"],
            is_flag=True,
            help="Make the views anew from the event log, first.",
        ),
        click.Option(
            ["--thorough", "is_thorough"],
            is_flag=True,
            help="Read every blob and compare it with its digest; that reads the whole store.",
        ),
        click.Option(
            ["--backend"],
            metavar="NAME",
            help="Look in place of the store at a platform: is all there that its steps need?",
        ),
        click.Argument(["flow_file"], required=False, metavar="[FLOW.py]"),
    ]
    return OurCommand(name="doctor", params=parameters, callback=doctor, help=_HELP)


def _rebuild(home: str) -> None:
    from asyncflow.events.doctor import rebuild_views
    from asyncflow.store.layout import DATABASE

    count = rebuild_views(os.path.join(home, DATABASE))
    _good(f"The views of {count} {'run' if count == 1 else 'runs'} were made anew")


def _check_database(home: str) -> bool:
    from asyncflow.events.doctor import Severity, check
    from asyncflow.store.layout import DATABASE

    report = check(os.path.join(home, DATABASE))
    for finding in report.findings:
        if finding.severity is Severity.OK:
            _good(finding.what)
        elif finding.severity is Severity.WARNING:
            _odd(finding.what, finding.hint)
        else:
            _bad(finding.what, finding.hint)
    return report.is_whole


def _check_directory(home: str) -> bool:
    mode = stat.S_IMODE(os.stat(home).st_mode)
    if mode & 0o077:
        _odd(f"Others may look into the store (mode {mode:04o})", f"Keep it to yourself: chmod 700 {home}")
    if not os.access(home, os.W_OK | os.X_OK):
        _bad("The store is read-only: nothing can be run", f"Make it writable: ls -ld {home}")
        return False
    return True


def _check_artifacts(*, is_thorough: bool) -> bool:
    from asyncflow.client.health import check_artifacts

    try:
        with open_store() as store:
            health = check_artifacts(store.artifacts, store.reader, is_thorough=is_thorough)
    except StoreError as error:
        _bad(error.message, error.hint)
        return False
    return _tell_health(health, "read" if is_thorough else "there")


def _tell_health(health: Health, how: str) -> bool:
    if not health.losses:
        _good(f"What finished tasks left is {how} ({health.manifests:,} manifests, {health.blobs:,} blobs)")
        return True
    for loss in health.losses[:_MOST_LOSSES]:
        run, step, *_ = loss.path.split("/")
        again = f"the flow again: asyncflow resume {run}"
        if not step.startswith("_"):
            again = f"the step again: asyncflow resume {run} {step}"
        _bad(f"{loss.path}: {loss.what}", f"Run {again}")
    rest = len(health.losses) - _MOST_LOSSES
    if rest > 0:
        _bad(f"... and {rest:,} more", "")
    return False


def _good(what: str) -> None:
    terminal.out(Span("  ok    ", Style.GREEN), what)


def _odd(what: str, hint: str) -> None:
    terminal.out(Span("  odd   ", Style.YELLOW), what)
    _hint(hint)


def _bad(what: str, hint: str) -> None:
    terminal.out(Span("  lost  ", Style.BOLD_RED), what)
    _hint(hint)


def _hint(hint: str) -> None:
    for line in hint.splitlines():
        terminal.out("        ", line)
