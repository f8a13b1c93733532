"""What an error looks like on the screen, and what the command exits with."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from asyncflow.cli import terminal
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import AsyncflowError, ExitCode, InternalError, UserError

__all__ = ["CommandError", "NotFoundError", "shown_place", "tell"]


class CommandError(UserError):
    """A command cannot do what it was asked to, for a reason the option parser cannot see."""

    headline = "Invalid command"


class NotFoundError(UserError):
    """No run, step, task or artifact of this name."""

    headline = "Object not found"


def tell(error: BaseException, *, program: str) -> int:
    """Say on stderr what went wrong; return the exit code.

    Args:
        error: What a command raised.
        program: What was typed, such as `asyncflow` or `python flow.py`.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        terminal.err("Interrupted.")
        return ExitCode.INTERRUPTED
    if isinstance(error, click.ClickException):
        _tell_usage(error)
        return ExitCode.USAGE
    if isinstance(error, AsyncflowError) and not isinstance(error, InternalError):
        _tell_ours(error)
        return error.exit_code
    _tell_crash(error, program)
    return ExitCode.FAILURE


def shown_place(where: str) -> str:
    """Return `file:line` with the file as one would type it here."""
    path, colon, rest = where.partition(":") if not where.startswith(os.sep) else _split_line(where)
    if not os.path.isabs(path):
        return where
    near = os.path.relpath(path)
    return f"{path if near.startswith('..') else near}{colon}{rest}"


def _split_line(where: str) -> tuple[str, str, str]:
    path, colon, rest = where.rpartition(":")
    return (path, colon, rest) if rest.isdigit() else (where, "", "")


def _tell_usage(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        terminal.err(error.format_message())  # the help is all there is to say
        return
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        terminal.err(context.get_usage())
    terminal.err(Span("Error: ", Style.BOLD_RED), error.format_message())
    if isinstance(context, click.Context):
        terminal.err(f"Try '{context.command_path} --help' for help.")


def _tell_ours(error: AsyncflowError) -> None:
    terminal.err(Span(f"{error.headline}:", Style.BOLD_RED))
    for line in error.message.splitlines():
        terminal.err("    ", line)
    if error.where:
        terminal.err("    at ", shown_place(error.where), ":" if error.source else "")
    if error.source:
        terminal.err("        ", Span(error.source, Style.CYAN))
    for line in error.hint.splitlines():
        terminal.err("    ", line)


def _tell_crash(error: BaseException, program: str) -> None:
    told = InternalError(
        str(error) if isinstance(error, InternalError) else f"{type(error).__name__}: {error!s:.500}",
        hint=f"{_kept_story(error)}\nPlease report it with that file. What ran is recorded: see {program} runs",
    )
    _tell_ours(told)


def _kept_story(error: BaseException) -> str:
    """Write the traceback to a file; say where it is. Names what was called, never the values it was given."""
    import tempfile  # only for crashes

    from asyncflow.version import __version__

    story = [
        f"asyncflow {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n",
        f"command: {' '.join(_command_words(sys.argv[1:]))}\n\n",
        *traceback.format_exception(error),
    ]
    try:
        handle, path = tempfile.mkstemp(prefix="asyncflow-crash-", suffix=".txt", text=True)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(story)
    except OSError as why:
        return f"The traceback could not be kept ({why.strerror}):\n{''.join(story)}"
    return f"The traceback is in {path}"


def _command_words(argv: Sequence[str]) -> list[str]:
    """Return the command and the names of options; what they were given may be secret."""
    from asyncflow.cli.group import COMMANDS

    return [word.partition("=")[0] for word in argv if word.startswith("--") or word in COMMANDS][:20]
