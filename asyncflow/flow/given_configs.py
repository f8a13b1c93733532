"""Which configs were given from outside: options, environment variables, what an earlier run had."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from asyncflow.errors import UserError

__all__ = [
    "ConfigError",
    "Given",
    "GivenConfigs",
    "given",
    "giving",
    "hand_down",
    "handed_down",
    "parse_given",
]

_FILES = ("ASYNCFLOW_FLOW_CONFIG", "METAFLOW_FLOW_CONFIG")
_VALUES = ("ASYNCFLOW_FLOW_CONFIG_VALUE", "METAFLOW_FLOW_CONFIG_VALUE")
_HANDED_DOWN = "_ASYNCFLOW_CONFIGS"
"""For processes of a run that import the flow anew: its file, and every config's value."""


class ConfigError(UserError):
    """A config is missing, given twice, or cannot be read."""

    headline = "Invalid config"


class Given(NamedTuple):
    """One config as given."""

    file: str | None = None
    text: str | None = None
    value: Any = None  # Any: JSON-like
    is_final: bool = False
    """`value` is what the run has: nothing is read or parsed."""


class GivenConfigs(dict[str, Given]):
    """By name, in lower case."""


_now: list[GivenConfigs] = []


@contextmanager
def giving(configs: GivenConfigs | None) -> Iterator[None]:
    """Let configs of flows that are imported meanwhile have these values."""
    if configs is None:
        yield
        return
    _now.append(configs)
    try:
        yield
    finally:
        _now.pop()


def given(name: str, module_name: str, file: str) -> Given | None:
    """Return what was given for a config of a module; None: nothing, its default counts."""
    key = name.lower()
    if _now:
        if key in _now[-1]:
            return _now[-1][key]
    elif module_name == "__main__":  # the file is being run as a script; it is imported once more later
        on_line = parse_given(*_of_argv(sys.argv[1:]))
        if key in on_line:
            return on_line[key]
    handed = handed_down(file)
    if key in handed:
        return handed[key]
    return _of_environment().get(key)


def parse_given(files: Sequence[tuple[str, str]], values: Sequence[tuple[str, str]]) -> GivenConfigs:
    """Read `--config NAME FILE` and `--config-value NAME TEXT`.

    Raises:
        ConfigError: One is given twice.
    """
    found = GivenConfigs()
    pairs = [(name, Given(file=file)) for name, file in files]
    pairs += [(name, Given(text=text)) for name, text in values]
    for name, one in pairs:
        if name.lower() in found:
            raise ConfigError(
                f"Config '{name}' is given twice", hint="Keep one --config or --config-value of it."
            )
        found[name.lower()] = one
    return found


def handed_down(file: str) -> GivenConfigs:
    """Return the configs of the run that this process belongs to, if it is of this file."""
    text = os.environ.get(_HANDED_DOWN)
    if not text:
        return GivenConfigs()
    import json  # a run without configs keeps it out of its tasks' memory

    of, values = json.loads(text)
    if os.path.abspath(file) != of:
        return GivenConfigs()
    return GivenConfigs({name: Given(value=value, is_final=True) for name, value in values.items()})


def hand_down(file: str, values: Mapping[str, Any]) -> None:  # Any: JSON-like
    """Let processes that this one starts have the same configs when they import the flow's file."""
    if values:
        import json

        os.environ[_HANDED_DOWN] = json.dumps([os.path.abspath(file), dict(values)])


def _of_argv(argv: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    files: list[tuple[str, str]] = []
    values: list[tuple[str, str]] = []
    for at, word in enumerate(argv[:-2]):
        if word in ("--config", "--config-value"):
            (files if word == "--config" else values).append((argv[at + 1], argv[at + 2]))
    return files, values


def _of_environment() -> GivenConfigs:
    files = _mapping_in(_FILES)
    values = _mapping_in(_VALUES)
    if not files and not values:
        return GivenConfigs()
    import json

    as_texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()
    }
    return parse_given([(name, str(path)) for name, path in files.items()], list(as_texts.items()))


def _mapping_in(variables: Sequence[str]) -> Mapping[str, Any]:
    for variable in variables:
        text = os.environ.get(variable)
        if not text:
            continue
        import json

        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ConfigError(
                f"{variable} is not a JSON object of config names", hint='Write it like {"name": ...}.'
            )
        return found
    return {}
