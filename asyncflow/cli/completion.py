"""`asyncflow completion`: the lines that let a shell complete our commands, options and runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["VARIABLE", "command", "complete", "complete_runs"]

VARIABLE = "_ASYNCFLOW_COMPLETE"
"""Environment variable by which a shell asks for completions."""
_SHELLS = ("bash", "zsh", "fish")
_MOST_RUNS = 20

_HELP = """Write what lets a shell complete asyncflow.

\b
  eval "$(asyncflow completion bash)"                                in ~/.bashrc
  eval "$(asyncflow completion zsh)"                                 in ~/.zshrc
  asyncflow completion fish > ~/.config/fish/completions/asyncflow.fish

Completed are commands, options, files, and the numbers of runs.
"""


def command(script: Script | None = None) -> click.Command:
    """Make the command."""

    def completion(shell: str | None) -> None:
        from click.shell_completion import get_completion_class

        from asyncflow.cli.main import asyncflow_group

        name = shell or os.path.basename(os.environ.get("SHELL", ""))
        kind = get_completion_class(name) if name in _SHELLS else None
        if kind is None:
            raise CommandError(
                f"'{name}' is no shell that can be helped", hint=f"Give one of: {', '.join(_SHELLS)}"
            )
        terminal.out(kind(asyncflow_group(), {}, "asyncflow", VARIABLE).source())

    shell = click.Argument(["shell"], required=False, metavar=f"[{'|'.join(_SHELLS)}]")
    return OurCommand(name="completion", params=[shell], callback=completion, help=_HELP)


def complete(group: click.Group, instruction: str) -> int:
    """Answer a shell; return the exit code."""
    from click.shell_completion import shell_complete

    return shell_complete(group, {}, "asyncflow", VARIABLE, instruction)


def complete_runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the newest runs."""
    from click.shell_completion import CompletionItem

    from asyncflow.cli.reading import open_store
    from asyncflow.errors import AsyncflowError

    try:
        with open_store() as store:
            rows = store.reader.runs(limit=_MOST_RUNS)
    except AsyncflowError:
        return []
    offered = {"latest": "the newest run", **{str(row.run): f"{row.flow}, {row.status}" for row in rows}}
    return [
        CompletionItem(name, help=about) for name, about in offered.items() if name.startswith(incomplete)
    ]
