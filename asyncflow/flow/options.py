"""Parameters as options of the command line, and the values a run starts with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from asyncflow.flow.config import configs_of, plain_configs
from asyncflow.flow.errors import ParameterError, ParameterFieldError, ParameterTypeError
from asyncflow.flow.include_file import IncludeFile
from asyncflow.flow.parameters import JSONType, Parameter, parameters_of
from asyncflow.records import field, record
from asyncflow.users import user_name as login_name

__all__ = [
    "DefaultContext",
    "ParameterOption",
    "click_options",
    "click_type",
    "destination",
    "given_values",
    "resolve_parameters",
]

_ENVIRONMENT_PREFIXES = ("ASYNCFLOW_RUN_", "METAFLOW_RUN_")
"""The first that is set wins."""


@record
class DefaultContext:
    """What a function given as a parameter's default is called with."""

    flow_name: str
    user_name: str
    parameter_name: str
    logger: Any  # Any: a function of a text, as Metaflow passes
    ds_type: str = "local"
    configs: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: the user's


class _JSONText(click.ParamType):
    """JSON on the command line; a value that is not a text is taken as it is."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        import json  # a run keeps it out of its tasks' memory

        try:
            return json.loads(value)
        except ValueError as error:
            self.fail(f"{value!r:.200} is not JSON: {error}", param, ctx)


class _SeparatedText(click.ParamType):
    """A text that is split into a list."""

    name = "text"

    def __init__(self, separator: str) -> None:
        self.separator = separator

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value.split(self.separator) if isinstance(value, str) else value


class ParameterOption(click.Option):
    """The option of a flow's parameter. `given_values` finds its value in click's `params`."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        shows_default = parameter.show_default and parameter.default is not None
        static: dict[str, Any] = {}  # to newer clicks an explicit default=None is a value that was given
        if parameter.default is not None and not parameter.has_computed_default:
            static["default"] = parameter.default
        super().__init__(
            [f"--{parameter.name}", destination(parameter)],
            type=click_type(parameter),
            required=parameter.required,
            show_default="computed" if shows_default and parameter.has_computed_default else shows_default,
            help=parameter.help,
            envvar=[prefix + _environment_name(parameter) for prefix in _ENVIRONMENT_PREFIXES],
            is_flag=False,
            **static,
        )


def destination(parameter: Parameter) -> str:
    """Return the name under which click hands over a parameter's value; never that of another option."""
    return f"parameter_{parameter.attribute}"


def _environment_name(parameter: Parameter) -> str:
    return parameter.name.replace("-", "_").upper()


def click_type(parameter: Parameter) -> click.ParamType:
    """Return the click type that converts a parameter's value."""
    kind = parameter.type
    if isinstance(parameter, IncludeFile):
        return click.Path()
    if kind is JSONType:
        return _JSONText()
    if parameter.separator is not None:
        return _SeparatedText(parameter.separator)
    try:
        return click.types.convert_type(kind)
    except (TypeError, AssertionError, AttributeError):
        raise parameter.error(
            f"Parameter '{parameter.name}' has the type {kind!r:.100}, which no option can have",
            hint="Use str, int, float, bool, JSONType or a click type.",
        ) from None


def click_options(flow_class: type) -> list[click.Option]:
    """Return one option per parameter of the flow, in the order `--help` shows them.

    Raises:
        ParameterError: Two parameters share an option, or a type is none.
    """
    return [ParameterOption(parameter) for parameter in parameters_of(flow_class).values()]


def given_values(flow_class: type, params: Mapping[str, Any]) -> dict[str, Any]:  # Any: converted by click
    """Pick the values of the flow's parameters out of what click parsed, by attribute name."""
    return {
        parameter.attribute: params[destination(parameter)]
        for parameter in parameters_of(flow_class).values()
        if params.get(destination(parameter)) is not None
    }


def resolve_parameters(
    flow_class: type, values: Mapping[str, Any], *, user: str | None = None
) -> dict[str, object]:
    """Return every parameter's value by attribute name: given, else the default, else None; and every config's.

    Functions given as defaults are called and files of IncludeFile read, once. Blocks.

    Args:
        flow_class: The flow.
        values: Given values by option name or attribute name; None means not given. Texts are converted.
        user: Told to functions given as defaults. None: the one of the process.

    Raises:
        ParameterError: A value is unknown, missing or does not fit.
        ParameterFieldError: A function given as a default raised an exception.
        ParameterTypeError: A function given as a default returned another type.
        ConfigError: A config is missing, or cannot be read.
    """
    parameters = parameters_of(flow_class)
    given = _by_attribute(flow_class, parameters, values)
    resolved: dict[str, object] = {}
    for attribute, parameter in parameters.items():
        value = given.get(attribute)
        if value is None and parameter.has_computed_default:
            value = _computed(flow_class, parameter, user)
        elif value is None:
            value = parameter.default
        if value is None and parameter.required:
            raise parameter.error(
                f"Missing parameter --{parameter.name}", hint=f"Add --{parameter.name} VALUE to the command."
            )
        resolved[attribute] = None if value is None else _converted(parameter, value)
    return {**resolved, **plain_configs(flow_class)}


def _by_attribute(
    flow_class: type, parameters: Mapping[str, Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    names: dict[str, str] = {}
    for attribute, parameter in parameters.items():
        names |= {parameter.name: attribute, parameter.name.replace("-", "_"): attribute}
    names |= {attribute: attribute for attribute in parameters}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name in names:
            given[names[name]] = value
        else:
            raise ParameterError(
                f"Flow {flow_class.__name__} has no parameter '{name}'", hint=_suggestion(name, parameters)
            )
    return given


def _suggestion(name: str, parameters: Mapping[str, Parameter]) -> str:
    import difflib  # for this message only

    known = [parameter.name for parameter in parameters.values()]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"It has: {', '.join(known)}" if known else "It has no parameters."


def _converted(parameter: Parameter, value: Any) -> object:
    if isinstance(parameter, IncludeFile):
        return parameter.read(os.fspath(value))
    try:
        return click_type(parameter).convert(value, None, None)
    except click.ClickException as error:
        raise parameter.error(
            f"Invalid value for --{parameter.name}: {error.format_message().removeprefix('Invalid value: ')}",
            hint=f"Give --{parameter.name} another value.",
        ) from None


def _computed(flow_class: type, parameter: Parameter, user: str | None) -> Any:
    import logging  # 3 ms, and a lock to mend in every forked task; seldom needed

    context = DefaultContext(
        flow_name=flow_class.__name__,
        user_name=user or login_name(),
        parameter_name=parameter.name,
        logger=logging.getLogger("asyncflow.parameters").info,
        configs={config.option_name: config.value() for config in configs_of(flow_class).values()},
    )
    try:
        value = parameter.default(context)
    except Exception as error:  # the user's function may raise anything
        raise parameter.error(
            f"The function given as default of parameter '{parameter.name}' raised "
            f"{type(error).__name__}: {error!s:.500}",
            hint=f"Correct it, or give --{parameter.name}. It is called with one argument, the context.",
            kind=ParameterFieldError,
        ) from error
    if value is not None and not _fits(parameter, value):
        wanted = getattr(parameter.type, "__name__", repr(parameter.type))
        raise parameter.error(
            f"The function given as default of parameter '{parameter.name}' returned {value!r:.100}, which is "
            f"{type(value).__name__} and not {wanted}",
            hint="Return a value of the parameter's type.",
            kind=ParameterTypeError,
        )
    return value


def _fits(parameter: Parameter, value: object) -> bool:
    kind = parameter.type
    if isinstance(parameter, IncludeFile):
        return isinstance(value, str | os.PathLike)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (int, bool, str):
        return type(value) is kind
    return True
