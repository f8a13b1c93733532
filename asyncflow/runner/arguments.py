"""From keyword arguments to the options of `asyncflow run` and `resume`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["BEFORE_OPTIONS", "RUN_OPTIONS", "SPIN_OPTIONS", "checked", "parameter_arguments", "to_arguments"]

_LISTS = {"tags": "--tag", "decospecs": "--with", "trigger": "--trigger"}
_PAIRS = {"config": "--config", "config_value": "--config-value"}
_VALUES = {
    "max_workers": "--max-workers",
    "max_async": "--max-async",
    "async_workers": "--async-workers",
    "max_num_splits": "--max-num-splits",
    "failure_grace": "--failure-grace",
    "isolation": "--isolation",
    "max_log_size": "--max-log-size",
    "class_name": "--class",
    "branch": "--branch",
    "user_namespace": "--namespace",
    "namespace": "--namespace",
    "runner_attribute_file": "--runner-attribute-file",
    "artifacts_module": "--artifacts-module",
}
_FLAGS = {
    "keep_going": "--keep-going",
    "production": "--production",
    "cache": "--cache",
    "skip_decorators": "--skip-decorators",
}
_NOTHING = ("run_id_file",)
"""Of no option here: the runner itself says where the run's id is written."""

_OF_SPIN = ("artifacts_module", "skip_decorators")
SPIN_OPTIONS = (*_OF_SPIN, "persist", "isolation", "max_log_size", "runner_attribute_file", *_NOTHING)
"""What `spin` takes."""
RUN_OPTIONS = tuple(
    name
    for name in (*_LISTS, *_VALUES, *_FLAGS, *_NOTHING)
    if name not in (*_OF_SPIN, "trigger", "branch", "production")
)
"""What `run` and `resume` take beside a flow's parameters."""
BEFORE_OPTIONS = {
    "decospecs": None,
    "class_name": None,
    "config": None,
    "config_value": None,
    "branch": None,
    "production": None,
    "trigger": None,
    "environment": ("local",),
    "metadata": ("local",),
    "datastore": ("local",),
    "pylint": (True, False),
    "quiet": (True, False),
}
"""What `Runner` takes, as Metaflow's top-level options; with values, the only ones that mean something here."""
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
}


def to_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return the options as arguments of a command; those that are None are left out."""
    found: list[str] = []
    for name, value in options.items():
        if value is None or name in _NOTHING or (name in _FLAGS and not value):
            continue
        if name in _FLAGS:
            found.append(_FLAGS[name])
        elif name in _PAIRS:
            for key, item in dict(value).items():
                found += [_PAIRS[name], str(key), item if isinstance(item, str) else json.dumps(item)]
        elif name in _LISTS:
            for item in [value] if isinstance(value, str) else list(value):
                found += [_LISTS[name], str(item)]
        else:
            found += [_VALUES[name], str(value)]
    return found


def checked(given: Iterable[str], allowed: Sequence[str], of: str) -> None:
    """See that all names are known. Raises ValueError listing those that are."""
    unknown = [name for name in given if name not in allowed]
    if unknown:
        raise ValueError(f"{of} takes no '{unknown[0]}'. It takes: {', '.join(allowed)}")


def parameter_arguments(parameters: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> list[str]:
    """Return a flow's parameters as arguments.

    Args:
        parameters: The flow's, as `asyncflow graph --format json` tells them.
        given: Values by name.

    Raises:
        ValueError: There is no parameter of that name.
        TypeError: A value is of another type than the parameter.
    """
    by_name = {str(parameter["name"]): parameter for parameter in parameters}
    by_name |= {str(parameter["option"]).replace("-", "_"): parameter for parameter in parameters}
    checked(given, [*by_name, *RUN_OPTIONS], "This flow")
    found: list[str] = []
    for name, value in given.items():
        parameter = by_name[name]
        wanted = _TYPES.get(str(parameter["type"]))
        is_wrong_bool = isinstance(value, bool) and wanted is not None and bool not in wanted
        if wanted is not None and value is not None and (is_wrong_bool or not isinstance(value, wanted)):
            kind = type(value).__name__
            raise TypeError(
                f"Parameter '{name}' is of type {parameter['type']}, and {value!r:.100} is a {kind}"
            )
        if value is not None:
            found += [f"--{parameter['option']}", _text(value)]
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return str(value)
