"""A flow's own file as the program: `python flow.py COMMAND`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import click

__all__ = ["Script", "first_configs", "first_flow_options", "first_specs", "keep_specs"]

_SPECS = "asyncflow.with_specs"
_CONFIGS = "asyncflow.configs"
_FLOW_OPTIONS = "asyncflow.flow_options"


class Script(NamedTuple):
    """The file that was started, and its flow."""

    file: str
    class_name: str


def keep_specs(
    with_specs: tuple[str, ...],
    is_quiet: bool,
    is_linted: bool,
    config_files: tuple[tuple[str, str], ...] = (),
    config_values: tuple[tuple[str, str], ...] = (),
    **flow_options: Any,  # Any: what click parsed
) -> None:
    """Keep `--with`, configs and the options of the flow's decorators for the command that follows.

    `--quiet` and `--no-pylint` are taken for Metaflow's sake.
    """
    kept = click.get_current_context().meta
    kept[_SPECS] = with_specs
    kept[_CONFIGS] = {"config_files": config_files, "config_values": config_values}
    kept[_FLOW_OPTIONS] = flow_options


def first_configs(context: click.Context) -> Mapping[str, Any]:  # Any: as click parsed it
    """Return the configs that were given in front of the command."""
    configs: Mapping[str, Any] = context.meta.get(_CONFIGS, {})
    return configs


def first_specs(context: click.Context) -> tuple[str, ...]:
    """Return the `--with` specs that stood in front of the command."""
    specs: tuple[str, ...] = context.meta.get(_SPECS, ())
    return specs


def first_flow_options(context: click.Context) -> Mapping[str, Any]:  # Any: as click parsed it
    """Return what stood in front of the command of the options that the flow's decorators bring: those given."""
    options: Mapping[str, Any] = context.meta.get(_FLOW_OPTIONS, {})
    return {name: value for name, value in options.items() if value}
