"""`asyncflow version`."""

from __future__ import annotations

import click

from asyncflow.cli import terminal
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script
from asyncflow.version import __version__

__all__ = ["command"]


def command(script: Script | None = None) -> click.Command:
    """Make the command."""
    return OurCommand(name="version", callback=_show, help="Show the version.")


def _show() -> None:
    terminal.out(f"asyncflow {__version__}")
