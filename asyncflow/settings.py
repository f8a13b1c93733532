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

__all__ = [
    "PREFIXES",
    "SettingsError",
    "apply_files",
    "file_in_effect",
    "file_of_user",
    "flag",
    "read_file",
    "setting",
]

PREFIXES = ("ASYNCFLOW_", "METAFLOW_")
"""What the names of settings begin with; the first wins."""
_DIRECTORIES = (".asyncflow", ".metaflow")
_FALSE = ("0", "", "false")


class SettingsError(UserError):
    """A configuration file is missing or cannot be read."""

    headline = "Invalid configuration"


def setting(name: str, default: str | None = None) -> str | None:
    """Return the value of `ASYNCFLOW_name`, else of `METAFLOW_name`, else the default; an empty one counts as none."""
    for prefix in PREFIXES:
        value = os.environ.get(f"{prefix}{name}")
        if value:
            return value
    return default


def flag(name: str, *, default: bool = False) -> bool:
    """Return a setting as yes or no: `0`, `false` and nothing are no."""
    for prefix in PREFIXES:
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
    path = file_in_effect(profile)
    if path is not None:
        _apply(path)
    elif profile:
        places = ", ".join(dict.fromkeys(os.path.dirname(one) for one in _homes("config.json")))
        raise SettingsError(
            f"There is no configuration of profile '{profile}'",
            hint=f"It would be a file config_{profile}.json in a directory {' or '.join(_DIRECTORIES)} here or above, "
            f"or in {places}.",
        )


def file_in_effect(profile: str | None = None) -> str | None:
    """Return the configuration file that counts here; None if there is none."""
    return _find(_name(profile))


def file_of_user(profile: str | None = None) -> str:
    """Return the file in the user's own directories: the one that is there, else where one would be made."""
    places = list(_homes(_name(profile)))
    return next((path for path in places if os.path.isfile(path)), places[0])


def read_file(path: str) -> dict[str, Any]:  # Any: what the user wrote
    """Return what a configuration file says, names with their prefix. Raises SettingsError."""
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
    known: dict[Any, Any] = values  # Any: as above
    return {str(name): value for name, value in known.items() if str(name).startswith(PREFIXES)}


def _apply(path: str) -> None:
    import json  # as above

    for name, value in read_file(path).items():
        bare = name.partition("_")[2]
        if all(f"{prefix}{bare}" not in os.environ for prefix in PREFIXES):
            os.environ[name] = value if isinstance(value, str) else json.dumps(value)


def _name(profile: str | None) -> str:
    return f"config_{profile}.json" if profile else "config.json"


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
