"""`asyncflow check`: is the graph right?"""

from __future__ import annotations

from typing import Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.flow_file import flow_parameters, of_parameters
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

__all__ = ["command"]

_HELP = """Check a flow's graph without running it.

Reads the source of every step and tries each rule a graph must keep: that steps exist, that splits are joined, that
nothing loops. The first rule that is broken is shown with its place and what to write instead; then it exits with 1.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def check(**given: Any) -> None:  # Any: what click parsed
        flow = of_parameters(script, **given)
        terminal.err(f"Validating {flow.name}...")
        flow.checked_graph()
        terminal.err(Span("    The graph looks good!", Style.GREEN))

    return OurCommand(name="check", params=flow_parameters(script), callback=check, help=_HELP)
