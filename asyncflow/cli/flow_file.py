"""The flow a command is about: named by a file, or the script's own.

A script's file is imported once more under its own name: what is pickled in `__main__` cannot be read anywhere else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli.script import Script, first_configs, first_specs
from asyncflow.records import record
from asyncflow.settings import setting

if TYPE_CHECKING:
    from asyncflow.flow.given_configs import GivenConfigs
    from asyncflow.flow.graph import FlowGraph

__all__ = [
    "ChosenFlow",
    "class_option",
    "config_options",
    "flow_parameters",
    "given_configs",
    "load",
    "of_parameters",
    "suffixes_option",
    "with_option",
]


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


def suffixes_option(*, hidden: bool = False) -> click.Option:
    """Make `--package-suffixes`. What it is given holds for whatever this process packs."""

    def use(_context: click.Context, _option: click.Parameter, suffixes: str | None) -> None:
        if suffixes is not None:
            os.environ["ASYNCFLOW_PACKAGE_SUFFIXES"] = suffixes

    return click.Option(
        ["--package-suffixes"],
        metavar="TEXT",
        expose_value=False,
        hidden=hidden,
        callback=use,
        help="More suffixes of files that workers elsewhere get, such as .sql,.json.  [default: .py,.R,.RDS]",
    )


def config_options(*, hidden: bool = False) -> list[click.Option]:
    """Make `--config` and `--config-value`, for flows that have configs."""
    return [
        click.Option(
            ["--config", "config_files"],
            nargs=2,
            multiple=True,
            metavar="NAME FILE",
            hidden=hidden,
            help="Read a Config of the flow from this file. May be repeated.",
        ),
        click.Option(
            ["--config-value", "config_values"],
            nargs=2,
            multiple=True,
            metavar="NAME TEXT",
            hidden=hidden,
            help="Give a Config of the flow as text, such as JSON. May be repeated.",
        ),
    ]


def given_configs(*sources: Mapping[str, Any]) -> GivenConfigs:  # Any: what click parsed
    """Return the configs that options gave, in front of the command and after it.

    Raises:
        ConfigError: One is given twice.
    """
    from asyncflow.flow.given_configs import parse_given

    files = [pair for source in sources for pair in source.get("config_files") or ()]
    values = [pair for source in sources for pair in source.get("config_values") or ()]
    return parse_given(files, values)


def flow_parameters(script: Script | None) -> list[click.Parameter]:
    """Return the arguments of a command that looks at a flow; a script's own flow needs none."""
    if script is not None:
        return [with_option(), *config_options()]
    return [click.Argument(["file"], metavar="FLOW.py"), class_option(), with_option(), *config_options()]


def of_parameters(
    script: Script | None,
    with_specs: Sequence[str],
    file: str | None = None,
    class_name: str | None = None,
    **configs_given: Any,  # Any: what click parsed of `config_options`
) -> ChosenFlow:
    """Return the flow that `flow_parameters` asked for."""
    context = click.get_current_context()
    specs = (*first_specs(context), *with_specs)
    configs = given_configs(first_configs(context), configs_given)
    if script is not None:
        return load(script.file, script.class_name, specs, configs)
    return load(str(file), class_name, specs, configs)


def load(
    path: str,
    class_name: str | None,
    with_specs: Sequence[str],
    configs: GivenConfigs | None = None,
) -> ChosenFlow:
    """Import a flow's file and attach decorators.

    Args:
        path: The file; `file.py:Class` names the class, too.
        class_name: The class, if the file defines several flows.
        with_specs: What `--with` said.
        configs: What the flow's configs are; None: their defaults, and what environment variables say.

    Raises:
        UserError: There is no such file or flow, it cannot be imported, or a decorator does not fit.
    """
    from asyncflow.flow.given_configs import giving
    from asyncflow.flow.load import load_flow

    head, colon, tail = path.rpartition(":")
    if colon and tail.isidentifier() and not os.path.exists(path):
        path, class_name = head, class_name or tail
    with giving(configs):
        flow = ChosenFlow(load_flow(path, class_name), os.path.abspath(path))
        _read_configs(flow, configs)
    specs = (*with_specs, *(setting("DEFAULT_DECOSPECS") or "").split())
    if specs:
        from asyncflow.flow.decorators import attach

        for spec in dict.fromkeys(specs):
            attach(flow.flow_class, spec)
    return flow


def _read_configs(flow: ChosenFlow, configs: GivenConfigs | None) -> None:
    """Read the flow's configs while it is known what was given; one that is missing is told of by who needs it."""
    from asyncflow.flow.config import configs_of
    from asyncflow.flow.given_configs import ConfigError

    known = {config.option_name.lower(): config for config in configs_of(flow.flow_class).values()}
    for name, one in (configs or {}).items():
        if name not in known and not one.is_final:
            listed = ", ".join(config.option_name for config in known.values())
            raise ConfigError(
                f"Flow {flow.name} has no config '{name}'",
                hint=f"It has: {listed}" if known else "It has none at all: leave --config out.",
            )
    for config in known.values():
        if not config.is_missing:
            config.value()
