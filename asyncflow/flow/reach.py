"""The code that a step reaches: its function and, of the user's own modules, what that names, and so on.

Code of installed packages, of the standard library and of asyncflow does not count, but for the versions of packages.
What is told of a piece is a digest that formatting, comments and docstrings do not change, and its source, for people.

Names are followed as they stand in the code. Where that cannot be done, more counts, never less:

- a module that is handed on as a value, an import within a function: the whole file, and what that imports;
- names that are made when the code runs (`getattr` with a variable, `globals`, `eval`, `pickle`): all modules of the
  user's; with `importlib`, all Python files beside the flow;
- `__doc__`, `__annotations__`, `inspect`: the text of all those modules;
- statements of the user's modules that act when they are imported (`flow/definitions.py`), always.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import io
import os
import sys
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, NamedTuple

from asyncflow.flow.asking import Asks, asked_names, asks_of
from asyncflow.flow.bytecode import code_digest, imports_of, nested_codes, source_of, text_digest, used_names
from asyncflow.flow.decorators.user import Wrapping
from asyncflow.flow.definitions import (
    acts_of,
    bodies_of,
    compiled,
    file_of,
    modules_below,
    python_files,
)
from asyncflow.flow.parameters import ReadOnly
from asyncflow.flow.pieces import LITERALS, WRAPPERS, NamingPickler, is_plain, slots_of, wrapped_in
from asyncflow.flow.sources import is_users, is_users_place
from asyncflow.flow.steps import MARK, mark_of

__all__ = ["Piece", "code_of", "reached_code"]

_CONTAINERS = frozenset((list, tuple, set, frozenset, dict, MappingProxyType))
_METHODS = (FunctionType, staticmethod, classmethod, property)
_MOST_ITEMS = 10_000
"""Longer containers are looked at as a whole."""


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
    walk.finish()
    return dict(sorted(walk.pieces.items()))


def code_of(flow_class: type, name: str) -> str | None:
    """Return a digest of what a class or function reaches, as `module:qualified.name`; None if there is none.

    With an empty qualified name: of a module's file and what that imports, whether it has been imported or not.
    """
    module, _, qualified = name.partition(":")
    walk = _Walk(flow_class)
    if qualified:
        try:
            found: Any = functools.reduce(
                inspect.getattr_static, qualified.split("."), sys.modules[module]
            )  # Any: whatever
        except (KeyError, AttributeError):
            return None
        walk.value(name, found.__func__ if isinstance(found, staticmethod | classmethod) else found)
    else:
        walk.imported(module, os.path.dirname(file_of(flow_class)))
    walk.finish(is_part=True)
    pieces = {label: piece.digest for label, piece in walk.pieces.items()}
    return text_digest(repr(sorted(pieces.items()))) if pieces else None


class _Walk:
    """Follows names from piece to piece; each is looked at once."""

    def __init__(self, flow_class: type) -> None:
        self.pieces: dict[str, Piece] = {}
        self._flow_class = flow_class
        self._directory = os.path.dirname(file_of(flow_class))
        self._seen: dict[int, object] = {}
        self._asks: set[Asks] = set()

    def finish(self, *, is_part: bool = False) -> None:
        """Look at what counts besides what was named.

        Args:
            is_part: Not at what counts for every step.
        """
        modules = modules_below(self._flow_class.__module__)
        for module in () if is_part else modules:
            self._acts(module)
        if Asks.FOR_ANY_NAME in self._asks:
            for module in modules:
                self.file(str(module.__file__))
        if Asks.FOR_ANY_FILE in self._asks:
            for path in python_files(self._directory):
                self.file(path)
        if Asks.FOR_TEXT in self._asks:
            for module in modules:
                self._text(str(module.__file__))

    def value(self, label: str, value: Any) -> None:  # Any: whatever a name stands for
        """Look at what a name of the user's stands for."""
        if type(value) in LITERALS:
            self._note(label, text_digest(repr(value)), repr(value))
        elif id(value) not in self._seen:
            self._seen[id(value)] = value
            self._object(label, value)

    def function(self, function: Any) -> None:  # Any: a function, or what wraps one
        """Look at a function, and what it reaches."""
        code = getattr(function, "__code__", None)
        if isinstance(function, FunctionType) and code is not None:
            if is_users(code.co_filename):
                name = f"{function.__module__}:{function.__qualname__}"
                self._note(name, code_digest(code), source_of(code))
                self._names(code, function.__globals__, function.__module__)
                for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
                    self._inner(f"a default of {function.__qualname__}", default)
                for key, value in vars(function).items():
                    if key not in (MARK, "__wrapped__"):
                        self._inner(f"{name}.{key}", value)
            else:
                self._package(function.__module__)
            for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
                self._cell(f"{function.__qualname__}'s {name}", cell)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.value("what is wrapped", wrapped)

    def file(self, path: str) -> None:
        """Look at a whole file of the user's, and at those it imports."""
        label = os.path.relpath(path, self._directory) if path else ""
        if label in self.pieces or not path or not is_users_place(path):
            return
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            return
        code = compiled(path)
        if code is None:  # an extension in machine code, or no Python
            digest = hashlib.blake2b(text, digest_size=20).hexdigest()
            self._note(label, digest, f"{len(text):,} bytes")
            return
        self._note(label, code_digest(code), text.decode("utf-8", "replace"))
        for inner in nested_codes(code):
            self._asks |= asks_of(inner, used_names(inner), {})
        for name in imports_of(code):
            self.imported(name, os.path.dirname(path))

    def imported(self, name: str, directory: str) -> None:
        """Look at a module that is imported while a function runs: its file, or all files of its package."""
        top = name.lstrip(".").partition(".")[0]
        known = sys.modules.get(name.lstrip("."))
        if known is not None and getattr(known, "__file__", None):
            self._module(known)
            return
        for place in dict.fromkeys((directory, self._directory, *sys.path)):
            single, package = f"{place}/{top}.py", f"{place}/{top}"
            if os.path.isfile(single):
                self.file(single)
                return
            if os.path.isdir(package) and is_users(f"{package}/__init__.py"):
                for path in python_files(package):
                    self.file(path)
                return

    # Kinds of values

    def _object(self, label: str, value: Any) -> None:  # Any: as above
        if isinstance(value, ModuleType):
            self._module(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, FunctionType) or hasattr(value, "__wrapped__"):
            self.function(value)
        elif isinstance(value, WRAPPERS):
            for part in wrapped_in(value):
                self._inner(label, part)
        elif type(value) in _CONTAINERS:
            self._container(label, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            self._instance(label, value)

    def _module(self, module: ModuleType) -> None:
        """Look at a module as a whole: its file, and the plain values that its names have now, whoever set them."""
        path = getattr(module, "__file__", None) or ""
        if not is_users_place(path):
            self._package(module.__name__)
            return
        self.file(path)
        for name, value in list(vars(module).items()):
            if not name.startswith("__") and (type(value) in LITERALS or type(value) in _CONTAINERS):
                self.value(f"{module.__name__}:{name}", value)

    def _container(self, label: str, value: Any) -> None:  # Any: a container of anything
        items: Iterable[Any] = value.items() if isinstance(value, dict | MappingProxyType) else value
        several = list(items)
        if all(map(is_plain, several)):
            text = repr(sorted(several, key=repr) if isinstance(value, set | frozenset) else several)
            self._note(label, text_digest(text), text[:2000])
        elif len(several) <= _MOST_ITEMS or not self._as_a_whole(label, several):
            for at, item in enumerate(several):
                self._inner(f"{label}[{at}]", item)

    def _class(self, kind: type) -> None:
        """Look at a class of the user's: its body, all its methods and constants, and its bases."""
        if kind is self._flow_class:
            return
        path = file_of(kind)
        if not is_users(path):
            self._package(kind.__module__)
            self.file(path)  # if it is an extension of the user's
            return
        name = f"{kind.__module__}:{kind.__qualname__}"
        scope = vars(sys.modules[kind.__module__])
        for body in bodies_of(kind):
            self._note(f"class {name}", code_digest(body), source_of(body))
            self._names(body, scope, kind.__module__)
        for attribute, value in vars(kind).items():
            if attribute not in _OF_EVERY_CLASS:
                self._inner(f"{name}.{attribute}", value)
        for other in (type(kind), *kind.__bases__):
            self._inner(name, other)

    def _instance(self, label: str, value: Any) -> None:  # Any: an object of any class
        self._inner(label, type(value))
        if isinstance(value, BuiltinFunctionType):
            self._inner(label, sys.modules.get(value.__module__ or ""))
        if self._as_a_whole(label, value):
            return
        for name in (*getattr(value, "__dict__", {}), *slots_of(type(value))):
            self._inner(f"{label}.{name}", getattr(value, name, None))

    def _as_a_whole(self, label: str, value: Any) -> bool:  # Any: as above
        """Look at what an object is pickled as, and at the functions and classes in it; False if it cannot be."""
        sink = io.BytesIO()
        pickler = NamingPickler(sink, 5)
        try:
            pickler.dump(value)
        except Exception:  # noqa: BLE001 - it is the user's object; then what it is made of is looked at
            return False
        digest = hashlib.blake2b(sink.getbuffer(), digest_size=20).hexdigest()
        self._note(label, digest, f"{label}: {type(value).__qualname__}")
        for part in pickler.named.values():
            self._inner(label, part)
        return True

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
        uses = list(used_names(code))
        self._asks |= asks_of(code, uses, scope)
        for used in uses:
            if used.kind == "import":
                self.imported(used.chain[0], os.path.dirname(code.co_filename))
            elif used.kind == "global" and used.chain[0] in scope:
                self._chain(f"{module}:{used.chain[0]}", scope[used.chain[0]], used.chain[1:])
            elif used.kind == "attribute":
                self._of_flow(used.chain[0])
        for name in asked_names(code):
            self._of_flow(name)

    def _chain(self, label: str, value: Any, rest: tuple[str, ...]) -> None:  # Any: as above
        """Look at `module.part.part`; at a whole module where nothing is said of what is used of it."""
        is_others = False
        while isinstance(value, ModuleType) and rest:
            if not is_users_place(getattr(value, "__file__", None) or ""):
                self._package(value.__name__)
                is_others = True
            label, value, rest = f"{value.__name__}:{rest[0]}", getattr(value, rest[0], None), rest[1:]
        if value is self._flow_class and rest:
            self._inner(f"{label}.{rest[0]}", vars(value).get(rest[0]))
        if not is_others or type(value) in LITERALS or isinstance(value, ModuleType | FunctionType):
            self.value(
                label, value
            )  # of what others keep (`os.environ`, `sys.path`) nobody knows what counts

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

    # What is not named

    def _acts(self, module: ModuleType) -> None:
        acts = acts_of(str(module.__file__))
        if acts is not None:
            self._note(f"statements of {module.__name__}", text_digest(acts.text), acts.text)
            self._names(acts.code, vars(module), module.__name__)

    def _text(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            return
        label = f"text of {os.path.relpath(path, self._directory)}"
        digest = hashlib.blake2b(text, digest_size=20).hexdigest()
        self._note(label, digest, text.decode("utf-8", "replace"))

    def _package(self, module: str) -> None:
        """Look at the version of an installed package."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "asyncflow" or f"package {top}" in self.pieces:
            return
        version = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
        if isinstance(version, str):
            self._note(f"package {top}", text_digest(version), version)

    def _note(self, label: str, digest: str, source: str) -> None:
        """Tell of a piece; of two that have one name, such as a function and what wraps it, the second gets another."""
        while self.pieces.get(label, (digest,))[0] != digest:
            label += "'"
        self.pieces[label] = Piece(digest, source)


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
        "__slotnames__",
        "__match_args__",
        "__dataclass_fields__",
        "__parameters__",
        "__orig_bases__",
    )
)
