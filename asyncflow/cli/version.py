"""`asyncflow version`."""

from __future__ import annotations

import click

from asyncflow.cli import terminal
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script
from asyncflow.version import __version__

__all__ = ["command", "help_command"]


def command(script: Script | None = None) -> click.Command:
    """Make the command."""
    return OurCommand(name="version", callback=_show, help="Show the version.")


def help_command(script: Script | None = None) -> click.Command:
    """Make the command `help`, Metaflow's words for `--help`."""
    return OurCommand(name="help", callback=_help, help="Show the commands.")


def _help() -> None:
    context = click.get_current_context().parent
    if context is not None:
        terminal.out(context.get_help())


def _show() -> None:
    terminal.out(f"asyncflow {__version__}")
