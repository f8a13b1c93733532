"""The flow a command is about: named by a file, or the script's own.

A script's file is imported once more under its own name: what is pickled in `__main__` cannot be read anywhere else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from asyncflow.cli.script import Script, first_specs
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.flow.graph import FlowGraph

__all__ = ["ChosenFlow", "class_option", "flow_parameters", "load", "of_parameters", "with_option"]


@record(kw_only=False)
class ChosenFlow:
    """A flow and where it comes from."""

    flow_class: type
    file: str
    """Absolute path."""

    @property
    def name(self) -> str:
        """The flow's name."""
        return self.flow_class.__name__

    def graph(self) -> FlowGraph:
        """Return the graph as written. Raises FlowLoadError if its source cannot be read."""
        from asyncflow.flow.parse import parse_flow

        return parse_flow(self.flow_class)

    def checked_graph(self) -> FlowGraph:
        """Return the graph, which keeps every rule. Raises LintError if it does not."""
        from asyncflow.flow.lint import check

        graph = self.graph()
        check(graph)
        return graph


def class_option() -> click.Option:
    """Make `--class`, for files that define several flows."""
    return click.Option(
        ["--class", "class_name"], metavar="NAME", help="The flow's class, if the file defines several."
    )


def with_option() -> click.Option:
    """Make `--with`."""
    return click.Option(
        ["--with", "with_specs"],
        multiple=True,
        metavar="SPEC",
        help="Put a decorator on every step that lacks it, such as retry or retry:times=4. May be repeated.",
    )


def flow_parameters(script: Script | None) -> list[click.Parameter]:
    """Return the arguments of a command that looks at a flow; a script's own flow needs none."""
    if script is not None:
        return [with_option()]
    return [click.Argument(["file"], metavar="FLOW.py"), class_option(), with_option()]


def of_parameters(
    script: Script | None, with_specs: Sequence[str], file: str | None = None, class_name: str | None = None
) -> ChosenFlow:
    """Return the flow that `flow_parameters` asked for."""
    specs = (*first_specs(click.get_current_context()), *with_specs)
    if script is not None:
        return load(script.file, script.class_name, specs)
    return load(str(file), class_name, specs)


def load(path: str, class_name: str | None, with_specs: Sequence[str]) -> ChosenFlow:
    """Import a flow's file and attach decorators.

    Args:
        path: The file; `file.py:Class` names the class, too.
        class_name: The class, if the file defines several flows.
        with_specs: What `--with` said.

    Raises:
        UserError: There is no such file or flow, it cannot be imported, or a decorator does not fit.
    """
    from asyncflow.flow.load import load_flow

    head, colon, tail = path.rpartition(":")
    if colon and tail.isidentifier() and not os.path.exists(path):
        path, class_name = head, class_name or tail
    flow = ChosenFlow(load_flow(path, class_name), os.path.abspath(path))
    if with_specs:
        from asyncflow.flow.decorators import attach

        for spec in with_specs:
            attach(flow.flow_class, spec)
    return flow
