"""`asyncflow graph`: a flow's graph for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.flow_file import flow_parameters, of_parameters
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script

if TYPE_CHECKING:
    from asyncflow.flow.graph import FlowGraph, StepInfo

__all__ = ["as_text", "command"]

_HELP = """Write a flow's graph as dot, Mermaid or JSON.

  asyncflow graph flow.py | dot -Tsvg > flow.svg
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def graph(form: str, **given: Any) -> None:  # Any: what click parsed
        terminal.out(as_text(form, of_parameters(script, **given).graph()))

    choice = click.Option(
        ["--format", "form"],
        type=click.Choice(list(_FORMATS)),
        default="dot",
        show_default=True,
        help="dot for Graphviz, mermaid for Markdown, json for everything that is known of each step.",
    )
    return OurCommand(
        name="graph",
        params=[*flow_parameters(script), choice],
        callback=graph,
        help=_HELP.replace("\n\n", "\n\n\b\n", 1),
    )


def as_text(form: str, graph: FlowGraph) -> str:
    """Return a graph as `dot`, `mermaid` or `json`."""
    return _FORMATS[form](graph)


def _dot(graph: FlowGraph) -> str:
    lines = [
        f"digraph {graph.name} {{",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans"];',
    ]
    for info in graph.steps.values():
        shape = ", shape=hexagon" if info.condition is not None else ""
        lines.append(f'  {info.name} [label="{info.name}"{shape}];')
    for info in graph.steps.values():
        for target in info.targets:
            label = _edge_label(info, target).replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f"  {info.name} -> {target}" + (f' [label="{label}"];' if label else ";"))
    return "\n".join([*lines, "}"])


def _mermaid(graph: FlowGraph) -> str:
    lines = ["flowchart LR"]
    for name, info in graph.steps.items():
        opened, closed = ("{{", "}}") if info.condition is not None else ("(", ")")
        lines.append(f'  {_mermaid_id(name)}{opened}"{name}"{closed}')
    for name, info in graph.steps.items():
        for target in info.targets:
            label = _edge_label(info, target).replace('"', "#quot;")
            arrow = f'-- "{label}" -->' if label else "-->"
            lines.append(f"  {_mermaid_id(name)} {arrow} {_mermaid_id(target)}")
    return "\n".join(lines)


def _json(graph: FlowGraph) -> str:
    return json.dumps({"flow": graph.name, **graph.to_info()}, indent=2)


def _mermaid_id(name: str) -> str:
    return f"{name}_" if name == "end" else name  # `end` is a keyword


def _edge_label(info: StepInfo, target: str) -> str:
    if info.foreach is not None:
        return f"each of {info.foreach}"
    if info.num_parallel is not None:
        return f"{info.num_parallel} at once"
    return " | ".join(str(case) for case, name in info.cases.items() if name == target)


_FORMATS: Mapping[str, Callable[[FlowGraph], str]] = {"dot": _dot, "mermaid": _mermaid, "json": _json}
