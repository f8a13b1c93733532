"""Parameters and class constants: what a run is told from outside, and what stays the same during it.

Both are read-only in a task. A Parameter's artifact has the name of the class variable, its option the name given.
Nothing here imports click, which costs 30 ms; `options` does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from asyncflow.flow.errors import ParameterError
from asyncflow.flow.steps import has_mutators
from asyncflow.flow.waiting import is_waiting

__all__ = [
    "RESERVED_ATTRIBUTES",
    "RESERVED_NAMES",
    "Constant",
    "JSONType",
    "Parameter",
    "ReadOnly",
    "constants_of",
    "is_constant",
    "parameters_of",
    "seal_constants",
]

RESERVED_NAMES = frozenset(
    {
        "params",
        "with",
        "tag",
        "namespace",
        "obj",
        "tags",
        "decospecs",
        "notify",
        "run-id-file",
        "max-num-splits",
        "async-workers",
        "max-async",
        "max-workers",
        "max-log-size",
        "user-namespace",
        "run-id",
        "task-id",
        "runner-attribute-file",
        "help",
        "ui",
        "keep-going",
        "k8s-template",
        "spot-retries",
        "isolation",
        "failure-grace",
        "class",
        "cache",
        "no-cache",
    }
)
"""Names that are options of `run` already; dashes and underscores are the same."""

RESERVED_ATTRIBUTES = frozenset(
    {"name", "next", "input", "index", "cmd", "foreach_stack", "merge_artifacts", "script_name"}
)
"""Attributes that every flow has already."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_READ_ONLY = "Flow level attributes and Parameters are not modifiable"


class _JSON:
    """The type of a parameter whose value is written as JSON and is any Python value made of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "JSONType"


JSONType = _JSON()


class ReadOnly:
    """What is read-only once a task runs: a parameter or a constant. A plain flow object may set it (in tests)."""

    attribute = ""

    def __set__(self, flow: Any, value: Any) -> None:  # Any: a FlowSpec; the user's value
        if flow._binding is not None:
            raise AttributeError(f"{_READ_ONLY}: {flow.name}.{self.attribute}")
        flow.__dict__[self.attribute] = value

    def __delete__(self, flow: Any) -> None:
        if flow._binding is not None or self.attribute not in flow.__dict__:
            raise AttributeError(f"{_READ_ONLY}: {flow.name}.{self.attribute}")
        del flow.__dict__[self.attribute]


class Constant(ReadOnly):
    """A plain class attribute of a flow. The class shows the value itself; a task shows what the run began with."""

    def __init__(self, attribute: str, value: Any) -> None:
        self.attribute = attribute
        self.value = value

    def __get__(self, flow: Any, owner: type) -> Any:
        if flow is None:
            return self.value
        try:
            return flow.__dict__[self.attribute]
        except KeyError:
            pass
        if flow._binding is None:
            return self.value
        try:
            value = flow._binding.load(self.attribute)
        except KeyError:
            return self.value
        flow.__dict__[self.attribute] = value
        return value


class Parameter(ReadOnly):
    """A value given to a run from outside: `alpha = Parameter("alpha", default=0.1)`, then `self.alpha`.

    Args:
        name: Name of the option, `--name`.
        default: Value when none is given, or a function of a context object that returns it. None: no value.
        type: `str`, `int`, `float`, `bool`, `JSONType` or a click type. None: the default's type, else `str`.
        help: Text for `--help`.
        required: A value must be given. Ignored where there is a default.
        show_default: Show the default in `--help`.
        separator: For texts: split the value at it into a list.

    Raises:
        ParameterError: The declaration is wrong.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,
        help: str | None = None,
        required: bool | None = None,
        show_default: bool | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.where = _where_declared()
        self.attribute = ""
        self.default: Any = None
        given = {"default": default, "type": type, "help": help, "required": required}
        given |= {"show_default": show_default, **options}
        self._waiting = (
            given if is_waiting(given) else None
        )  # for configs of the class, which is not there yet
        if self._waiting is None:
            self._declare(given)

    def _declare(self, options: dict[str, Any]) -> None:
        default, required = options.pop("default"), options.pop("required")
        self.default = default
        kind = options.pop("type")
        self.type = _default_type(default) if kind is None else kind
        self.help: str | None = options.pop("help")
        show_default = options.pop("show_default")
        self.show_default = True if show_default is None else show_default
        self.separator: str | None = options.pop("separator", None)
        self.required = bool(required) and default is None
        self._check_declaration(required, options)

    @property
    def has_computed_default(self) -> bool:
        """The default is a function, called when the run starts."""
        return callable(self.default)

    def __set_name__(self, owner: type, attribute: str) -> None:
        if self._waiting is not None:
            from asyncflow.flow.config import now  # only for parameters made of configs

            self._declare(now(self._waiting, owner))
            self._waiting = None
        self.attribute = attribute

    def __get__(self, flow: Any, owner: type) -> Any:
        if flow is None:
            return self
        try:
            return flow.__dict__[self.attribute]
        except KeyError:
            return flow.__getattr__(self.attribute)

    def error(
        self, message: str, *, hint: str = "", kind: Callable[..., ParameterError] = ParameterError
    ) -> ParameterError:
        """Make an error that points to the parameter's declaration."""
        return kind(message, where=self.where, hint=hint)

    def _check_declaration(self, required: object, options: dict[str, Any]) -> None:
        name = self.name
        if options:
            raise self.error(
                f"Parameter {name!r} has an unknown option '{next(iter(options))}'",
                hint="Known are default, type, help, required, show_default and separator.",
            )
        if not isinstance(name, str) or not _NAME.match(name):
            raise self.error(
                f"{name!r:.100} cannot be the name of a parameter",
                hint="Use letters, digits, '-' and '_', beginning with a letter.",
            )
        if name.replace("_", "-").lower() in RESERVED_NAMES:
            raise self.error(
                f"Parameter name '{name}' is reserved: `run` has an option of this name",
                hint="Choose another name.",
            )
        if (required is not None and callable(required)) or callable(self.show_default):
            raise self.error(f"Parameter '{name}': only default may be a function")
        if self.separator is not None and (self.type is not str or not isinstance(self.separator, str)):
            raise self.error(
                f"Parameter '{name}' has a separator, which is for texts only",
                hint="Use type=str, or type=JSONType to give a list of other values.",
            )
        self._check_default()

    def _check_default(self) -> None:
        default, kind = self.default, self.type
        if default is None or callable(default) or isinstance(default, str) or kind is JSONType:
            return
        fits = {
            str: isinstance(default, list) and self.separator is not None,
            int: isinstance(default, int) and not isinstance(default, bool),
            float: isinstance(default, int | float) and not isinstance(default, bool),
            bool: isinstance(default, bool),
        }
        if kind in (str, int, float, bool) and not fits[kind]:
            raise self.error(
                f"Parameter '{self.name}' is of type {kind.__name__}, but its default {default!r:.100} is "
                f"{default.__class__.__name__}",
                hint="Make the two agree.",
            )


def _default_type(default: object) -> object:
    if isinstance(default, list | dict):
        return JSONType
    if default is None or callable(default):
        return str
    return type(default)


def _where_declared() -> str:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("asyncflow."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_constant(name: str, value: object) -> bool:
    """Tell whether a class attribute is a constant of the flow: public, and neither class nor descriptor."""
    if name.startswith("_") or isinstance(value, type):
        return False
    return isinstance(value, Constant) or not hasattr(type(value), "__get__")


def seal_constants(flow_class: type, root: type) -> None:
    """Make the class's constants read-only in tasks.

    Args:
        flow_class: A class just made.
        root: `FlowSpec`, whose own attributes are no constants.

    Raises:
        ParameterError: A constant has the name of something every flow has already.
    """
    sealed: dict[str, None] = {}
    for owner in flow_class.__mro__:
        if owner in root.__mro__:
            continue
        for name, value in list(vars(owner).items()):
            if name in sealed:
                continue
            sealed[name] = None
            if isinstance(value, Parameter) and name in RESERVED_ATTRIBUTES:
                raise value.error(
                    f"A parameter cannot be the class variable '{name}', which every flow has already",
                    hint=f"Call it another name, such as {name}_ = Parameter({value.name!r}, ...)",
                )
            if isinstance(value, Constant) or not is_constant(name, value):
                continue
            if name in RESERVED_ATTRIBUTES:
                raise ParameterError(
                    f"Flow {flow_class.__name__} sets '{name}', which every flow has already",
                    hint="Choose another name.",
                )
            setattr(flow_class, name, Constant(name, value))


def constants_of(flow_class: type) -> dict[str, object]:
    """Return the flow's class constants by name, in the order written, base classes first."""
    constants: dict[str, object] = {}
    for owner in reversed(flow_class.__mro__):
        if owner.__module__ in ("builtins", "asyncflow.flow.spec"):
            continue
        for name, value in vars(owner).items():
            constants.pop(name, None)
            if is_constant(name, value):
                constants[name] = value.value if isinstance(value, Constant) else value
    return constants


def parameters_of(flow_class: type, *, is_mutated: bool = True) -> dict[str, Parameter]:
    """Return the flow's parameters by attribute name, in the order of those names, as `--help` shows them.

    With those that its mutators add, unless they are asked for as written.

    Raises:
        ParameterError: Two have the same option name (upper and lower case count as the same).
    """
    if is_mutated and has_mutators(flow_class):
        from asyncflow.flow.mutators import pre_mutate  # only for flows that have some

        pre_mutate(flow_class)
    found: dict[str, Parameter] = {}
    for owner in reversed(flow_class.__mro__):
        for attribute, value in vars(owner).items():
            if isinstance(value, Parameter):
                found[attribute] = value
            else:
                found.pop(attribute, None)
    by_option: dict[str, str] = {}
    for attribute, parameter in sorted(found.items()):
        option = parameter.name.replace("_", "-").lower()
        if option in by_option:
            raise parameter.error(
                f"Two parameters of flow {flow_class.__name__} share the option --{parameter.name}: "
                f"{by_option[option]} and {attribute}",
                hint="Give one of them another name.",
            )
        by_option[option] = attribute
    return dict(sorted(found.items()))
