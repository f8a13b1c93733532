"""A flow's own file as the program: `python flow.py COMMAND`."""

from __future__ import annotations

from typing import NamedTuple

import click

__all__ = ["Script", "first_specs", "keep_specs"]

_SPECS = "asyncflow.with_specs"


class Script(NamedTuple):
    """The file that was started, and its flow."""

    file: str
    class_name: str


def keep_specs(with_specs: tuple[str, ...], is_quiet: bool, is_linted: bool) -> None:
    """Keep `--with` for the command that follows. `--quiet` and `--no-pylint` are taken for Metaflow's sake."""
    click.get_current_context().meta[_SPECS] = with_specs


def first_specs(context: click.Context) -> tuple[str, ...]:
    """Return the `--with` specs that stood in front of the command."""
    specs: tuple[str, ...] = context.meta.get(_SPECS, ())
    return specs
