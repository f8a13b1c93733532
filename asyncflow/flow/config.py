"""`Config`: settings of a flow from a file, known before anything else, so that decorators can be made of them.

A config is read when it is first looked at, which may be in the class body: `@resources(cpu=config.cpu)`. What was
given on the command line is therefore put ready before the flow's file is imported (`given_configs`). Where the config
is not known yet, because a decorator stands above the class or the config is in a base class, `config_expr` keeps the
expression until the class is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from asyncflow.flow.config_value import plain, wrapped
from asyncflow.flow.given_configs import ConfigError, Given, given
from asyncflow.flow.parameters import ReadOnly
from asyncflow.flow.waiting import Waiting

__all__ = ["Config", "ConfigExpression", "config_expr", "configs_of", "now", "plain_configs"]

_MISSING = object()


class Config(ReadOnly):
    """Settings from a file: `config = Config("config", default="config.json")`, then `self.config.alpha`.

    Args:
        name: As `--config NAME FILE` and `--config-value NAME TEXT` say it; upper and lower case are the same.
        default: The file where none is given, or a function of a context object that returns it.
        default_value: The value where none is given, a mapping or a text, or a function that returns it.
        help: Text for people.
        required: A value must be given.
        parser: Function of the text, or its dotted name, that returns a mapping. None: the text is JSON.
        plain: The value is what the parser returns, or the text, and need be no mapping.

    Raises:
        ConfigError: Both defaults are given. Later, when it is read: it is missing, or cannot be parsed.
    """

    def __init__(
        self,
        name: str,
        default: str | Callable[[Any], str] | None = None,
        default_value: Any = None,
        help: str | None = None,
        required: bool | None = None,
        parser: Callable[[str], Any] | str | None = None,
        *,
        plain: bool = False,
    ) -> None:
        frame = sys._getframe(1)
        self._name = name
        self._default = default
        self._default_value = default_value
        self._help = help
        self._required = bool(required)
        self._parser = parser
        self._plain = plain
        self._module = str(frame.f_globals.get("__name__", ""))
        self._file = frame.f_code.co_filename
        self._where = f"{self._file}:{frame.f_lineno}"
        self._flow_name = ""
        self._read: Any = _MISSING
        self.attribute = ""
        if default is not None and default_value is not None:
            raise self._error(f"Config '{name}' has both a default and a default_value", "Keep one of them.")

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute
        self._flow_name = owner.__name__

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        found = flow.__dict__.get(self.attribute, _MISSING)
        if found is _MISSING:
            found = self.value() if flow._binding is None else flow.__getattr__(self.attribute)
            found = flow.__dict__[self.attribute] = found if self._plain else wrapped(found)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.value()
        if name == "name" and "name" not in (value or ()):
            return self._name
        try:
            return getattr(value, name)
        except AttributeError as error:
            raise AttributeError(f"Config '{self._name}': {error}") from None

    def __getitem__(self, key: Any) -> Any:
        return self.value()[key]

    def __iter__(self) -> Any:
        return iter(self.value())

    def __len__(self) -> int:
        return len(self.value())

    def __contains__(self, key: object) -> bool:
        return key in self.value()

    def keys(self) -> Any:
        """Return its keys, so that `**config` works."""
        return self.value().keys()

    def __repr__(self) -> str:
        return f"<config {self._name}>"

    @property
    def option_name(self) -> str:
        """The name that `--config` knows it by."""
        return self._name

    @property
    def is_missing(self) -> bool:
        """It must be given, and is not."""
        has_default = self._default is not None or self._default_value is not None
        is_read = self._read is not _MISSING
        return (
            self._required
            and not (has_default or is_read)
            and given(self._name, self._module, self._file) is None
        )

    def value(self) -> Any:
        """Return what it holds; reads and parses it the first time. None: nothing is given, and nothing need be.

        Raises:
            ConfigError: It is missing, or cannot be read or parsed.
        """
        if self._read is _MISSING:
            found = self._find()
            self._read = found if self._plain else wrapped(found)
        return self._read

    def _find(self) -> Any:
        one = given(self._name, self._module, self._file)
        if one is not None:
            return one.value if one.is_final else self._of_given(one)
        if self._default is not None:
            path = self._default(self._context()) if callable(self._default) else self._default
            return self._parsed(self._text_of(os.fspath(path)), f"its default, {path}")
        default = self._default_value
        default = default(self._context()) if callable(default) else default
        if default is not None:
            return self._parsed(default, "its default value") if isinstance(default, str) else default
        if self._required:
            raise self._error(
                f"Config '{self._name}' is missing",
                f"Give a file, --config {self._name} FILE, or a value, --config-value {self._name} TEXT.",
            )
        return None

    def _of_given(self, one: Given) -> Any:
        if one.file is not None:
            return self._parsed(self._text_of(one.file), one.file)
        return self._parsed(one.text or "", f"--config-value {self._name}")

    def _text_of(self, path: str) -> str:
        beside = os.path.join(os.path.dirname(os.path.abspath(self._file)), path)
        is_default_beside = not os.path.exists(path) and self._default is not None and os.path.exists(beside)
        try:
            with open(beside if is_default_beside else path, encoding="utf-8") as file:
                return file.read()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise self._error(
                f"Config '{self._name}' cannot be read from {path}: {why}",
                f"Give another file: --config {self._name} FILE.",
            ) from error

    def _parsed(self, text: str, source: str) -> Any:
        try:
            value = self._parse(text)
        except ConfigError:
            raise
        except Exception as error:
            raise self._error(
                f"Config '{self._name}' cannot be parsed ({source}): {type(error).__name__}: {error!s:.300}",
                "Correct the text, or the Config's parser.",
            ) from error
        if not self._plain and not isinstance(value, Mapping):
            raise self._error(
                f"Config '{self._name}' ({source}) is {type(value).__name__}, not a mapping",
                'Write an object, such as {"alpha": 0.1}, or declare it with plain=True.',
            )
        return value

    def _parse(self, text: str) -> Any:
        if self._parser is None:
            import json  # a run without configs keeps it out of its tasks' memory

            return text if self._plain else json.loads(text)
        parser = _imported(self._parser, self._module) if isinstance(self._parser, str) else self._parser
        return parser(text)

    def _context(self) -> Any:
        from asyncflow.flow.options import DefaultContext
        from asyncflow.users import user_name

        return DefaultContext(
            flow_name=self._flow_name, user_name=user_name(), parameter_name=self._name, logger=print
        )

    def _error(self, message: str, hint: str) -> ConfigError:
        return ConfigError(message, where=self._where, hint=hint)


class ConfigExpression(Waiting):
    """An expression over configs that waits for the class it is used in."""

    def __init__(self, text: str, scope: Mapping[str, Any]) -> None:
        self._text = text
        self._scope = scope

    def __getattr__(self, name: str) -> ConfigExpression:
        if name.startswith("__"):
            raise AttributeError(name)
        return ConfigExpression(f"({self._text}).{name}", self._scope)

    def __getitem__(self, key: Any) -> ConfigExpression:
        return ConfigExpression(f"({self._text})[{key!r}]", self._scope)

    def __repr__(self) -> str:
        return f"config_expr({self._text!r})"

    def _evaluate(self, names: Mapping[str, Any]) -> Any:
        try:
            return eval(self._text, dict(self._scope), _Names(names))  # noqa: S307 - the user's own program
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"config_expr({self._text!r}) raised {type(error).__name__}: {error!s:.300}",
                hint="It can use the flow's configs by their names, and what its file defines.",
            ) from error


class _Names(dict[str, Any]):
    """Names of an expression; configs by what they hold."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        return value.value() if isinstance(value, Config) else value


def config_expr(expression: str) -> Any:  # Any: the value, or what will be it
    """Return the value of an expression over the flow's configs: `@resources(cpu=config_expr("config.cpu * 2"))`.

    Raises:
        ConfigError: It cannot be evaluated.
    """
    frame: FrameType | None = sys._getframe(1)
    assert frame is not None
    found = ConfigExpression(expression, frame.f_globals)
    if "__qualname__" not in frame.f_locals:
        return found
    names = {name: value for name, value in frame.f_locals.items() if isinstance(value, Config)}
    names |= {config.option_name: config for config in names.values()}
    import ast  # for expressions only
    import builtins

    roots = {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
    is_known = all(name in names or name in frame.f_globals or hasattr(builtins, name) for name in roots)
    return plain(found._evaluate(names)) if is_known else found


def now(value: Any, flow_class: type) -> Any:  # Any: the user's value
    """Return a value, evaluated if it is an expression that waited for the class."""
    if isinstance(value, ConfigExpression):
        names: dict[str, Any] = {}
        for attribute, config in configs_of(flow_class).items():
            names |= {config.option_name: config, attribute: config}
        return plain(value._evaluate(names))
    if isinstance(value, dict) and type(value) is dict:
        return {key: now(item, flow_class) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(now(item, flow_class) for item in value)
    return value


def configs_of(flow_class: type) -> dict[str, Config]:
    """Return a flow's configs by attribute name, base classes first."""
    found: dict[str, Config] = {}
    for owner in reversed(flow_class.__mro__):
        for attribute, value in vars(owner).items():
            if isinstance(value, Config):
                found[attribute] = value
            else:
                found.pop(attribute, None)
    return found


def plain_configs(flow_class: type) -> dict[str, Any]:
    """Return the values of a flow's configs by attribute name, as they are stored.

    Raises:
        ConfigError: One is missing, or cannot be read.
    """
    return {attribute: plain(config.value()) for attribute, config in configs_of(flow_class).items()}


def _imported(dotted: str, package: str) -> Callable[[str], Any]:
    import importlib  # for parsers by name only

    module, _, name = dotted.rpartition(".")
    base = package.rpartition(".")[0] if dotted.startswith(".") else None
    found: Callable[[str], Any] = getattr(importlib.import_module(module or package, base), name)
    return found
