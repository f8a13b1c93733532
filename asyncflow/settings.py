"""Settings: environment variables, and configuration files that stand for them.

`ASYNCFLOW_X` wins over `METAFLOW_X`, and the environment over a file. A file is JSON, names with their prefix to
values: the nearest `.asyncflow/config.json` or `.metaflow/config.json` upwards from the working directory, else one in
the user's configuration directory. With a profile P (`ASYNCFLOW_PROFILE`, `METAFLOW_PROFILE`) it is `config_P.json`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from asyncflow.errors import UserError

__all__ = ["SettingsError", "apply_files", "flag", "setting"]

_PREFIXES = ("ASYNCFLOW_", "METAFLOW_")
_DIRECTORIES = (".asyncflow", ".metaflow")
_FALSE = ("0", "", "false")


class SettingsError(UserError):
    """A configuration file is missing or cannot be read."""

    headline = "Invalid configuration"


def setting(name: str, default: str | None = None) -> str | None:
    """Return the value of `ASYNCFLOW_name`, else of `METAFLOW_name`, else the default; an empty one counts as none."""
    for prefix in _PREFIXES:
        value = os.environ.get(f"{prefix}{name}")
        if value:
            return value
    return default


def flag(name: str, *, default: bool = False) -> bool:
    """Return a setting as yes or no: `0`, `false` and nothing are no."""
    for prefix in _PREFIXES:
        value = os.environ.get(f"{prefix}{name}")
        if value is not None:
            return value.lower() not in _FALSE
    return default


def apply_files() -> None:
    """Put what the configuration file says into the environment, where that says nothing itself. Safe to repeat.

    Raises:
        SettingsError: A profile is asked for and there is no file for it, or the file is not what it should be.
    """
    profile = setting("PROFILE")
    path = _find(f"config_{profile}.json" if profile else "config.json")
    if path is not None:
        _apply(path)
    elif profile:
        places = ", ".join(dict.fromkeys(os.path.dirname(one) for one in _homes("config.json")))
        raise SettingsError(
            f"There is no configuration of profile '{profile}'",
            hint=f"It would be a file config_{profile}.json in a directory {' or '.join(_DIRECTORIES)} here or above, "
            f"or in {places}.",
        )


def _apply(path: str) -> None:
    import json  # only for those who have a file

    try:
        with open(path, encoding="utf-8") as file:
            values: Any = json.load(file)  # Any: what the user wrote
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The configuration cannot be read: {error}",
            where=path,
            hint='It is JSON like {"METAFLOW_USER": "ada"}.',
        ) from error
    if not isinstance(values, dict):
        raise SettingsError("The configuration is no JSON object", where=path)
    for name, value in values.items():  # pyright: ignore[reportUnknownVariableType] - the user's
        bare = str(name).partition("_")[2]  # pyright: ignore[reportUnknownArgumentType]
        if not str(name).startswith(_PREFIXES):  # pyright: ignore[reportUnknownArgumentType]
            continue
        if all(f"{prefix}{bare}" not in os.environ for prefix in _PREFIXES):
            os.environ[str(name)] = value if isinstance(value, str) else json.dumps(value)  # pyright: ignore[reportUnknownArgumentType]


def _find(name: str) -> str | None:
    return next((path for path in (*_upwards(name), *_homes(name)) if os.path.isfile(path)), None)


def _upwards(name: str) -> Iterator[str]:
    directory = os.getcwd()
    while True:
        for part in _DIRECTORIES:
            yield os.path.join(directory, part, name)
        parent = os.path.dirname(directory)
        if parent == directory:
            return
        directory = parent


def _homes(name: str) -> Iterator[str]:
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield os.path.join(own, "asyncflow", name)
    yield os.path.join(os.path.expanduser(os.environ.get("METAFLOW_HOME") or "~/.metaflowconfig"), name)
