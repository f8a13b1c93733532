"""`asyncflow show`: a flow's steps in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.flow_file import flow_parameters, of_parameters
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script
from asyncflow.cli.terminal import Span, Style

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["command"]

_HELP = """Show a flow's steps, what they do, where they lead.

Every step with its docstring and the steps that follow it, in the order of the graph.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def show(**given: Any) -> None:  # Any: what click parsed
        graph = of_parameters(script, **given).graph()
        terminal.out(Span(graph.name, Style.BOLD))
        _show_text(graph.doc)
        for info in graph.steps.values():
            _show_step(info)

    return OurCommand(name="show", params=flow_parameters(script), callback=show, help=_HELP)


def _show_step(info: StepInfo) -> None:
    terminal.out()
    terminal.out("Step ", Span(info.name, Style.BOLD))
    _show_text(info.doc)
    for limit in _limits(info):
        terminal.out(f"    {limit}")
    if info.targets:
        terminal.out("    ", Span("=> ", Style.CYAN), ", ".join(info.targets), _how(info))


def _show_text(text: str) -> None:
    for line in text.splitlines():
        terminal.out(f"    {line}" if line else "")


def _limits(info: StepInfo) -> Iterator[str]:
    """Say what the step's decorators cap, over all runs on the machine."""
    from asyncflow.flow.decorators.limits import Concurrency, RateLimit

    for decorator in info.decorators:
        if isinstance(decorator, Concurrency | RateLimit):
            with_others = f", together with all that has the key {decorator.key}" if decorator.key else ""
            yield f"At most {decorator.words}{with_others}."


def _how(info: StepInfo) -> str:
    """Say in a few words how a step hands on, where that is not plain."""
    if info.foreach is not None:
        return f"  (once for each of {info.foreach})"
    if info.condition is not None:
        return f"  (by {info.condition})"
    if info.num_parallel is not None:
        return f"  ({info.num_parallel} at once)"
    return ""
