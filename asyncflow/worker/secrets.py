"""Fetches what `@secrets` asks for, in the task's process, where the values stay.

A provider is a function `(id, options, role) -> {name: value}`. Others than those here are found as entry points of
the group `asyncflow.secrets`, by the name that a source's type says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from asyncflow.errors import ExitCode, UserError
from asyncflow.flow.decorators.secrets import Secrets, SecretSource

__all__ = ["SecretsError", "fetch_secrets", "get_secret"]

Provider = Callable[[str, Mapping[str, Any], str | None], Mapping[str, str]]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KEPT = ("METAFLOW_", "ASYNCFLOW_")
_GROUP = "asyncflow.secrets"


class SecretsError(UserError):
    """A secret cannot be fetched, or cannot be an environment variable. Never says a value."""

    headline = "Secrets cannot be fetched"
    exit_code = ExitCode.FAILURE


def fetch_secrets(decorator: Secrets, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that a step's `@secrets` gives.

    Args:
        decorator: The decorator.
        environment: What is there already.

    Raises:
        SecretsError: A provider is not there or fails, a name is no name, is given twice, or is there already.
    """
    found: dict[str, str] = {}
    for source in decorator.parsed():
        for name, value in _fetched(source).items():
            _check(name, value, source)
            if name in found:
                raise SecretsError(
                    f"Two sources of @secrets have the secret {name}", hint="Keep one of them."
                )
            if name in environment and not decorator.allow_override:
                raise SecretsError(
                    f"The secret {name} of {_place(source)} is an environment variable already",
                    hint="Say @secrets(..., allow_override=True) to replace it.",
                )
            found[name] = value
    return found


def _fetched(source: SecretSource) -> Mapping[str, str]:
    provider = _PROVIDERS.get(source.type) or _plug_in(source)
    try:
        return provider(source.id, source.options, source.role)
    except SecretsError:
        raise
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        raise SecretsError(
            f"The secrets of {_place(source)} cannot be fetched: {type(error).__name__}",
            hint="What the provider said is left out here, as it may hold a secret.",
        ) from None


def _plug_in(source: SecretSource) -> Provider:
    from importlib.metadata import entry_points

    for point in entry_points(group=_GROUP):
        if point.name == source.type:
            provider: Provider = point.load()
            return provider
    known = sorted({*_PROVIDERS, *(point.name for point in entry_points(group=_GROUP))})
    raise SecretsError(
        f"There is no provider of secrets '{source.type}'",
        hint=f"There are {', '.join(known)}. Others are packages with an entry point in {_GROUP}.",
    )


def _inline(_id: str, options: Mapping[str, Any], _role: str | None) -> Mapping[str, str]:
    values = options.get("env_vars")
    if not isinstance(values, Mapping):
        raise SecretsError("Inline secrets have no env_vars", hint='Give options={"env_vars": {...}}.')
    return cast("Mapping[str, str]", values)


def _file(path: str, options: Mapping[str, Any], _role: str | None) -> Mapping[str, str]:
    """Read a file of lines NAME=value; `#` begins a comment, quotes around a value are left out."""
    path = str(options.get("path", path))
    found: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretsError(f"The file of secrets {path} cannot be read: {why}") from None
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise SecretsError(f"Line {number} of the file of secrets {path} is not NAME=value")
        value = value.strip()
        is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name.strip()] = value[1:-1] if is_quoted else value
    return found


_PROVIDERS: dict[str, Provider] = {"file": _file, "inline": _inline}


def _check(name: object, value: object, source: SecretSource) -> None:
    if not isinstance(name, str) or not _NAME.match(name) or name.startswith(_KEPT):
        raise SecretsError(
            f"{_place(source)} has a secret whose name no environment variable can have: {name!r:.60}",
            hint=f"Letters, digits and _ can be; names that begin with {' or '.join(_KEPT)} are kept for others.",
        )
    if not isinstance(value, str) or "\0" in value:
        raise SecretsError(f"The secret {name} of {_place(source)} is no text")


def _place(source: SecretSource) -> str:
    return f"{source.type} {source.id}".strip()


def get_secret(source: str | Mapping[str, Any], role: str | None = None) -> dict[str, str]:
    """Return the secrets of one source, by name: for code that wants them without environment variables.

    Raises:
        SecretsError: They cannot be fetched.
    """
    decorator = Secrets(sources=(source,), role=role, allow_override=True)
    return fetch_secrets(decorator, os.environ)
