"""What `python flow.py` does before its command: options that stand in front of it."""

from __future__ import annotations

import click

__all__ = ["attach_first", "first_specs", "importable"]

_SPECS = "asyncflow.with_specs"


def attach_first(with_specs: tuple[str, ...], is_quiet: bool, is_linted: bool) -> None:
    """Keep `--with` for the command that follows. `--quiet` and `--no-pylint` are taken for Metaflow's sake."""
    click.get_current_context().meta[_SPECS] = with_specs


def first_specs(context: click.Context) -> tuple[str, ...]:
    """Return the `--with` specs that stood in front of the command."""
    specs: tuple[str, ...] = context.meta.get(_SPECS, ())
    return specs


def importable(flow_class: type, flow_file: str) -> type:
    """Return the flow's class as others import it, whose objects can be unpickled elsewhere.

    What is pickled in a script names the module `__main__`, which is another module in every other process. So the
    script's file is imported a second time under its own name. A file that cannot be imported stays as it is.
    """
    from asyncflow.errors import AsyncflowError
    from asyncflow.flow.load import load_flow

    try:
        return load_flow(flow_file, flow_class.__name__)
    except AsyncflowError:
        return flow_class
