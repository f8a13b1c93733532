"""The code that a step reaches: its function and, of the user's own modules, what that names, and so on.

Code of installed packages, of the standard library and of asyncflow does not count. What is told of a piece is a digest
that formatting, comments and docstrings do not change, and its source, for people. Names are followed as they stand in
the code; where that cannot be done (a module that is handed on as a value, an import within a function), whole files
count. So a piece too many may be told, and none is left out, but what code finds by other means: `getattr` with a name
made at run time, `importlib`, a plug-in.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import pickle
import sys
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from asyncflow.flow.bytecode import code_digest, imports_of, source_of, text_digest, used_names
from asyncflow.flow.decorators.user import Wrapping
from asyncflow.flow.parameters import ReadOnly
from asyncflow.flow.sources import is_users
from asyncflow.flow.steps import mark_of

__all__ = ["Piece", "reached_code"]

_LITERALS = (str, bytes, int, float, complex, bool, type(None))
_CONTAINERS = (list, tuple, set, frozenset)
_METHODS = (FunctionType, staticmethod, classmethod, property)
_MOST_ITEMS = 10_000


class Piece(NamedTuple):
    """A function, a class's constant, a global value or a file that the step reaches."""

    digest: str
    source: str


def reached_code(flow_class: type, step: str) -> dict[str, Piece]:
    """Return what a step's result depends on in the user's code, by name (`module:qualified.name`)."""
    walk = _Walk(flow_class)
    function = inspect.getattr_static(flow_class, step)
    walk.function(function)
    mark = mark_of(function)
    for decorator in () if mark is None else mark.decorators:
        if isinstance(decorator, Wrapping):
            label = f"decorator {decorator.name}"
            walk.value(label, decorator.wrapper)
            for part in (decorator.attributes(), *vars(type(decorator.wrapper)).values()):
                walk.value(label, part)
    return dict(sorted(walk.pieces.items()))


class _Walk:
    """Follows names from piece to piece; each is looked at once."""

    def __init__(self, flow_class: type) -> None:
        self.pieces: dict[str, Piece] = {}
        self._flow_class = flow_class
        self._directory = os.path.dirname(_file_of(flow_class))
        self._seen: dict[int, object] = {}

    def value(self, label: str, value: Any) -> None:  # Any: whatever a name stands for
        """Look at what a name of the user's stands for."""
        if isinstance(value, _LITERALS):
            self._note(label, text_digest(repr(value)), repr(value))
        elif id(value) not in self._seen:
            self._seen[id(value)] = value
            self._object(label, value)

    def function(self, function: Any) -> None:  # Any: a function, or what wraps one
        """Look at a function, and what it reaches."""
        code = getattr(function, "__code__", None)
        if isinstance(function, FunctionType) and code is not None:
            if is_users(code.co_filename):
                self._note(
                    f"{function.__module__}:{function.__qualname__}", code_digest(code), source_of(code)
                )
                self._names(code, function.__globals__, function.__module__)
                for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
                    self._inner(f"a default of {function.__qualname__}", default)
            for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
                self._cell(f"{function.__qualname__}'s {name}", cell)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.value("what is wrapped", wrapped)

    def file(self, path: str) -> None:
        """Look at a whole file of the user's, and at those it imports."""
        label = os.path.relpath(path, self._directory) if path else ""
        if label in self.pieces or not is_users(path):
            return
        try:
            with open(path, "rb") as file:
                text = file.read()
            code = compile(text, path, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError):
            return
        self._note(label, code_digest(code), text.decode("utf-8", "replace"))
        for name in imports_of(code):
            self._imported(name, os.path.dirname(path))

    # Kinds of values

    def _object(self, label: str, value: Any) -> None:  # Any: as above
        if isinstance(value, ModuleType):
            self.file(getattr(value, "__file__", None) or "")
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, FunctionType) or hasattr(value, "__wrapped__"):
            self.function(value)
        elif isinstance(value, MethodType | staticmethod | classmethod):
            self.value(label, value.__func__)
        elif isinstance(value, property):
            for part in (value.fget, value.fset):
                self._inner(label, part)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, dict(value.keywords)):  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType,reportUnknownMemberType]
                self._inner(label, part)
        elif isinstance(value, (*_CONTAINERS, dict)):
            self._container(label, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            self._instance(label, value)

    def _container(self, label: str, value: Any) -> None:  # Any: a container of anything
        items: Iterable[Any] = value.items() if isinstance(value, dict) else value
        several = list(items)
        if all(_is_plain(item) for item in several[:_MOST_ITEMS]):
            text = repr(sorted(several, key=repr) if isinstance(value, set | frozenset) else several)
            self._note(label, text_digest(text), text[:2000])
            return
        for at, item in enumerate(several[:_MOST_ITEMS]):
            self._inner(f"{label}[{at}]", item)

    def _class(self, kind: type) -> None:
        """Look at a class of the user's: all its methods and constants, and its bases."""
        if kind is self._flow_class or not is_users(_file_of(kind)):
            return
        name = f"{kind.__module__}:{kind.__qualname__}"
        for attribute, value in vars(kind).items():
            if attribute not in _OF_EVERY_CLASS:
                self._inner(f"{name}.{attribute}", value)
        for base in kind.__bases__:
            self._inner(name, base)

    def _instance(self, label: str, value: Any) -> None:  # Any: an object of any class
        self._inner(label, type(value))
        try:
            data = pickle.dumps(value, 5)
        except Exception:  # noqa: BLE001 - it is the user's object; then what it is made of is looked at
            for name, part in getattr(value, "__dict__", {}).items():
                self._inner(f"{label}.{name}", part)
            return
        self._note(
            label, hashlib.blake2b(data, digest_size=20).hexdigest(), f"{label}: {type(value).__qualname__}"
        )

    def _inner(self, label: str, value: Any) -> None:  # Any: as above
        """Look at a part of something, without telling of what is not there."""
        if value is not None:
            self.value(label, value)

    def _cell(self, label: str, cell: Any) -> None:  # Any: a closure's cell
        try:
            self.value(label, cell.cell_contents)
        except ValueError:
            return  # empty

    # Names in code

    def _names(self, code: CodeType, scope: Mapping[str, Any], module: str) -> None:  # Any: a module's names
        for used in used_names(code):
            if used.kind == "import":
                self._imported(used.chain[0], os.path.dirname(code.co_filename))
            elif used.kind == "global" and used.chain[0] in scope:
                self._chain(f"{module}:{used.chain[0]}", scope[used.chain[0]], used.chain[1:])
            elif used.kind == "attribute":
                self._of_flow(used.chain[0])

    def _chain(self, label: str, value: Any, rest: tuple[str, ...]) -> None:  # Any: as above
        """Look at `module.part.part`; at a whole module where nothing is said of what is used of it."""
        while isinstance(value, ModuleType) and rest:
            if not is_users(getattr(value, "__file__", None) or ""):
                return
            label, value, rest = f"{value.__name__}:{rest[0]}", getattr(value, rest[0], None), rest[1:]
        if not isinstance(value, ModuleType) or is_users(getattr(value, "__file__", None) or ""):
            self.value(label, value)

    def _of_flow(self, name: str) -> None:
        """Look at a method or property of the flow that an attribute of this name may be."""
        owners = [owner for owner in self._flow_class.__mro__ if name in vars(owner)]
        for at, owner in enumerate(owners):
            value = vars(owner)[name]
            if isinstance(value, ReadOnly) or (at == 0 and mark_of(value) is not None):
                return  # what a task reads as an artifact; a step that `self.next` names
            if isinstance(value, _METHODS) or hasattr(value, "__wrapped__"):
                self.value(f"{owner.__name__}.{name}", value)
            elif isinstance(value, functools.cached_property):
                self.value(f"{owner.__name__}.{name}", value.func)

    def _imported(self, name: str, directory: str) -> None:
        """Look at a module that is imported while a function runs: its file, or all files of its package."""
        top = name.lstrip(".").partition(".")[0]
        known = sys.modules.get(name.lstrip("."))
        if known is not None and getattr(known, "__file__", None):
            self.file(str(known.__file__))
            return
        for place in dict.fromkeys((directory, *sys.path)):
            single, package = f"{place}/{top}.py", f"{place}/{top}"
            if os.path.isfile(single):
                self.file(single)
                return
            if os.path.isdir(package) and is_users(f"{package}/__init__.py"):
                for parent, _, files in os.walk(package):
                    for file in files:
                        if file.endswith(".py"):
                            self.file(f"{parent}/{file}")
                return

    def _note(self, label: str, digest: str, source: str) -> None:
        """Tell of a piece; of two that have one name, such as a function and what wraps it, the second gets another."""
        while self.pieces.get(label, (digest,))[0] != digest:
            label += "'"
        self.pieces[label] = Piece(digest, source)


def _is_plain(item: object) -> bool:
    if isinstance(item, tuple | list):
        return all(_is_plain(part) for part in item)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(item, _LITERALS)


def _file_of(kind: type) -> str:
    module = sys.modules.get(kind.__module__)
    return getattr(module, "__file__", None) or ""


_OF_EVERY_CLASS = frozenset(
    (
        "__dict__",
        "__weakref__",
        "__module__",
        "__doc__",
        "__qualname__",
        "__annotations__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__slots__",
        "__match_args__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__parameters__",
        "__orig_bases__",
    )
)
