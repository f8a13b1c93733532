"""`output-dot` and `output-raw`: `graph` in Metaflow's words."""

from __future__ import annotations

from typing import Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.flow_file import flow_parameters, of_parameters
from asyncflow.cli.graph import as_text
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script

__all__ = ["dot_command", "raw_command"]


def dot_command(script: Script | None = None) -> click.Command:
    """Make `output-dot`."""

    def show(**given: Any) -> None:  # Any: what click parsed
        terminal.out(as_text("dot", of_parameters(script, **given).graph()))

    return OurCommand(
        name="output-dot", params=flow_parameters(script), callback=show, help="Write the graph for Graphviz."
    )


def raw_command(script: Script | None = None) -> click.Command:
    """Make `output-raw`."""

    def show(is_json: bool, **given: Any) -> None:  # Any: what click parsed
        graph = of_parameters(script, **given).graph()
        if is_json:
            import json

            terminal.out(json.dumps({"graph": graph.to_info()}))
            return
        from pprint import pformat

        terminal.out(pformat(graph.to_info()))

    option = click.Option(["--json", "is_json"], is_flag=True, help="As JSON.")
    return OurCommand(
        name="output-raw",
        params=[*flow_parameters(script), option],
        callback=show,
        help="Write all that is known of the graph.",
    )
