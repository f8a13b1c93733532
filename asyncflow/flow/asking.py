"""What code finds without naming it: by `getattr` with a name made when it runs, by `importlib`, in docstrings."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import CodeType, ModuleType
from typing import Any

from asyncflow.flow.bytecode import Use
from asyncflow.flow.definitions import getattr_names

__all__ = ["Asks", "asked_names", "asks_of"]

_BUILTINS = frozenset(("eval", "exec", "globals", "vars", "locals", "__import__"))
_MODULES = frozenset(("importlib", "pkgutil", "runpy", "pickle", "dill", "cloudpickle", "joblib", "inspect"))
_IMPORTING = frozenset(("importlib", "pkgutil", "runpy", "__import__"))
_ATTRIBUTES = frozenset(("__subclasses__", "__dict__", "__getattribute__", "__globals__", "modules"))
_TEXTUAL = frozenset(("__doc__", "__annotations__", "inspect", "get_type_hints"))
_BY_NAME = (operator.attrgetter, operator.methodcaller)


class Asks(StrEnum):
    """What code may find."""

    FOR_ANY_NAME = "name"
    """Anything in the user's modules that are imported."""
    FOR_ANY_FILE = "file"
    """Modules that are not imported yet, too."""
    FOR_TEXT = "text"
    """Docstrings, annotations, sources."""


def asks_of(
    code: CodeType, uses: Iterable[Use], scope: Mapping[str, Any]
) -> set[Asks]:  # Any: a module's names
    """Return what code asks for, that of nested functions too."""
    asks: set[Asks] = set()
    for kind, chain in uses:
        words = {chain[0], _origin(scope.get(chain[0]))} if kind != "attribute" else set[str]()
        if words & (_BUILTINS | _MODULES) or not _ATTRIBUTES.isdisjoint(chain) or _is_by_name(chain, scope):
            asks.add(Asks.FOR_ANY_NAME)
        if words & _IMPORTING:
            asks.add(Asks.FOR_ANY_FILE)
        if not _TEXTUAL.isdisjoint((*chain, *words)):
            asks.add(Asks.FOR_TEXT)
        if kind == "global" and chain[0] == "getattr" and getattr_names(code) is None:
            asks.add(Asks.FOR_ANY_NAME)
    return asks


def asked_names(code: CodeType) -> Sequence[str]:
    """Return the names that code gives to `getattr` as they are written."""
    return (getattr_names(code) or ()) if "getattr" in code.co_names else ()


def _origin(value: object) -> str:
    """Return the module that a value comes from; its top, without the underscore of what is written in C."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return name.partition(".")[0].lstrip("_") if isinstance(name, str) else ""


def _is_by_name(chain: tuple[str, ...], scope: Mapping[str, Any]) -> bool:  # Any: as above
    value = scope.get(chain[0])
    if isinstance(value, ModuleType) and len(chain) > 1:
        value = vars(value).get(chain[1])
    return any(value is one for one in _BY_NAME)
