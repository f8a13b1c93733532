"""Which of the ways to show a run is meant by `--ui auto`."""

from __future__ import annotations

import os
import sys

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError

__all__ = ["chosen_ui"]

_DUMB = ("", "dumb", "unknown")
_NO = ("", "0", "false", "no")


def chosen_ui(asked: str) -> str:
    """Return what to show a run with: `tui`, `plain`, `json` or `none`.

    `auto` is the dashboard when somebody sits at a terminal that can show it: input and output are one, TERM says
    that it can move its cursor, and this is no CI job.

    Raises:
        CommandError: The dashboard is asked for, and there is no terminal.
    """
    has_terminal = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
    if asked == "tui" and not has_terminal:
        raise CommandError(
            "--ui tui: the dashboard needs a terminal, for input and for output",
            hint="Leave --ui out, or take --ui plain.",
        )
    if asked != "auto":
        return asked
    is_ci = os.environ.get("CI", "").lower() not in _NO
    can_move = os.environ.get("TERM", "") not in _DUMB
    return "tui" if has_terminal and can_move and not is_ci else "plain"
